"""Elementary functions that XLA evaluates slowly on a CPU, written so that a loop over pixels vectorises."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# Rational approximation of (arctan(t) - t) / t^3 in t^2 for |t| <= 0.66 (Cephes atan, Moshier 1989); error 2e-16
_P = (-0.8750608600031904, -16.157537187333652, -75.00855792314705, -122.88666844901361, -64.85021904942025)
_Q = (24.858464901423062, 165.02700983169885, 432.88106049129027, 485.3903996359137, 194.5506571482614)


@jax.custom_jvp
def arctan(x: Any) -> Any:
    """arctan of x >= 0 without branches: 1 ns where XLA's own takes 10."""
    large, middle = x > 2.414213562373095, x > 0.66
    top = jnp.where(large, -1.0, jnp.where(middle, x - 1.0, x))
    bottom = jnp.where(large, x, jnp.where(middle, x + 1.0, 1.0))
    offset = jnp.where(large, 0.5 * jnp.pi, jnp.where(middle, 0.25 * jnp.pi, 0.0))
    t = top / bottom
    z = t * t
    p = (((_P[0] * z + _P[1]) * z + _P[2]) * z + _P[3]) * z + _P[4]
    q = ((((z + _Q[0]) * z + _Q[1]) * z + _Q[2]) * z + _Q[3]) * z + _Q[4]
    return offset + t + t * z * (p / q)


@arctan.defjvp
def _arctan_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return arctan(x), dx / (1 + x * x)


# Rational approximation of ln(1 + m) - m + m^2 / 2 over m^3 for 1 + m in [sqrt(1/2), sqrt(2)) (Cephes log)
_A = (1.0187566380458093e-4, 0.497494994976747, 4.705791198788817, 14.498922534161093, 17.936867850781983,
      7.708387337558854)
_B = (11.287358718916746, 45.22791458375322, 82.98752669127767, 71.15447506185639, 23.125162012676533)
_ROOT_HALF = 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)


def _split(x: Any) -> tuple[Any, Any]:
    """k and f of x = f 2^k with f in [sqrt(1/2), sqrt(2)), from the bits of a normal double x > 0."""
    bits = lax.bitcast_convert_type(jnp.asarray(x, jnp.float64), jnp.int64)
    exponent = (bits - _ROOT_HALF) >> 52
    return exponent, lax.bitcast_convert_type(bits - (exponent << 52), jnp.float64)


def _log_near_one(m: Any) -> Any:
    """ln(1 + m) for 1 + m in [sqrt(1/2), sqrt(2))."""
    z = m * m
    a = ((((_A[0] * m + _A[1]) * m + _A[2]) * m + _A[3]) * m + _A[4]) * m + _A[5]
    b = ((((m + _B[0]) * m + _B[1]) * m + _B[2]) * m + _B[3]) * m + _B[4]
    return m - 0.5 * z + m * z * (a / b)


@jax.custom_jvp
def log(x: Any) -> Any:
    """ln x of a normal double x > 0 from its bits: 1 ns where XLA's own takes 2.6."""
    exponent, f = _split(x)
    return _log_near_one(f - 1.0) + exponent.astype(jnp.float64) * 0.6931471805599453


@log.defjvp
def _log_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return log(x), dx / x


@jax.custom_jvp
def log1p(x: Any) -> Any:
    """ln(1 + x) of x >= 0, to the last digits also of a small x."""
    exponent, f = _split(1.0 + x)
    m = jnp.where(exponent == 0, x, f - 1.0)
    return _log_near_one(m) + exponent.astype(jnp.float64) * 0.6931471805599453


@log1p.defjvp
def _log1p_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return log1p(x), dx / (1.0 + x)
