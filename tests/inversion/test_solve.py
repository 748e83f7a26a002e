"""The linear system: against NumPy and SciPy's non-negative least squares, with determinants and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, nnls

from lensfit.inversion.solve import covariance, log_determinant, solve

ENGINES = ("native", "xla")
SIZE, LIGHTS = 14, 3
WHO = {
    "free": (False,) * 14, "lights": (False,) * 11 + (True, False, True), "source": (True,) * 11 + (False,) * 3,
    "all": (True,) * 14,
}
_solve = jax.jit(solve, static_argnums=(2, 3, 4))


def system(seed, noise=2.0):
    """A positive definite matrix, and a vector whose solution has both signs."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((SIZE, 2 * SIZE))
    return rows @ rows.T / SIZE + 0.1 * np.eye(SIZE), noise * rng.standard_normal(SIZE) + 0.5


def plain(matrix, vector, positive):
    """Least 1/2 s^T A s - s^T D by SciPy."""
    upper = np.linalg.cholesky(matrix).T
    low = np.where(positive, 0.0, -np.inf)
    found = lsq_linear(upper, np.linalg.solve(upper.T, vector), (low, np.inf), method="bvls", tol=1e-14)
    return np.where(np.array(positive) & (found.x < 1e-9), 0.0, found.x)


@pytest.mark.parametrize("who", WHO)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_solution_and_determinant(who, seed):
    matrix, vector = system(seed)
    expected = plain(matrix, vector, WHO[who])
    counted = (expected != 0) | (np.arange(SIZE) >= SIZE - LIGHTS)
    for engine in ENGINES:
        s, moving, log_det = _solve(matrix, vector, WHO[who], LIGHTS, engine)
        np.testing.assert_allclose(s, expected, rtol=0, atol=1e-8)
        np.testing.assert_array_equal(moving, expected != 0)
        np.testing.assert_allclose(log_det, np.linalg.slogdet(matrix[np.ix_(counted, counted)])[1], rtol=1e-10)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("engine", ENGINES)
def test_derivative(who, engine):
    """Of a sum over s and ln det along a direction in A and D, against central differences."""
    matrix, vector = system(5)
    rng = np.random.default_rng(1)
    along, push, factor = rng.standard_normal((SIZE, SIZE)), rng.standard_normal(SIZE), rng.standard_normal(SIZE)

    @jax.jit
    def total(step):
        both = matrix + step * (along + along.T), vector + step * push
        s, _, log_det = solve(*both, WHO[who], LIGHTS, engine)
        return jnp.sum(factor * s) + log_det

    slope = (total(1e-5) - total(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(total))(0.0), slope, rtol=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_log_determinant(engine):
    matrix, _ = system(2)
    moving = np.arange(SIZE) % 3 > 0
    part = np.ix_(moving, moving)
    value, slope = jax.jit(jax.value_and_grad(lambda m: log_determinant(m, moving, engine)))(matrix)
    np.testing.assert_allclose(value, np.linalg.slogdet(matrix[part])[1], rtol=1e-12)
    expected = np.zeros_like(matrix)
    expected[part] = np.linalg.inv(matrix[part])
    np.testing.assert_allclose(slope, expected, atol=1e-12)
    np.testing.assert_allclose(covariance(jnp.asarray(matrix), moving), expected, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("who", WHO)
def test_not_positive_definite_is_nan(who, engine):
    matrix, vector = system(3)
    s, _, log_det = _solve(matrix - 3 * np.eye(SIZE), vector, WHO[who], LIGHTS, engine)
    assert np.all(np.isnan(s)) and np.isnan(log_det)


def test_many_that_offend():
    """A thousand starts far from the answer: the exchanges end at it."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = rng.standard_normal((120, 125))
        matrix, vector = rows @ rows.T + 0.01 * np.eye(120), 100 * rng.standard_normal(120)
        s, _, _ = _solve(matrix, vector, (True,) * 120, 0, "native")
        slope = matrix @ s - vector
        assert np.all(s >= 0) and np.all(slope > -1e-8) and abs(s @ slope) < 1e-6


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_images_that_are_nearly_one_another(engine, seed):
    """Gaussians in steps of a third in size, two families of them: the exchanges go round, and yet it ends."""
    rng = np.random.default_rng(seed)
    r = np.hypot(*np.meshgrid(np.linspace(-3, 3, 40), np.linspace(-3, 3, 40)))
    sizes = 0.05 * 1.35 ** np.arange(12)
    both = [np.exp(-0.5 * (r / (s * stretch)) ** 2).ravel() for stretch in (1.0, 1.01) for s in sizes]
    rows = np.array(both)
    data = rng.uniform(0, 1, len(rows)) ** 8 @ rows + 0.01 * rng.standard_normal(rows.shape[1])
    matrix = rows @ rows.T + 1e-13 * np.eye(len(rows))
    s, _, _ = _solve(matrix, rows @ data, (True,) * len(rows), len(rows), engine)
    s = np.asarray(s)
    upper = np.linalg.cholesky(matrix).T
    expected = nnls(upper, np.linalg.solve(upper.T, rows @ data))[0]
    depth = lambda s: 0.5 * s @ matrix @ s - s @ (rows @ data)  # noqa: E731
    assert np.all(s >= 0)
    assert depth(s) < depth(expected) + 1e-8 * abs(depth(expected))
