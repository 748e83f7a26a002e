"""F and D of images by tiles and by FFT: against a dense B with the PSF applied by SciPy, and their derivative."""

import dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.inversion.images import normal
from lensfit.likelihood.pixel_images import PixelImagingLikelihood
from lensfit.model import LensModel
from lensfit.native import door

ENGINES = ("native", "xla")
CASES = {
    "ring": {}, "no mask": {"kind": "none"}, "scattered": {"kind": "scattered", "psf": (3, 7)},
    "corner, no PSF": {"kind": "corner", "psf": (1, 1)}, "one tile": {"kind": "none", "shape": (7, 8), "psf": (7, 7)},
    "one row": {"kind": "none", "shape": (1, 9), "psf": (1, 5)},
}
CASES = {name: {"kind": "ring"} | case for name, case in CASES.items()}

class Case:
    """A model, the rays of its likelihood, columns of light, and B written out."""

    def __init__(self, lights=2, center_x=0.03, order=2, **case):
        self.data = dense.observed(**case)
        source = dense.pixel_source(center_x=center_x, order=order)
        self.model = LensModel(light={}, mass=dense.MASS, source={"pixels": source})
        self.rays = PixelImagingLikelihood.of(self.data).rays[0]
        seen = np.asarray(self.rays.inverse_noise) > 0  # the rest fills up, and no data are there
        rng = np.random.default_rng(7)
        self.columns = rng.standard_normal((lights, len(seen))) * seen
        self.target = rng.standard_normal(len(seen)) * seen
        images = np.zeros((source.pixels**2, len(seen)))
        images[:, seen] = dense.images(self.model, self.data)
        self.dense = np.concatenate([images, self.columns])
        self.given = *dense.positions(self.model, self.rays.x, self.rays.y), self.columns, self.target

    def normal(self, engine):
        """F and D as a function of rays, columns and data; compiled, as it is meant to be called."""
        mesh = self.model.source["pixels"].pixels, self.model.source["pixels"].order
        return jax.jit(lambda *given: normal(self.rays, *given, mesh, engine))


@pytest.mark.parametrize("lights", [0, 2])
@pytest.mark.parametrize("name", CASES)
def test_against_dense(name, lights):
    case = Case(lights, **CASES[name])
    for engine in ENGINES:
        curvature, vector = case.normal(engine)(*case.given)
        expected = case.dense @ case.dense.T
        np.testing.assert_allclose(curvature, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        np.testing.assert_allclose(curvature, np.asarray(curvature).T, rtol=0, atol=1e-14 * np.abs(expected).max())
        np.testing.assert_allclose(vector, case.dense @ case.target, rtol=0, atol=1e-11)


def test_a_mesh_that_few_rays_meet():
    """Most tiles see no source pixel at all, and some source pixels are seen by none."""
    case = Case(0, center_x=1.5)
    assert np.mean(np.all(case.dense == 0, 0)) > 0.5 and np.any(np.all(case.dense == 0, 1))
    for engine in ENGINES:
        np.testing.assert_allclose(case.normal(engine)(*case.given)[0], case.dense @ case.dense.T, atol=1e-12)


@pytest.mark.parametrize("name", ["ring", "scattered", "one row"])
@pytest.mark.parametrize("engine", ENGINES)
def test_derivative(name, engine):
    """By rays, columns and data, against central differences."""
    case = Case(**CASES[name], order=3)
    rng = np.random.default_rng(3)
    factors = rng.standard_normal((38, 38)), rng.standard_normal(38)
    value = case.normal(engine)

    def total(*given):
        return sum(jnp.sum(f * made) for f, made in zip(factors, value(*given), strict=True))

    slopes = jax.jit(jax.grad(total, (0, 1, 2, 3)))(*case.given)
    for k, slope in enumerate(slopes):
        along = rng.standard_normal(case.given[k].shape)
        moved = [[a + step * along if i == k else a for i, a in enumerate(case.given)] for step in (1e-5, -1e-5)]
        expected = (total(*moved[0]) - total(*moved[1])) / 2e-5
        np.testing.assert_allclose(np.sum(slope * along), expected, rtol=1e-6, atol=1e-9 * np.abs(slope).sum())


def test_nan_is_not_masked():
    case = Case()
    u = case.given[0].copy()
    u[40, 0] = np.nan
    for engine in ENGINES:
        assert np.any(np.isnan(case.normal(engine)(u, *case.given[1:])[0]))


def test_where_xla_cannot_call_kernels(monkeypatch):
    case = Case()
    expected = case.normal("xla")(*case.given)
    monkeypatch.setattr(door, "trouble", lambda: "another version")
    for a, b in zip(case.normal("native")(*case.given), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("engine", ENGINES)
def test_held_light_has_no_derivative_and_changes_none(engine):
    """Columns of zeros, which fill held light up, are among it."""
    case = Case(3, **CASES["ring"])
    u, v, columns, target = case.given
    columns = columns * np.array([1.0, 0.0, 1.0])[:, None]
    rng = np.random.default_rng(3)
    size = len(case.dense)
    factors = rng.standard_normal((size, size)), rng.standard_normal(size)
    mesh = case.model.source["pixels"].pixels, case.model.source["pixels"].order

    def total(held, *given):
        made = normal(case.rays, *given, mesh, engine, held)
        return sum(jnp.sum(f * m) for f, m in zip(factors, made, strict=True))

    free, held = (
        jax.jit(jax.value_and_grad(lambda *given, flag=flag: total(flag, *given), (0, 1, 2, 3)))(u, v, columns, target)
        for flag in (False, True)
    )
    np.testing.assert_allclose(held[0], free[0], rtol=1e-12)
    for one, other in zip(held[1][:2], free[1][:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    assert np.any(free[1][2]) and np.any(free[1][3]) and not np.any(held[1][2]) and not np.any(held[1][3])
