"""A formula cut into coefficients, terms and parts: the parts give it back, and are the same wherever they stand."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.model import LensModel
from lensfit.profiles import SIE, Exponential, MultiGaussian, Sersic
from lensfit.surface import parts, split

CENTER = {"center_x": 0.1, "center_y": -0.2, "e1": 0.1, "e2": 0.05}


def sersic(intensity=1.3):
    return Sersic(**CENTER, intensity=intensity, effective_radius=0.4, sersic_index=2.0)


def lens(**light):
    return LensModel(light=light, mass={"sie": SIE(**CENTER, einstein_radius=1.0)}, source={"s": sersic()})


FORMULAS = {
    "lens": (LensModel.brightness, lens(a=sersic(), b=Exponential(**CENTER, intensity=0.3, effective_radius=0.9))),
    "gaussians": (
        LensModel.brightness,
        LensModel(
            light={"m": MultiGaussian(**CENTER, intensity=np.array([1.0, 0.2]), sigmas=np.array([0.1, 0.5]))},
            mass={},
            source={},
        ),
    ),
    "signs": (lambda a, x, y: -(a[0] * (jnp.exp(x) - 2.0 * (jnp.exp(y) - x)) - a[1]), (0.7, 0.2)),
    "shared": (lambda a, x, y: jnp.exp(x) * a[0] + jnp.exp(x) * y - jnp.sqrt(1 + y * y), (0.7,)),
    "several": (lambda a, x, y: (jnp.exp(a[0] * x), 3.0, a[1], 0.0 * x, jnp.exp(a[0] * x) + y), (0.7, 0.2)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_parts_give_the_formula_back(name):
    formula, arguments = FORMULAS[name]
    arguments = jax.tree.map(jnp.asarray, arguments)
    coefficients, local = split(formula, arguments, jnp.float64)
    for x, y in ((0.3, -0.4), (1.1, 0.6)):
        expected = jax.tree.leaves(formula(arguments, x, y))
        total = np.zeros(len(expected))
        for part in parts(local):
            values = part.local([coefficients[k] for k in part.uses], x, y)
            for share in part.shares:
                factors = [coefficients[f] if isinstance(f, int) else f for f in share.factors]
                total[share.output] += float(np.prod([1.0, *factors]) * values[share.value])
        np.testing.assert_allclose(total, expected, rtol=1e-13)
        np.testing.assert_allclose(local(coefficients, x, y), expected, rtol=1e-13)


def texts(model):
    _, local = split(LensModel.brightness, jax.tree.map(jnp.asarray, model), jnp.float64)
    return [str(part.local.closed) for part in parts(local)]


def test_a_profile_is_the_same_part_in_every_model():
    alone = texts(LensModel(light={"one": sersic()}, mass={}, source={}))
    assert len(alone) == 1
    more = texts(lens(a=sersic(), b=sersic(2.0)))
    assert len(more) == 3 and more.count(alone[0]) == 2
    source = texts(LensModel(light={}, mass=lens().mass, source=lens().source))
    assert source[0] in more


def test_sources_share_their_deflection_and_gaussians_their_radius():
    two = LensModel(light={}, mass=lens().mass, source={"a": sersic(), "b": sersic(0.5)})
    assert len(texts(two)) == 1
    assert len(texts(FORMULAS["gaussians"][1])) == 1
    coefficients, local = split(LensModel.brightness, jax.tree.map(jnp.asarray, two), jnp.float64)
    (part,) = parts(local)
    assert len(part.shares) == 2 and len(part.uses) == len(coefficients) - 2, "intensities are factors"


def test_a_model_without_light_has_no_parts():
    assert texts(LensModel(light={}, mass=lens().mass, source={})) == []


def test_sums_that_share_sums_stay_small():
    def doubled(a, x, y):
        total = a[0] * jnp.exp(x) + y
        for _ in range(60):
            total = total + total
        return total

    coefficients, local = split(doubled, (jnp.asarray(0.7),), jnp.float64)
    made = parts(local)
    assert sum(len(part.shares) for part in made) <= 2
    (part,) = made
    value = part.local([coefficients[k] for k in part.uses], 0.3, -0.4)[0]
    factor = np.prod([f for share in part.shares for f in share.factors])
    assert factor * sum([float(value)] * len(part.shares)) == pytest.approx(2.0**60 * (0.7 * np.exp(0.3) - 0.4))


def test_a_sum_longer_than_python_may_recurse_is_taken_apart():
    count = sys.getrecursionlimit() + 100

    def long(a, x, y):
        total = 0.0
        for k in range(count):
            total = total + jnp.exp(a[0] * x + k)
        return total

    _, local = split(long, (jnp.asarray(0.7),), jnp.float64)
    assert sum(len(part.shares) for part in parts(local)) == count


def test_a_factor_of_zero_keeps_what_may_be_nan():
    formula = lambda a, x, y: (0.0 * x, 0.0 * jnp.exp(a[0] * x), a[0] * 0.0, a[0] * (x - 0.0), y + 0.0)  # noqa: E731
    coefficients, local = split(formula, (jnp.asarray(np.nan),), jnp.float64)
    made = {share.output: (part, share) for part in parts(local) for share in part.shares}
    assert set(made) == {1, 2, 3, 4}, "zero times the point is zero"
    for output, (part, share) in made.items():
        value = part.local([coefficients[k] for k in part.uses], 0.3, -0.4)[share.value]
        total = np.prod([coefficients[f] if isinstance(f, int) else f for f in (*share.factors, 1.0)]) * value
        assert np.isnan(total) == (output != 4)
