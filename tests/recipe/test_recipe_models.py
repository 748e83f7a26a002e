"""What a recipe says is what is read, and a model and what it was fitted to are the same after writing and reading."""

import copy
import pickle

import jax
import numpy as np
import pytest
from hypothesis import example, given, settings
from recipe_texts import MULTI, SERSIC, SIE_TIED, one_sersic, read
from small_models import models

from lensfit.errors import ModelError
from lensfit.priors import Part
from lensfit.pytree import replace
from lensfit.recipe import DataSection, FitSection, read_recipe, write_recipe
from lensfit.space import Space
from lensfit.standard import STANDARD, flexible

to_theta = jax.jit(lambda space, z: space.to_theta(z))
log_prior = jax.jit(lambda space, theta: space.log_prior(theta))


def round_trip(folder, model, **sections):
    write_recipe(folder / "recipe.toml", model, **sections)
    return read_recipe(folder / "recipe.toml")


def assert_same(first, second):
    """Two spaces are one to every pure function: equal structure, and leaves equal to the last bit."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


STANDARD_MODELS = {**STANDARD, "two sources": lambda imaging: flexible(imaging, sources=2)}


@pytest.mark.parametrize("name", STANDARD_MODELS)
def test_a_standard_model_comes_back(name, mock, tmp_path):
    model = STANDARD_MODELS[name](mock.imaging)
    before, after = Space.of(model), Space.of(round_trip(tmp_path, model).model)
    assert_same(before, after)
    assert before.names == after.names
    z = np.random.default_rng(1).standard_normal(before.ndim)
    theta = to_theta(before, z)
    assert (theta == to_theta(after, z)).all()
    assert log_prior(before, theta) == log_prior(after, theta)


def test_a_copy_is_written_with_the_ties_of_the_model(mock, tmp_path):
    model = flexible(mock.imaging)
    write_recipe(tmp_path / "recipe.toml", model)
    copies = (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), jax.tree.map(lambda leaf: leaf, model))
    for number, made in enumerate(copies):
        write_recipe(tmp_path / f"{number}.toml", made)
        assert (tmp_path / f"{number}.toml").read_text() == (tmp_path / "recipe.toml").read_text()


@settings(max_examples=15)
@given(model=models())
@example(model=replace(one_sersic(), light={".": one_sersic().light["bulge"]}))
def test_any_model_comes_back(model, tmp_path_factory):
    made = round_trip(tmp_path_factory.mktemp("any"), model).model
    assert_same(Space.of(model), Space.of(made))


def test_sections_come_back_with_paths_from_the_recipe(tmp_path):
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    files = {"path": tmp_path / "data", "psf": tmp_path / "psf.fits"}
    chosen = {"mask_is": "used", "plane": 0, "center": (0.5, -0.25), "center_sky": (150.1, 2.2), "cutout": 3.0}
    chosen |= {"psf_center": True, "noise_is": "variance", "noise_scale": 2.0, "zero_point": 23.9}
    data = DataSection(**files, **chosen, mask_radius=2.5, pixel_scale=0.05, nan="mask")
    fit = FitSection(seed=7)
    recipe = round_trip(folder, one_sersic(), data=data, fit=fit)
    assert 'path = "../../data"' in (folder / "recipe.toml").read_text()
    assert recipe.data.path.resolve() == data.path.resolve()
    assert recipe.data.psf.resolve() == data.psf.resolve()
    assert (recipe.data.mask_radius, recipe.data.pixel_scale, recipe.data.nan) == (2.5, 0.05, "mask")
    assert {name: getattr(recipe.data, name) for name in chosen} == chosen
    assert recipe.fit == fit


@pytest.mark.parametrize(
    ("text", "field", "scale"), [('field = "SPT 0346"\nnoise_scale = "auto"', "SPT 0346", "auto"),
                                 ("field = 2\nnoise_scale = 2", "2", 2.0)]
)  # fmt: skip
def test_which_source_and_what_noise(text, field, scale, tmp_path):
    (tmp_path / "in.toml").write_text(f"[data]\n{text}\n")
    data = read_recipe(tmp_path / "in.toml").data
    assert (data.field, data.noise_scale) == (field, scale)
    kept = round_trip(tmp_path, one_sersic(), data=data).data
    assert (kept.field, kept.noise_scale) == (field, scale)


def test_ties_and_hyperparameters_are_parameters(tmp_path):
    model = read(tmp_path, SERSIC + SIE_TIED).model
    bulge, sie = model.light["bulge"], model.mass["sie"]
    assert sie.center_x is bulge.center_x
    assert sie.center_y == bulge.center_y == 0.01
    assert sie.e1.prior is sie.e2.prior is bulge.e1.prior
    assert isinstance(sie.einstein_radius.mean, Part)
    assert bulge.intensity.positive is False
    assert model.sky == 0.0
    assert Space.of(model).names == (
        "light.bulge.center_x", "light.bulge.e1", "light.bulge.e2", "mass.sie.einstein_radius",
    )  # fmt: skip


def test_a_recipe_without_a_model_names_a_standard_one(tmp_path):
    recipe = read(tmp_path, '[fit]\nstandard = "flexible"\nseed = 3\n')
    assert recipe.model is None
    assert (recipe.fit.standard, recipe.fit.seed) == ("flexible", 3)


def test_lists_stand_where_the_profile_has_several_numbers(tmp_path):
    profile = read(tmp_path, MULTI).model.light["set"]
    np.testing.assert_array_equal(profile.sigmas, [0.1, 0.2])
    np.testing.assert_array_equal(profile.intensity, [1.0, 2.0])


def test_an_instrument_comes_from_a_preset_and_numbers(tmp_path):
    numbers = "exposure_time = 200\npsf = {fwhm = 0.1, size = 11}\n"
    section = read(tmp_path, f'[instrument]\npreset = "jwst_f150w"\nshape = [40, 50]\n{numbers}').instrument
    made = section.instrument()
    assert section.shape == (40, 50)
    assert (made.exposure_time, made.pixel_scale, made.psf.shape) == (200.0, 0.031, (11, 11))


def test_an_instrument_takes_a_file_as_psf(tmp_path):
    np.savez(tmp_path / "psf.npz", psf=np.eye(3) + 1)
    text = '[instrument]\npreset = "jwst_f150w"\nshape = [40, 50]\npsf = "psf.npz"\n'
    made = read(tmp_path, text).instrument.instrument()
    np.testing.assert_allclose(made.psf, (np.eye(3) + 1) / 12)
    assert "PSF divided by its sum 12" in made.notes


def test_an_instrument_says_what_it_lacks(tmp_path):
    section = read(tmp_path, "[instrument]\nshape = [40, 50]\npixel_scale = 0.05\n").instrument
    with pytest.raises(ModelError, match="no psf, exposure_time, gain, sky, read_noise, unit; give"):
        section.instrument()
