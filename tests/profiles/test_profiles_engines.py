"""Both engines give the same image and derivatives; NaN in, NaN out, and an ellipticity of 1 or more is NaN."""

import sys
from pathlib import Path

import family
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit import profiles
from lensfit.model import LensModel
from lensfit.pytree import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "native"))
from grids import derivatives, equal, grid_of

CENTERED = family.CENTER | {"e1": 0.1, "e2": -0.15}
GRID = {engine: grid_of(engine=engine) for engine in ("native", "xla")}
SEEN = np.asarray(GRID["native"].gather) >= 0
"""Pixels (17, 19) that are evaluated."""


def model(name):
    """A model in which the profile `name` is "one", seen itself or by what it does to a source."""
    cls, given = family.FAMILY[name]
    numbers = {key: np.array(value) for key, value in given.items()}
    shape = {"e1": 0.1, "e2": -0.15} if name in family.ELLIPTICAL else {}
    if name in family.LIGHTS:
        amplitude = np.array([1.0, 0.3, 0.7]) if name == "multi_gaussian" else 1.3
        return LensModel(light={"one": cls(**numbers, **shape, intensity=amplitude)}, mass={}, source={})
    source = profiles.Gaussian(**CENTERED, intensity=1.3, sigma=0.6)
    return LensModel(light={}, mass={"one": cls(**numbers, **shape)}, source={"source": source})


def changed(tree, field, value):
    profile = {**tree.light, **tree.mass}["one"]
    number = np.array(getattr(profile, field), float)
    number.flat[0] = value
    group = "light" if tree.light else "mass"
    return replace(tree, **{group: {"one": replace(profile, **{field: number})}})


def everything(tree, engine):
    """Image, gradient of a weighted sum as one vector, and the image's change along ones."""
    made = derivatives(jax.tree.map(lambda v: jnp.asarray(v, float), tree), GRID[engine])
    return [np.asarray(part) for part in made]


def parameters(name):
    light = [family.FAMILY[name][0].amplitude] if name in family.LIGHTS else []
    return family.fields(name) + light


@pytest.mark.parametrize("name", family.FAMILY)
def test_engines_agree(name):
    native, xla = (everything(model(name), engine) for engine in GRID)
    equal(native[:2], xla[:2])
    equal(native[2], xla[2], 1e-9)  # where a square root of the SIE nearly vanishes, rounding shows in one pixel


@pytest.mark.parametrize("engine", GRID)
@pytest.mark.parametrize("name", family.FAMILY)
def test_nan_in_nan_out(name, engine):
    assert np.isfinite(everything(model(name), engine)[0]).all()
    for field in parameters(name):
        image, slope, _ = everything(changed(model(name), field, np.nan), engine)
        assert np.isnan(image[SEEN]).all(), field
        assert np.isnan(slope).any(), field


@pytest.mark.parametrize("engine", GRID)
@pytest.mark.parametrize("name", family.ELLIPTICAL)
@pytest.mark.parametrize("e", [(1.1, 0.0), (1.0, 0.0), (0.0, -1.0), (0.8, 0.9), (-5.0, 3.0)])
def test_no_ellipse_of_ellipticity_one_or_more(name, engine, e):
    outside = changed(changed(model(name), "e1", e[0]), "e2", e[1])
    image, slope, _ = everything(outside, engine)
    own = outside.light or outside.mass
    assert np.isnan(image[SEEN]).all() and np.isnan(slope).sum() >= len(jax.tree.leaves(own)) - 1
    convergence = getattr(own["one"], "convergence", lambda x, y: np.nan)(0.3, 0.2)
    assert np.isnan(convergence)


@pytest.mark.parametrize("name", family.ELLIPTICAL)
def test_the_formula_itself(name):
    """Without a grid: as it is called for plots and by the finder of images."""
    for e1, e2 in [(1.1, 0.0), (np.nan, 0.1)]:
        assert np.isnan(family.values(name, family.numbers(name, e1=e1, e2=e2))).all()
