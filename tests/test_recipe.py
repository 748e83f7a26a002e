"""Recipes: the same model after writing and reading, and errors that say what, where and what instead."""

import re

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, settings

from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.priors import Disk, LogNormal, LogUniform, Normal, Part, Prior, Solved, TruncatedNormal, Uniform
from lensfit.profiles import SIE, Exponential, Gaussian, LightProfile, MultiGaussian, Sersic, Shear, parameter
from lensfit.pytree import pytree, replace
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


# Small models made at random

numbers = st.floats(-1.0, 1.0)
widths = st.floats(0.01, 2.0)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def priors_of_one(draw, known):
    """A prior of one parameter; where one is known, it may depend on it."""
    center = draw(st.sampled_from(known)) if known and draw(st.booleans()) else draw(numbers)
    low = draw(st.floats(0.1, 1.0))
    return draw(
        st.sampled_from([
            Normal(mean=center, sigma=draw(widths)),
            TruncatedNormal(mean=center, sigma=draw(widths), low=-2.0, high=2.0),
            Uniform(low=low, high=low + draw(widths)),
            LogUniform(low=low, high=low + draw(widths)),
            LogNormal(median=low, sigma=draw(widths)),
        ])
    )


def place(draw, known, new):
    """A leaf: a number, a new parameter, or one that is known."""
    choice = draw(st.sampled_from(["number", "new", "known"]))
    if choice == "number" or (choice == "known" and not known):
        return draw(st.floats(0.1, 0.9))
    if choice == "known":
        return draw(st.sampled_from(known))
    leaf = draw(new)
    known.append(leaf)
    return leaf


def pair(draw, known):
    """Two leaves: numbers, parts of a new disk, or a part that is known."""
    choice = draw(st.sampled_from(["numbers", "disk", "known"]))
    if choice == "disk":
        parts = Disk(scale=draw(widths), limit=0.8, center_1=draw(st.floats(-0.5, 0.5))).parts
        known.extend(parts)
        return parts
    if choice == "known" and known:
        return draw(st.sampled_from(known)), 0.05
    return draw(st.floats(-0.4, 0.4)), draw(st.floats(-0.4, 0.4))


def light(draw, known):
    kind = draw(st.sampled_from([Sersic, Exponential, Gaussian, MultiGaussian]))
    e1, e2 = pair(draw, known)
    new = priors_of_one(list(known))
    leaves = {name: place(draw, known, new) for name in ("center_x", "center_y")}
    amplitude = Solved(positive=draw(st.booleans())) if draw(st.booleans()) else place(draw, known, new)
    rest = {"effective_radius": 0.4, "sersic_index": 1.5, "sigma": place(draw, known, new)}
    if kind is MultiGaussian:
        rest = {"sigmas": np.array([0.1, 0.3])}
        amplitude = amplitude if isinstance(amplitude, Solved) else np.array([1.0, 2.5])
    rest = {name: value for name, value in rest.items() if name in kind.__dataclass_fields__}
    return kind(**leaves, e1=e1, e2=e2, intensity=amplitude, **rest)


@st.composite
def models(draw):
    known = []
    lights = {name: light(draw, known) for name in sorted(draw(st.sets(names, max_size=2)))}
    gamma1, gamma2 = pair(draw, known)
    e1, e2 = pair(draw, known)
    new = priors_of_one(list(known))
    x, y, radius = (place(draw, known, new) for _ in range(3))
    return LensModel(
        light=lights,
        mass={
            "shear": Shear(gamma1=gamma1, gamma2=gamma2),
            "sie": SIE(center_x=x, center_y=y, e1=e1, e2=e2, einstein_radius=radius),
        },
        source={name: light(draw, known) for name in sorted(draw(st.sets(names, max_size=1)))},
        sky=Solved(positive=False) if draw(st.booleans()) else place(draw, known, new),
    )


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


# Reading what people write

SERSIC = """
[light.bulge]
profile = "Sersic"
center_x = {prior = "Normal", mean = 0, sigma = 0.1}
center_y = 0.01
e = {prior = "Disk", scale = 0.3, limit = 0.8}
intensity = {solved = true, positive = false}
effective_radius = 0.5
sersic_index = 4
"""
SIE_TIED = """
[mass.sie]
profile = "SIE"
center_x = "light.bulge.center_x"
center_y = "light.bulge.center_y"
e = "light.bulge.e"
einstein_radius = {prior = "Normal", mean = "light.bulge.e2", sigma = 0.05}
"""


def one_sersic():
    return LensModel(
        light={"bulge": Sersic(center_x=0.0, center_y=0.0, e1=0.1, e2=0.0, intensity=1.0,
                               effective_radius=0.5, sersic_index=2.0)},
        mass={}, source={},
    )  # fmt: skip


def read(folder, text):
    (folder / "made.toml").write_text(text, encoding="utf-8")
    return read_recipe(folder / "made.toml")


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


def edited(old, new, text=SERSIC + SIE_TIED):
    assert old in text
    return text.replace(old, new)


WRONG = {
    "no TOML": (SERSIC + "e = ", "is not valid TOML"),
    "section": ('[lihgt.bulge]\nprofile = "Sersic"\n', "no section 'lihgt'; did you mean light?"),
    "profile": (
        edited('"Sersic"', '"Sersick"'),
        "light.bulge: no light profile 'Sersick'; did you mean Sersic?",
    ),
    "mass as light": (
        edited('"SIE"', '"Sersic"'),
        "mass.sie: no mass profile 'Sersic'; there are SIE, Shear",
    ),
    "no profile": (edited('profile = "Sersic"', ""), "light.bulge: no profile; give profile = one of"),
    "key": (
        edited("sersic_index", "sersic_indx"),
        "no Sersic parameter 'sersic_indx'; did you mean sersic_index?",
    ),
    "missing": (edited("center_y = 0.01", ""), "light.bulge: Sersic has no center_y"),
    "both": (SERSIC + "e1 = 0.1\n", "light.bulge: both e and e1; e sets e1 and e2"),
    "prior": (
        edited('"Normal", mean = 0,', '"Norml", mean = 0,'),
        "no prior of 1 'Norml'; did you mean Normal or LogNormal?",
    ),
    "prior of two": (edited('"Disk"', '"Normal"'), "light.bulge.e: no prior of 2 'Normal'; there are Disk"),
    "no prior": (
        edited('prior = "Normal", mean = 0', "mean = 0"),
        "light.bulge.center_x: {'mean': 0, 'sigma': 0.1} names",
    ),
    "hyperparameter": (edited("mean = 0,", "men = 0,"), "no parameter of Normal 'men'; did you mean mean?"),
    "hyper missing": (edited(", sigma = 0.1", ""), "light.bulge.center_x: Normal has no sigma"),
    "hyper type": (
        edited("mean = 0,", "mean = true,"),
        "light.bulge.center_x.mean: True is no finite number",
    ),
    "tie": (
        edited("bulge.center_x", "buldge.center_x"),
        "mass.sie.center_x: no parameter 'light.buldge.center_x'; did you",
    ),
    "pair tie": (edited('"light.bulge.e"', '"light.bulge"'), "mass.sie.e1: no parameter 'light.bulge1'"),
    "pair number": (
        edited('"light.bulge.e"', "0.2"),
        "mass.sie.e: 0.2 is no prior; set numbers by e1 and e2",
    ),
    "tie to solved": (
        edited("bulge.center_x", "bulge.intensity"),
        "mass.sie.center_x: light.bulge.intensity is solved",
    ),
    "circle": (
        edited("mean = 0,", 'mean = "mass.sie.center_x",'),
        "light.bulge.center_x: leads back to itself",
    ),
    "solved": (edited("positive = false", "positve = false"), "no key 'positve'; did you mean positive?"),
    "solved false": (edited("solved = true", "solved = false"), "light.bulge.intensity: {'solved': False"),
    "solved shape": (
        edited("sersic_index = 4", 'sersic_index = "solved"'),
        "light.bulge.sersic_index: only the amplitude",
    ),
    "not finite": (
        edited("sersic_index = 4", "sersic_index = nan"),
        "light.bulge.sersic_index: nan is no finite",
    ),
    "date": (
        edited("sersic_index = 4", "sersic_index = 2020-01-01"),
        "light.bulge.sersic_index: datetime.date",
    ),
    "list": (
        edited("center_y = 0.01", "center_y = [0.01, 0.2]"),
        "with lists for center_y; give a number where",
    ),
    "list of texts": (
        edited("center_y = 0.01", 'center_y = ["a"]'),
        "light.bulge.center_y: 'a' is no finite number",
    ),
    "no width": (edited("sigma = 0.1", "sigma = 0"), "light.bulge.center_x: its prior is no distribution"),
    "no table": ("light = 3\n", "light: 3 is no table"),
    "no profile table": ("[light]\nbulge = 3\n", "light.bulge: 3 is no table"),
    "two models": (
        SERSIC + '[fit]\nstandard = "flexible"\n',
        "fit.standard: the recipe holds a model of its own",
    ),
    "standard": (
        '[fit]\nstandard = "flexibel"\n',
        "fit.standard: no choice 'flexibel'; did you mean flexible?",
    ),
    "seed": ("[fit]\nseed = -1\n", "fit.seed: -1 is no whole number from 0 on"),
    "data key": ("[data]\nmask_radios = 2\n", "data: no key 'mask_radios'; did you mean mask_radius?"),
    "data type": ("[data]\npath = 3\n", "data.path: 3 is no text"),
    "number as text": ('[data]\nmask_radius = "2"\n', "data.mask_radius: '2' is no finite number"),
    "nan": ('[data]\nnan = "zero"\n', "data.nan: no choice 'zero'; did you mean error?"),
    "shape": ("[instrument]\nshape = 30\n", "instrument.shape: 30 is no shape"),
    "psf": ("[instrument]\npsf = {fwhm = 0.1}\n", "instrument.psf: give the path of a file, or {fwhm"),
    "psf key": ("[instrument]\npsf = {fwmh = 0.1}\n", "instrument.psf: no key 'fwmh'; did you mean fwhm?"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, tmp_path):
    text, message = WRONG[case]
    with pytest.raises(ModelError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'made.toml'}: ")
    assert message in str(caught.value)


MULTI = """
[light.set]
profile = "MultiGaussian"
center_x = 0.0
center_y = 0.0
e1 = 0.1
e2 = 0.0
intensity = [1.0, 2.0]
sigmas = [0.1, 0.2]
"""


def test_lists_stand_where_the_profile_has_several_numbers(tmp_path):
    profile = read(tmp_path, MULTI).model.light["set"]
    np.testing.assert_array_equal(profile.sigmas, [0.1, 0.2])
    np.testing.assert_array_equal(profile.intensity, [1.0, 2.0])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sigmas = [0.1, 0.2]", "sigmas = 0.1"),
        ("intensity = [1.0, 2.0]", "intensity = [1.0, 2.0, 3.0]"),
        ("intensity = [1.0, 2.0]", "intensity = 1.0"),
        ("intensity = [1.0, 2.0]", 'intensity = {prior = "Normal", mean = 1.0, sigma = 0.1}'),
    ],
)
def test_lists_of_the_wrong_length_are_refused(old, new, tmp_path):
    with pytest.raises(ModelError, match=r"light\.set: MultiGaussian cannot be evaluated with lists for"):
        read(tmp_path, edited(old, new, MULTI))


@pytest.mark.parametrize(
    "prior",
    [
        '{prior = "Uniform", low = 1.0, high = 0.5}',
        '{prior = "LogUniform", low = -1.0, high = 0.5}',
        '{prior = "LogNormal", median = 0.0, sigma = 0.5}',
        '{prior = "TruncatedNormal", mean = 1.0, sigma = 0.5, low = 2.0, high = 0.5}',
    ],
)
def test_priors_that_are_no_distribution_are_refused(prior, tmp_path):
    with pytest.raises(ModelError, match=r"light\.bulge\.sersic_index: its prior is no distribution"):
        read(tmp_path, edited("sersic_index = 4", f"sersic_index = {prior}"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.toml: cannot be read"):
        read_recipe(tmp_path / "nowhere.toml")


# Writing what has no name


@pytree
class Own(LightProfile):
    """A profile that lensfit does not know."""

    intensity: float = parameter("", "I", "amplitude")


@pytree
class Flat(Prior):
    """A prior that lensfit does not know."""


def test_models_without_a_recipe_are_refused(tmp_path):
    model = one_sersic()
    bulge = model.light["bulge"]
    first, second = Disk(scale=0.2, limit=0.8).parts
    loose = Normal(mean=Normal(mean=0.0, sigma=1.0), sigma=1.0)
    cases = {
        "Own is not lensfit's": Own(intensity=1.0),
        "cannot name the prior Flat": replace(bulge, center_x=Flat()),
        "light.bulge.e1: a recipe defines": replace(bulge, e1=second, e2=first),
        "light.bulge.center_x: a recipe defines": replace(bulge, center_x=first, center_y=second),
        "mean: a recipe defines a prior at a leaf": replace(bulge, center_x=loose),
    }
    for message, profile in cases.items():
        with pytest.raises(ModelError, match=re.escape(message)):
            write_recipe(tmp_path / "recipe.toml", replace(model, light={"bulge": profile}))
    assert not list(tmp_path.iterdir())


# Instruments


def test_an_instrument_comes_from_a_preset_and_numbers(tmp_path):
    numbers = "exposure_time = 200\npsf = {fwhm = 0.1, size = 11}\n"
    section = read(tmp_path, f'[instrument]\npreset = "jwst_f150w"\nshape = [40, 50]\n{numbers}').instrument
    made = section.instrument()
    assert section.shape == (40, 50)
    assert (made.exposure_time, made.pixel_scale, made.psf.shape) == (200.0, 0.031, (11, 11))


def test_an_instrument_takes_a_file_as_psf(tmp_path):
    np.savez(tmp_path / "psf.npz", psf=np.eye(3) + 1)
    text = '[instrument]\npreset = "jwst_f150w"\nshape = [40, 50]\npsf = "psf.npz"\n'
    psf = read(tmp_path, text).instrument.instrument().psf
    np.testing.assert_allclose(psf, (np.eye(3) + 1) / 12)


def test_an_instrument_says_what_it_lacks(tmp_path):
    section = read(tmp_path, "[instrument]\nshape = [40, 50]\npixel_scale = 0.05\n").instrument
    with pytest.raises(ModelError, match="no psf, exposure_time, gain, sky, read_noise, unit; give"):
        section.instrument()
