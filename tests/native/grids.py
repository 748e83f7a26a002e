"""What the tests of the native room share: a small grid of mixed sub-pixels, and both engines on it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from lensfit import native
from lensfit.grid import make_grid
from lensfit.model import LensModel
from lensfit.pytree import replace
from lensfit.surface import surface

SCALE = 0.13


def grid_of(shape=(17, 19), choices=(0, 1, 2, 3), seed=0, engine="native"):
    levels = np.random.default_rng(seed).choice(choices, shape)
    x, y = np.meshgrid(SCALE * (np.arange(shape[1]) - 8.6), SCALE * (np.arange(shape[0]) - 7.9))
    return replace(make_grid(x, y, levels, SCALE), engine=engine)


def at_points(function, x, y=None):
    """Values (K, N) of function(x, y) -> list of K values at N <= 1024 points, by its kernel, called by Python."""
    x = np.asarray(x, float)
    y = np.zeros_like(x) if y is None else np.asarray(y, float)
    kernel = native.means_kernel(jax.make_jaxpr(function)(0.5, 0.5))
    blocks = [np.pad(a, (0, 1024 - a.size)).reshape(1, 1024) for a in (x, y)]
    gather = np.arange(x.size, dtype=np.int32)[None]
    return kernel.run(np.zeros(0), *blocks, np.ones(1, np.int32), np.int32(1), 0.0, gather)[:, 0]


def equal(one, other, tolerance=1e-11):
    """Both trees are finite and agree to a tolerance relative to the largest value of each leaf."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * (np.abs(b).max(initial=0.0) + 1e-300))


WEIGHTS = np.random.default_rng(1).standard_normal((17, 19))


@jax.jit
def derivatives(model, grid):
    """Image (17, 19), gradient of its sum with WEIGHTS as a vector, and the image's change along ones."""
    image = lambda m: surface(LensModel.brightness, m, grid)  # noqa: E731
    value, push = jax.linearize(image, model)
    gradient = jax.grad(lambda m: jnp.sum(WEIGHTS * image(m)))(model)
    return value, ravel_pytree(gradient)[0], push(jax.tree.map(jnp.ones_like, model))
