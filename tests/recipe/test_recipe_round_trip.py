"""A model, and what it was fitted to, are the same after writing and reading."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from recipe_texts import one_sersic
from small_models import models

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


@settings(max_examples=15)
@given(model=models())
def test_any_model_comes_back(model, tmp_path_factory):
    made = round_trip(tmp_path_factory.mktemp("any"), model).model
    assert_same(Space.of(model), Space.of(made))


def test_sections_come_back_with_paths_from_the_recipe(tmp_path):
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    files = {"path": tmp_path / "data", "psf": tmp_path / "psf.fits"}
    data = DataSection(**files, mask_radius=2.5, pixel_scale=0.05, nan="mask")
    fit = FitSection(seed=7)
    recipe = round_trip(folder, one_sersic(), data=data, fit=fit)
    assert 'path = "../../data"' in (folder / "recipe.toml").read_text()
    assert recipe.data.path.resolve() == data.path.resolve()
    assert recipe.data.psf.resolve() == data.psf.resolve()
    assert (recipe.data.mask_radius, recipe.data.pixel_scale, recipe.data.nan) == (2.5, 0.05, "mask")
    assert recipe.fit == fit
