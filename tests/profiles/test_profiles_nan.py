"""NaN in, NaN out, and an ellipticity of 1 or more is NaN: by both engines, in value and gradient."""

import family
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit import profiles
from lensfit.grid import make_grid
from lensfit.model import LensModel
from lensfit.pytree import replace
from lensfit.surface import surface

CENTERED = family.CENTER | {"e1": 0.1, "e2": -0.15}


def grid(engine):
    x, y = np.meshgrid(0.3 * (np.arange(7) - 3), 0.3 * (np.arange(6) - 2))
    return replace(make_grid(x, y, np.full(x.shape, 2), 0.3), engine=engine)


def model(name):
    """A model in which the profile `name` is "one", seen itself or by what it does to a source."""
    cls, given = family.FAMILY[name]
    numbers = {key: np.array(value) for key, value in given.items()}
    shape = {"e1": 0.1, "e2": -0.15} if name in family.ELLIPTICAL else {}
    if name in family.LIGHTS:
        amplitude = np.array([1.0, 0.3, 0.7]) if name == "multi_gaussian" else 1.3
        return LensModel(light={"one": cls(**numbers, **shape, intensity=amplitude)}, mass={}, source={})
    source = profiles.Sersic(**CENTERED, intensity=1.3, effective_radius=0.8, sersic_index=2.5)
    return LensModel(light={}, mass={"one": cls(**numbers, **shape)}, source={"source": source})


def changed(tree, field, value):
    profile = {**tree.light, **tree.mass}["one"]
    number = np.array(getattr(profile, field), float)
    number.flat[0] = value
    group = "light" if tree.light else "mass"
    return replace(tree, **{group: {"one": replace(profile, **{field: number})}})


@jax.jit
def seen(tree, grid):
    image = lambda m: surface(LensModel.brightness, m, grid)  # noqa: E731
    return image(tree), jax.grad(lambda m: jnp.sum(image(m)))(tree)


def everything(tree, engine):
    """Image, and gradient of its sum as one vector."""
    image, slope = seen(jax.tree.map(lambda v: jnp.asarray(v, float), tree), grid(engine))
    return np.asarray(image), np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(slope)])


def parameters(name):
    light = [family.FAMILY[name][0].amplitude] if name in family.LIGHTS else []
    return family.fields(name) + light


@pytest.mark.parametrize("engine", ["native", "xla"])
@pytest.mark.parametrize("name", family.FAMILY)
def test_nan_in_nan_out(name, engine):
    assert np.isfinite(everything(model(name), engine)[0]).all()
    for field in parameters(name):
        image, slope = everything(changed(model(name), field, np.nan), engine)
        assert np.isnan(image).all(), field
        assert np.isnan(slope).any(), field


@pytest.mark.parametrize("engine", ["native", "xla"])
@pytest.mark.parametrize("name", family.ELLIPTICAL)
@pytest.mark.parametrize("e", [(1.1, 0.0), (1.0, 0.0), (0.0, -1.0), (0.8, 0.9), (-5.0, 3.0)])
def test_no_ellipse_of_ellipticity_one_or_more(name, engine, e):
    outside = changed(changed(model(name), "e1", e[0]), "e2", e[1])
    image, slope = everything(outside, engine)
    own = outside.light or outside.mass
    assert np.isnan(image).all() and np.isnan(slope).sum() >= len(jax.tree.leaves(own)) - 1
    convergence = getattr(own["one"], "convergence", lambda x, y: np.nan)(0.3, 0.2)
    assert np.isnan(convergence)


@pytest.mark.parametrize("name", family.ELLIPTICAL)
def test_the_formula_itself(name):
    """Without a grid: as it is called for plots and by the finder of images."""
    for e1, e2 in [(1.1, 0.0), (np.nan, 0.1)]:
        assert np.isnan(family.values(name, family.numbers(name, e1=e1, e2=e2))).all()
