"""What formulas share: the elliptical radius, and elementary functions written so that a loop over pixels vectorises.

The radius is in the components of the ellipticity: no angle, hence no singular point at e = 0. The functions are
those that XLA evaluates slowly on a CPU; NaN in, NaN out.
"""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

CORE = 1e-6
"""Softening of the radius of a mass, or of its core [arcsec]: keeps deflection and derivatives finite at the centre."""


def softened_offset(x: Any, y: Any, center_x: Any, center_y: Any) -> tuple[Any, Any, Any]:
    """The way (dx, dy) from the centre to the point [arcsec], and the square of its length, softened by `CORE`."""
    dx, dy = x - center_x, y - center_y
    return dx, dy, dx * dx + dy * dy + CORE * CORE


def quadratic_form(e1: Any, e2: Any) -> tuple[Any, Any, Any]:
    """a, b, c of R^2 = a x^2 + b x y + c y^2, equal to q x'^2 + y'^2 / q in the frame of the major axis.

    With q = (1 - e) / (1 + e): R^2 = [(1 + e^2)(x^2 + y^2) - 2 e1 (x^2 - y^2) - 4 e2 x y] / (1 - e^2).
    NaN, with NaN as derivatives, where e >= 1.
    """
    square = e1 * e1 + e2 * e2
    inverse = 1 / jnp.where(square < 1, 1 - square, jnp.nan)
    return (1 + square - 2 * e1) * inverse, -4 * e2 * inverse, (1 + square + 2 * e1) * inverse


def radius_squared(x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any) -> Any:
    """Square of the circularised elliptical radius about the centre [arcsec^2]."""
    a, b, c = quadratic_form(e1, e2)
    dx, dy = x - center_x, y - center_y
    return (a * dx + b * dy) * dx + c * dy * dy


# Rational approximation of (arctan(t) - t) / t^3 in t^2 for |t| <= 0.66 (Cephes atan, Moshier 1989); error 2e-16
_P = (-0.8750608600031904, -16.157537187333652, -75.00855792314705, -122.88666844901361, -64.85021904942025)
_Q = (24.858464901423062, 165.02700983169885, 432.88106049129027, 485.3903996359137, 194.5506571482614)


@jax.custom_jvp
def arctan_root(w: Any) -> Any:
    """arctan(sqrt w) / sqrt w of w > 0, without branches and with two divisions. Its slope errs by 1e-16 / w: for
    callers whose own dw vanishes there."""
    s = jnp.sqrt(w)
    large, middle = s > 2.414213562373095, s > 0.66
    top = jnp.where(large, -1.0, jnp.where(middle, s - 1.0, s))
    bottom = jnp.where(large, s, jnp.where(middle, s + 1.0, 1.0))
    offset = jnp.where(large, 0.5 * jnp.pi, jnp.where(middle, 0.25 * jnp.pi, 0.0))
    t = top / bottom
    z = t * t
    p = (((_P[0] * z + _P[1]) * z + _P[2]) * z + _P[3]) * z + _P[4]
    q = ((((z + _Q[0]) * z + _Q[1]) * z + _Q[2]) * z + _Q[3]) * z + _Q[4]
    return ((offset + t) * q + t * z * p) / (q * s)


@arctan_root.defjvp
def _arctan_root_jvp(primals: Any, tangents: Any) -> Any:
    (w,), (dw,) = primals, tangents
    value, one = arctan_root(w), 1.0 + w
    return value, dw * ((1.0 - value * one) / (2.0 * w * one))


# Rational approximation of ln(1 + m) - m + m^2 / 2 over m^3 for 1 + m in [sqrt(1/2), sqrt(2)) (Cephes log)
_A = (1.0187566380458093e-4, 0.497494994976747, 4.705791198788817, 14.498922534161093, 17.936867850781983,
      7.708387337558854)
_B = (11.287358718916746, 45.22791458375322, 82.98752669127767, 71.15447506185639, 23.125162012676533)
_ROOT_HALF = 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)
_LN2 = 0.6931471805599453


def _split(x: Any) -> tuple[Any, Any]:
    """k and f of x = f 2^k with f in [sqrt(1/2), sqrt(2)), from the bits of a normal double x > 0."""
    bits = lax.bitcast_convert_type(jnp.asarray(x, jnp.float64), jnp.int64)
    exponent = (bits - _ROOT_HALF) >> 52
    return exponent, lax.bitcast_convert_type(bits - (exponent << 52), jnp.float64)


def _near_one(m: Any) -> tuple[Any, Any, Any, Any]:
    """p, q, a and b of ln(1 + m) = p + q a / b for 1 + m in [sqrt(1/2), sqrt(2))."""
    z = m * m
    a = ((((_A[0] * m + _A[1]) * m + _A[2]) * m + _A[3]) * m + _A[4]) * m + _A[5]
    b = ((((m + _B[0]) * m + _B[1]) * m + _B[2]) * m + _B[3]) * m + _B[4]
    return m - 0.5 * z, m * z, a, b


@jax.custom_jvp
def log(x: Any) -> Any:
    """ln x of a normal double x > 0 from its bits: 1 ns where XLA's own takes 2.6. NaN of NaN and of infinity."""
    exponent, f = _split(x)
    p, q, a, b = _near_one(f - 1.0)
    return p + q * (a / b) + exponent.astype(jnp.float64) * _LN2 + 0.0 * x


@log.defjvp
def _log_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return log(x), dx / x


@jax.custom_jvp
def artanh_root(v: Any) -> Any:
    """artanh(sqrt v) / sqrt v of 0 < v < 1: half of ln(1 + u) with u = 2t / (1 - t) = 2t (1 + t) / (1 - v) and
    t = sqrt v. Its slope errs by 1e-16 / v, and beyond 1 it means nothing."""
    t = jnp.sqrt(v)
    u = 2.0 * t * (1.0 + t) / (1.0 - v)
    exponent, f = _split(1.0 + u)
    m = jnp.where(exponent == 0, u, f - 1.0)
    p, q, a, b = _near_one(m)
    return 0.5 * ((p + exponent.astype(jnp.float64) * _LN2) * b + q * a) / (b * t)


@artanh_root.defjvp
def _artanh_root_jvp(primals: Any, tangents: Any) -> Any:
    (v,), (dv,) = primals, tangents
    value, rest = artanh_root(v), 1.0 - v
    return value, dv * ((1.0 - value * rest) / (2.0 * v * rest))
