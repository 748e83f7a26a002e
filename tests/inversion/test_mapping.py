"""B-splines on the mesh, by both engines: against SciPy's, merged or not, with rays that leave or are NaN."""

import dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensfit.errors import ModelError
from lensfit.inversion.mapping import entries, interpolated, spline
from lensfit.native import door

ENGINES = ("native", "xla")
ORDERS = (1, 2, 3)


def matrix(u, v, order, engine, pixels=7):
    """T (M, S) that `entries` says."""
    indices, weights = jax.jit(lambda u, v: entries(u, v, pixels, order, engine))(u, v)
    assert indices.dtype == np.int32 and np.all((indices >= -1) & (indices < pixels**2))
    assert np.all(np.asarray(weights)[np.asarray(indices) < 0] == 0)
    out = np.zeros((len(u), pixels**2))
    np.add.at(out, (np.arange(len(u))[:, None], indices), weights)
    return out


@given(st.floats(-50, 50), st.sampled_from(ORDERS))
def test_spline_is_scipys(u, order):
    first, weights = spline(jnp.asarray(u), order)
    nodes = int(first) + np.arange(order + 1)
    np.testing.assert_allclose(weights, dense.basis(u - nodes, order), atol=1e-13)
    np.testing.assert_allclose(np.sum(weights), 1.0, atol=1e-13)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("engine", ENGINES)
def test_mean_of_rays(order, engine):
    """On the mesh, across its edge, far beyond, on a node, and at infinity."""
    u, v = np.random.default_rng(order).uniform(-5, 12, (2, 60, 4))
    u[0], v[0], u[1], v[1] = 3.0, 2.0, 1e300, -1e300
    u[2, 0], v[3, 1] = np.inf, -np.inf
    finite = np.nan_to_num(u, posinf=99.0), np.nan_to_num(v, neginf=-99.0)
    np.testing.assert_allclose(matrix(u, v, order, engine), dense.mapping(*finite, 7, order), atol=1e-14)


@pytest.mark.parametrize("order", ORDERS)
def test_native_merges(order):
    """The entries of one pixel that fall on one node are one entry, in front."""
    u, v = 3.3 + 0.1 * np.random.default_rng(0).random((2, 5, 4))
    _, weights = jax.jit(lambda u, v: entries(u, v, 7, order, "native"))(u, v)
    assert weights.shape == (5, 4 * (order + 1) ** 2)
    assert np.all((weights != 0).sum(1) == (order + 1) ** 2) and np.all(weights[:, : (order + 1) ** 2] != 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("engine", ENGINES)
def test_derivative(order, engine):
    """Of a sum with random factors, against central differences of SciPy's splines."""
    rng = np.random.default_rng(1)
    u, v = rng.uniform(-1.5, 7.5, (2, 30, 4))
    factor = rng.standard_normal((30, 49))

    def total(u, v):
        indices, weights = entries(u, v, 7, order, engine)
        return jnp.sum(jnp.take_along_axis(jnp.asarray(factor), indices, 1) * weights)

    slopes = jax.jit(jax.grad(total, (0, 1)))(u, v)
    for k, slope in enumerate(slopes):
        for q in range(4):
            step = np.zeros((2, 30, 4))
            step[k, :, q] = 1e-6
            plus, minus = (dense.mapping(u + s * step[0], v + s * step[1], 7, order) for s in (1, -1))
            np.testing.assert_allclose(slope[:, q], ((plus - minus) * factor).sum(1) / 2e-6, atol=2e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_nan_is_not_masked(engine):
    u = np.full((2, 4), 3.0)
    u[1, 2] = np.nan
    _, weights = jax.jit(lambda u: entries(u, np.full((2, 4), 3.0), 7, 2, engine))(u)
    assert np.all(np.isfinite(weights[0])) and np.any(np.isnan(weights[1]))


def test_unknown_engine():
    with pytest.raises(ModelError, match="no engine 'abacus'"):
        entries(jnp.ones((1, 1)), jnp.ones((1, 1)), 7, 2, "abacus")


def test_where_xla_cannot_call_kernels(monkeypatch):
    """XLA does it alone."""
    u, v = np.random.default_rng(0).uniform(-1, 8, (2, 10, 4))
    expected = matrix(u, v, 2, "xla")
    monkeypatch.setattr(door, "trouble", lambda: "another version")
    np.testing.assert_array_equal(matrix(u, v, 2, "native"), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_interpolation_is_the_sum_of_its_entries_with_their_slopes(order):
    random = np.random.default_rng(order)
    coefficients, u, v = random.standard_normal((7, 7)), *random.uniform(-3, 10, (2, 60))
    there = jax.jit(lambda c, u, v: interpolated(order, c, u, v))
    np.testing.assert_allclose(
        there(coefficients, u, v), dense.mapping(u[:, None], v[:, None], 7, order) @ coefficients.ravel(), atol=1e-13
    )
    moved, step = random.standard_normal((2, 60)), 1e-6
    toward = random.standard_normal((7, 7))
    _, slope = jax.jvp(there, (coefficients, u, v), (toward, *moved))
    ahead, behind = (there(coefficients + h * toward, u + h * moved[0], v + h * moved[1]) for h in (step, -step))
    kinks = order == 1  # a step across a node changes the slope
    difference = np.abs(np.asarray(slope - (ahead - behind) / (2 * step)))
    assert np.sum(difference > 1e-7) <= kinks
