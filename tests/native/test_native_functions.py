"""Printed functions against numpy, over all of the doubles but the negative zero; and what cannot be printed."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import at_points
from jax import lax
from scipy import special

from lensfit.native.printer import Unprintable, print_jaxpr

SPECIAL = np.array([0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 2.3e-308, 1e308, -1e308, 709.5, -746.0])


def points():
    random = np.random.default_rng(0)
    wide = random.choice([-1, 1], 400) * 10.0 ** random.uniform(-300, 300, 400)
    return np.concatenate([SPECIAL, wide, random.uniform(-20, 20, 400), 10.0 ** random.uniform(-12, 3, 150)])


ONE = {
    "exp": (jnp.exp, np.exp),
    "log": (jnp.log, np.log),
    "log1p": (jnp.log1p, np.log1p),
    "arctan": (jnp.arctan, np.arctan),
    "expm1": (jnp.expm1, np.expm1),
    "exp2": (jnp.exp2, np.exp2),
    "sinh": (jnp.sinh, np.sinh),
    "cosh": (jnp.cosh, np.cosh),
    "tanh": (jnp.tanh, np.tanh),
    "arcsinh": (jnp.arcsinh, np.arcsinh),
    "arccosh": (jnp.arccosh, np.arccosh),
    "arctanh": (jnp.arctanh, np.arctanh),
    "arcsin": (jnp.arcsin, np.arcsin),
    "arccos": (jnp.arccos, np.arccos),
    "cbrt": (jnp.cbrt, np.cbrt),
    "erf": (lax.erf, special.erf),
    "erfc": (lax.erfc, np.vectorize(math.erfc)),
    "clamp": (lambda x: lax.clamp(-1.5, x, 2.5), lambda x: np.clip(x, -1.5, 2.5)),
    "sqrt": (jnp.sqrt, np.sqrt),
    "rsqrt": (lax.rsqrt, lambda x: 1 / np.sqrt(x)),
    "abs": (jnp.abs, np.abs),
    "floor": (jnp.floor, np.floor),
    "ceil": (jnp.ceil, np.ceil),
    "sign": (jnp.sign, np.sign),
    "logistic": (jax.nn.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "square": (jnp.square, np.square),
    "cube": (lambda x: lax.integer_pow(x, 3), lambda x: x**3),
    "inverse": (lambda x: lax.integer_pow(x, -1), lambda x: 1 / x),
    "inverse square": (lambda x: lax.integer_pow(x, -2), lambda x: 1 / (x * x)),
    "inverse cube": (lambda x: lax.integer_pow(x, -3), lambda x: 1 / (x * x * x)),
    "is_finite": (lambda x: jnp.where(jnp.isfinite(x), 1.0, 0.0), lambda x: np.isfinite(x).astype(float)),
    "not": (lambda x: jnp.where(~(x > 0) & (x < 5) | (x == 7), 1.0, 2.0),
            lambda x: np.where(~(x > 0) & (x < 5) | (x == 7), 1.0, 2.0)),
    "bits": (lambda x: (lax.bitcast_convert_type(x, jnp.int64) >> 11).astype(float),
             lambda x: (np.asarray(x).view(np.int64) >> 11).astype(float)),
    "whole bits": (lambda x: lax.bitcast_convert_type(x, jnp.int64).astype(float),
                   lambda x: np.asarray(x).view(np.int64).astype(float)),
    "bool": (lambda x: (x > 0.5).astype(float), lambda x: (x > 0.5).astype(float)),
    "constants": (lambda x: jnp.where(x > 0, -jnp.inf, jnp.nan), lambda x: np.where(x > 0, -np.inf, np.nan)),
}
TWO = {
    "pow": (jnp.power, np.power),
    "arctan2": (lax.atan2, np.arctan2),
    "max": (jnp.maximum, np.maximum),
    "min": (jnp.minimum, np.minimum),
    "remainders": (lambda x, y: x / y - y, lambda x, y: x / y - y),
}


def compare(values, expected, name):
    """Relative to 1e-14, except that what underflows may become zero and what overflows infinite a little early."""
    both = np.isfinite(values) & np.isfinite(expected)
    small = both & (np.abs(expected) < 1e-306)
    assert (np.abs(values[small]) < 1e-306).all(), name
    large = np.abs(expected) > 1e307
    same = both & ~small & ~large
    np.testing.assert_allclose(values[same], expected[same], rtol=1e-13 if name == "pow" else 4e-15, err_msg=name)
    rest = ~both & ~large
    np.testing.assert_array_equal(values[rest], expected[rest], err_msg=name)
    assert (np.sign(values[large]) == np.sign(expected[large])).all() and (np.abs(values[large]) > 1e307).all(), name


def test_functions_of_one_number():
    x = points()
    values = at_points(lambda x, y: [ours(x) for ours, _ in ONE.values()], x)
    with np.errstate(all="ignore"):
        for value, (name, (_, theirs)) in zip(values, ONE.items(), strict=True):
            compare(value, theirs(x), name)


CIRCULAR = {"sin": (jnp.sin, np.sin), "cos": (jnp.cos, np.cos), "tan": (jnp.tan, np.tan)}


def test_circular_functions():
    """To rounding where the angle is known to it; then to that of the angle; and bounded for every double."""
    multiples = np.pi / 2 * np.arange(-2000, 2001)
    random = np.random.default_rng(3)
    wide = 10.0 ** random.uniform(-300, 6.2, 2000) * random.choice([-1, 1], 2000)
    for x in (multiples, np.nextafter(multiples, 9e9), wide, np.linspace(-8, 8, 2001)):
        for some in np.array_split(x, -(-len(x) // 1024)):
            values = at_points(lambda x, y: [ours(x) for ours, _ in CIRCULAR.values()], some)
            for value, (name, (_, theirs)) in zip(values, CIRCULAR.items(), strict=True):
                np.testing.assert_allclose(value, theirs(some), rtol=4e-15, atol=1e-300, err_msg=name)
    far = np.concatenate([10.0 ** random.uniform(6.2, 14.9, 500), 10.0 ** random.uniform(15, 308, 500)])
    values = at_points(lambda x, y: [jnp.sin(x), jnp.cos(x)], far)
    assert (np.abs(values[:, :500] - [np.sin(far[:500]), np.cos(far[:500])]) < 3e-16 * far[:500]).all()
    np.testing.assert_allclose(np.sum(values**2, 0), 1, rtol=1e-14)
    assert np.isnan(at_points(lambda x, y: [jnp.sin(x), jnp.cos(x), jnp.tan(x)], [np.nan, np.inf, -np.inf])).all()


def test_functions_of_two_numbers():
    random = np.random.default_rng(1)
    special = np.stack(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    near = np.stack([random.uniform(-5, 5, 400), random.choice([-3.0, -2.0, 0.0, 0.5, 2.0, 3.0, 7.3], 400)])
    x, y = np.concatenate([special, near, 10.0 ** random.uniform(-5, 5, (2, 400))], 1)
    values = at_points(lambda x, y: [ours(x, y) for ours, _ in TWO.values()], x, y)
    with np.errstate(all="ignore"):
        for value, (name, (_, theirs)) in zip(values, TWO.items(), strict=True):
            expected = theirs(x, y)
            known = np.isfinite(x) & np.isfinite(y) if name in ("pow", "arctan2") else np.full(x.shape, True)
            known &= ~((name == "arctan2") & (y == 0))  # the sign of a zero is not looked at
            known &= (np.abs(y) < 1e3) | (name != "pow")
            compare(value[known], expected[known], name)


def test_same_expressions_are_computed_once():
    closed = jax.make_jaxpr(lambda x, y: [jnp.exp(x * y) + jnp.exp(y * x), jnp.exp(x * y)])(0.1, 0.2)
    lines, outputs = print_jaxpr(closed, ["px", "py"])
    assert lines == ["v0 = px * py", "v1 = exp(v0)", "v2 = v1 + v1"] and outputs == ["v2", "v1"]


UNPRINTABLE = {
    "factorial": lambda x: lax.lgamma(x),
    "array": lambda x: jnp.sum(jnp.array([1.0, 2.0]) * x),
    "loop": lambda x: lax.fori_loop(0, 3, lambda k, v: v * x, 1.0),
    "branch": lambda x: lax.cond(x > 0, lambda: x, lambda: -x),
    "narrow": lambda x: x.astype(jnp.float32).astype(float),
    "choice of three": lambda x: lax.select_n(jnp.floor(x).astype(jnp.int32), x, x, x),
    "complex": lambda x: (x * 1j).real,
}


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_what_has_no_numba_form_is_refused(name):
    with pytest.raises(Unprintable):
        print_jaxpr(jax.make_jaxpr(UNPRINTABLE[name])(0.5), ["px"])
