"""Formulas are total: finite and smooth where closed formulae break, and their derivatives are true."""

import itertools

import family
import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lensfit.profiles import shared_formulae

POINTS = [(0, 0), *((s * r, 0) for r in (1e-12, 1e-6, 1.0) for s in (1, -1)), (0, 1e-8), (0, 1), (0, -1)]
POINTS += [(1, 1), (1, -1), (1e-4, 2e-4), (1e3, 2e3), (-1e5, 1e5)]
ELLIPTICITIES = [(0, 0), (0.3, 0), (-0.3, 0), (0, 0.3), (0, -0.3), (1e-7, 0), (0, -1e-9), (-1e-5, 1e-5)]
ELLIPTICITIES += [(0.2, -0.25), (0.79, 0), (-0.5, 0.6)]
EXTREMES = [{"size": size, "index": n} for size in (1e-3, 1.0, 1e3) for n in (0.36, 0.5, 1.0, 4.0, 10.0)]


def singular(name):
    """Vectors (N, P) at every singular point: centre, axes, round, tiny, huge."""
    scaled = family.FAMILY[name][1]
    extremes = EXTREMES if name == "sersic" else EXTREMES[::5]
    for (x, y), (e1, e2), extreme in itertools.product(POINTS, ELLIPTICITIES, extremes):
        changes = {k: np.multiply(v, extreme["size"]) for k, v in scaled.items() if k in family.SIZES}
        if name == "sersic":
            changes["sersic_index"] = extreme["index"]
        center = {"center_x": 0.0, "center_y": 0.0}
        yield family.numbers(name, x=x, y=y, e1=e1, e2=e2, **(center | changes))


@pytest.mark.parametrize("name", family.FAMILY)
def test_finite_at_every_singular_point(name):
    vectors = np.array(list(singular(name)))
    value, (first, second) = family.values(name, vectors), family.derivatives(name, vectors)
    for what, array in (("value", value), ("gradient", first), ("second derivative", second)):
        bad = ~np.isfinite(np.asarray(array).reshape(len(vectors), -1)).all(1)
        assert not bad.any(), f"{what} at {vectors[bad][:3]}"
    for array in family.potentials(name, vectors) if name in family.MASSES else ():
        bad = ~np.isfinite(np.asarray(array).reshape(len(vectors), -1)).all(1)
        assert not bad.any(), f"potential at {vectors[bad][:3]}"


@pytest.mark.parametrize("name", family.ELLIPTICAL)
@pytest.mark.parametrize("point", [(0.7, 0.5), (1.1, -0.2), (0.1, 0.9), (-0.4, -0.7)])
def test_smooth_through_round(name, point):
    sizes = np.array([0, 1e-9, -1e-9, 1e-7, -1e-7, 1e-5, -1e-5, 1e-3, -1e-3])
    steps = [{"e1": s * c, "e2": s * d} for s in sizes for c, d in ((1, 0), (0, 1), (0.6, -0.8))]
    vectors = np.array([family.numbers(name, x=point[0], y=point[1], **step) for step in steps])
    value, (first, _) = family.values(name, vectors), family.derivatives(name, vectors)
    moved = np.abs(np.repeat(sizes, 3))
    for array, rounding in ((value, 1e-12), (first, 1e-9)):
        array = np.asarray(array)
        jump = np.abs(array - array[0]).reshape(len(vectors), -1).max(1)
        assert (jump <= rounding + 100 * np.abs(array[0]).max() * moved).all()


@pytest.mark.parametrize("name", family.FAMILY)
@given(data=st.data())
@settings(max_examples=60)
def test_derivatives_are_derivatives(name, data):
    vector = data.draw(family.drawn(name))
    value = family.values(name, vector)
    assume(name in family.MASSES or value.max() > 1e-9)
    distance = np.hypot(*(vector[:2] - family.numbers(name)[2:4])) if name in family.CENTERED else 1.0
    known = dict.fromkeys(("x", "y", "center_x", "center_y"), distance) | dict.fromkeys(("e1", "e2"), 0.3)
    known |= dict.fromkeys(("gamma1", "gamma2", "kappa", "a1", "a2"), 0.1)
    names = ["x", "y", *family.fields(name)]
    names += names[-1:] * (len(vector) - len(names))
    step = 1e-3 * np.array([known.get(key, abs(value)) for key, value in zip(names, vector, strict=True)])
    first, second = family.derivatives(name, vector)
    numeric = family.finite_difference(lambda v: family.values(name, v), vector, step)
    scale = np.abs(value).max() * 1e-3
    np.testing.assert_allclose(first[0] * step, numeric * step, rtol=1e-5, atol=1e-6 * scale)
    numeric = family.finite_difference(lambda v: family.derivatives(name, v)[0], vector, step)
    unit = step[:, None] * step
    np.testing.assert_allclose(second[0] * unit, numeric * unit, rtol=1e-4, atol=1e-4 * scale * 1e-3)


@pytest.mark.parametrize("name", family.CENTERED)
@given(data=st.data())
@settings(max_examples=40)
def test_moves_and_turns_with_its_frame(name, data):
    vector = data.draw(family.drawn(name))
    angle, dx, dy = data.draw(st.tuples(*[st.floats(-3, 3)] * 3))
    turned = vector.copy()
    turn = lambda v, a: np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ v  # noqa: E731
    turned[:2] = turn(vector[:2], angle) + np.array([dx, dy])
    turned[2:4] = turn(vector[2:4], angle) + np.array([dx, dy])
    for pair, times in family.TURNS.items():
        at = [2 + family.fields(name).index(key) for key in pair if key in family.fields(name)]
        if at:
            turned[at] = turn(vector[at], times.get(name, 2) * angle)
    here, there = family.values(name, [vector, turned])
    expected = turn(here, angle) if name in family.MASSES else here
    shift = np.max(np.abs([dx, dy])) + 1
    np.testing.assert_allclose(there, expected, rtol=1e-9, atol=1e-12 * shift * max(np.abs(here).max(), 1e-3))


def test_log():
    x = np.concatenate([np.geomspace(1e-300, 1e300, 5001), np.linspace(0.3, 3, 5001)])
    np.testing.assert_allclose(jax.jit(shared_formulae.log)(x), np.log(x), rtol=5e-16, atol=1e-16)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(shared_formulae.log)))(x), 1 / x, rtol=1e-15)


@pytest.mark.parametrize("function, exact, sign, most", [
    (shared_formulae.arctan_root, np.arctan, 1, 1e6), (shared_formulae.artanh_root, np.arctanh, -1, 0.99)
])
def test_inverse_tangents_over_their_argument(function, exact, sign, most):
    x = np.concatenate([np.geomspace(1e-16, most, 5001), np.linspace(1e-3, min(most, 8), 5001)])
    expected = exact(np.sqrt(x)) / np.sqrt(x)
    np.testing.assert_allclose(jax.jit(function)(x), expected, rtol=1e-15 if sign > 0 else 1e-14)  # artanh's own
    series = sum(k / (2 * k + 1) * (-sign) ** k * x ** (k - 1) for k in range(1, 13))
    slope = np.where(x < 0.05, series, (1 / (1 + sign * x) - expected) / (2 * x))
    found = jax.jit(jax.vmap(jax.grad(function)))(x)
    assert (np.abs(found - slope) < 3e-16 / x + 3e-15 * np.abs(slope)).all()


def test_artanh_near_one():
    rest = np.geomspace(1e-9, 1e-2, 101)
    v = 1 - rest
    t = np.sqrt(v)
    expected = 0.5 * np.log1p(2 * t * (1 + t) / (1 - v)) / t
    np.testing.assert_allclose(jax.jit(shared_formulae.artanh_root)(v), expected, rtol=1e-15)
