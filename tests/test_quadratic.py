"""Amplitudes of least chi2 with signs kept, against scipy's non-negative least squares."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from lensfit import terms
from lensfit.terms import RIDGE, Quadratic

solve = jax.jit(lambda columns, target, positive: Quadratic.of(columns, target).solve(positive))
PIXELS = 60


@st.composite
def systems(draw, condition, sizes=(1, 4, 24)):
    """Columns (K, P), target (P,), which entries are kept non-negative; singular values over `condition`."""
    size, seed = draw(st.sampled_from(sizes)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.standard_normal((PIXELS, size)))
    v, _ = np.linalg.qr(rng.standard_normal((size, size)))
    spread = np.geomspace(1, 1 / condition, size)
    columns = ((u * spread) @ v.T).T * 10.0 ** rng.uniform(-3, 3, (size, 1))
    target = rng.standard_normal(PIXELS) * 10.0 ** draw(st.integers(-3, 3))
    positive = rng.uniform(size=size) < draw(st.sampled_from([0.0, 0.6, 1.0]))
    return columns, target, positive


def exact(columns, target, positive):
    """By scipy, a free amplitude being the difference of two non-negative ones; unit columns."""
    norm = np.linalg.norm(columns, axis=1)
    unit = columns / np.where(norm > 0, norm, 1)[:, None]
    both = np.concatenate([unit, -unit[~positive]])
    found, residual = nnls(both.T, target, maxiter=1000 * len(both))
    amplitudes = found[: len(columns)].copy()
    amplitudes[~positive] -= found[len(columns) :]
    return amplitudes / np.where(norm > 0, norm, 1), residual**2


def check(columns, target, positive):
    """Feasible, zero where unusable, and as good as scipy's up to the ridge and rounding."""
    ours = np.asarray(solve(columns, target, positive))
    theirs, best = exact(columns, target, positive)
    assert np.isfinite(ours).all() and (ours[positive] >= 0).all()
    norm = np.linalg.norm(columns, axis=1)
    assert (ours[norm == 0] == 0).all()
    chi2 = np.sum((ours @ columns - target) ** 2)
    allowed = RIDGE * np.sum((theirs * norm) ** 2) + 1e-9 * (target @ target)
    assert chi2 <= best + allowed
    return ours, theirs


@given(systems(condition=30.0))
@settings(max_examples=300)
def test_equals_nnls(system):
    ours, theirs = check(*system)
    norm = np.linalg.norm(system[0], axis=1)
    np.testing.assert_allclose(ours * norm, theirs * norm, atol=1e-6 * np.linalg.norm(system[1]))


@given(systems(condition=1e6))
@settings(max_examples=300)
def test_as_good_as_nnls_where_columns_are_nearly_alike(system):
    check(*system)


@given(systems(condition=1e3))
@settings(max_examples=300)
def test_conditions_of_an_optimum(system):
    columns, target, positive = system
    ours = np.asarray(solve(columns, target, positive))
    norm = np.linalg.norm(columns, axis=1)
    pull = (columns / norm[:, None]) @ (target - ours @ columns)
    tolerance = 1e-8 * np.linalg.norm(target) + 2 * RIDGE * np.abs(ours * norm).max()
    assert (np.abs(pull[(ours > 0) | ~positive]) <= tolerance).all(), "no slope along what is in use"
    assert (pull[positive & (ours == 0)] <= tolerance).all(), "no gain from what is not"


DEGENERATE = ["duplicate", "scaled", "zero", "all zero", "no data"]


@given(systems(condition=10.0, sizes=(4,)), st.sampled_from(DEGENERATE))
@settings(max_examples=300)
def test_degenerate_columns(system, kind):
    columns, target, positive = system
    if kind in ("duplicate", "scaled"):
        columns[2] = columns[0] * (1.0 if kind == "duplicate" else 37.0)
    elif kind == "zero":
        columns[1] = 0
    elif kind == "all zero":
        columns[:] = 0
    else:
        target = np.zeros_like(target)
    ours, _ = check(columns, target, positive)
    assert np.abs(ours * np.linalg.norm(columns, axis=1)).max() <= 1e3 * np.linalg.norm(target)


def test_gaussians_of_many_widths():
    """The columns of a multi-Gaussian expansion: smooth, positive, nearly alike."""
    x = np.linspace(0, 3, PIXELS)
    columns = np.exp(-0.5 * (x / np.geomspace(0.05, 3, 24)[:, None]) ** 2)
    target = np.exp(-x) + 0.01 * np.random.default_rng(5).standard_normal(PIXELS)
    check(columns, target, np.ones(24, bool))
    flags = np.ones(24, bool)
    flags[-1] = False
    check(columns, target, flags)


def test_chi2_of_any_amplitudes():
    rng = np.random.default_rng(2)
    columns, target, a = rng.standard_normal((3, 4, 5)), rng.standard_normal((4, 5)), rng.standard_normal(3)
    expected = np.sum((np.tensordot(a, columns, 1) - target) ** 2)
    assert float(Quadratic.of(columns, target).chi2(a)) == pytest.approx(expected, rel=1e-12)


def test_vmap_equals_one_by_one():
    rng = np.random.default_rng(3)
    columns, target = rng.standard_normal((5, 4, PIXELS)), rng.standard_normal((5, PIXELS))
    positive = np.array([True, True, False, True])
    many = jax.jit(jax.vmap(lambda c, t: Quadratic.of(c, t).solve(positive)))(columns, target)
    singles = [solve(c, t, positive) for c, t in zip(columns, target, strict=True)]
    np.testing.assert_allclose(many, singles, atol=1e-12)


def test_an_active_set_that_does_not_end_is_nan(monkeypatch):
    """Not the amplitudes that it happened to have when its steps ran out."""
    columns, target = np.eye(3, PIXELS), -np.ones(PIXELS)
    assert (np.asarray(Quadratic.of(columns, target).solve(np.ones(3, bool))) == 0).all()
    monkeypatch.setattr(terms, "STEPS", 0)
    assert np.isnan(Quadratic.of(columns, target).solve(np.ones(3, bool))).all()
