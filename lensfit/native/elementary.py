"""Elementary functions and bit operations for generated kernels: no branch, no call, so that loops vectorise.

numba from PyPI has no vector mathematics library: a loop that calls libm runs one point at a time. The
fast-math flags leave out "reassoc", which would cancel the constants that round to an integer, and "nnan".
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

FLAGS = {"fastmath": {"nsz", "arcp", "contract"}, "error_model": "numpy"}
_inline = njit(forceinline=True, **FLAGS)

_ROUND = 6755399441055744.0  # 1.5 * 2^52: added to a small double, its last bits are the nearest integer
_ROUND_BITS = 0x4338000000000000
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_LN2 = 0.6931471805599453
_INF = np.inf
_NAN = np.nan


def _bitcast(source: Any, target: Any) -> Any:
    @intrinsic
    def same_bits(typing: Any, x: Any) -> Any:
        return target(source), lambda c, b, s, a: b.bitcast(a[0], c.get_value_type(target))

    return same_bits


float_bits = _bitcast(types.float64, types.int64)
"""The 64 bits of a double as an integer."""
bits_float = _bitcast(types.int64, types.float64)
"""The double that has these 64 bits."""


def _select() -> Any:
    @intrinsic
    def select(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
        return yes(types.boolean, yes, yes), lambda c, b, s, a: b.select(a[0], a[1], a[2])

    return select


select = _select()
"""select(condition, yes, no): both evaluated, an instruction and not a branch."""


@_inline
def to_double(k: int) -> float:
    """int64 to double, exactly rounded, in instructions that every x86 vector unit has."""
    low = bits_float((k & 0xFFFFFFFF) | 0x4330000000000000) - 4503599627370496.0
    high = bits_float((k >> 32) + _ROUND_BITS) - _ROUND
    return high * 4294967296.0 + low


@_inline
def maximum(a: float, b: float) -> float:
    """The larger; NaN if one of them is."""
    return select((a > b) | (a != a), a, b)


@_inline
def minimum(a: float, b: float) -> float:
    """The smaller; NaN if one of them is."""
    return select((a < b) | (a != a), a, b)


@_inline
def exp(x: float) -> float:
    """e^x: 2^n times a polynomial on |r| < ln(2) / 2, its error 4e-17; infinite beyond 709.4, zero below -708.7.

    There the exponent of 2^n has all or none of its bits. Coefficients from r^2 on: the Chebyshev fit of degree 9
    to (e^r - 1 - r) / r^2.
    """
    inside = select(x < -709.0, -709.0, select(x > 710.0, 710.0, x))  # a NaN stays one
    t = inside * 1.4426950408889634 + _ROUND
    n = t - _ROUND
    r = (inside - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    r2 = r * r
    low = (1.0 + r) + r2 * (0.5 + r * 0.16666666666666669)
    middle = (0.041666666666624164 + r * 0.008333333333330065) + r2 * (
        0.0013888888917196719 + r * 0.00019841269863040545)
    high = (2.4801521322368428e-05 + r * 2.755726848030982e-06) + r2 * (
        2.7620075880109014e-07 + r * 2.510037583265786e-08)
    r4 = r2 * r2
    return (low + r4 * (middle + r4 * high)) * bits_float((float_bits(t) - (_ROUND_BITS - 1023)) << 52)


@_inline
def log(x: float) -> float:
    """ln x (Cephes log, Moshier 1989) for every double."""
    tiny = x < 2.2250738585072014e-308
    bits = float_bits(select(tiny, x * 18014398509481984.0, x))
    exponent = (bits - _ROOT_HALF_BITS) >> 52
    m = bits_float(bits - (exponent << 52)) - 1.0
    e = bits_float(exponent + _ROUND_BITS) - _ROUND - select(tiny, 54.0, 0.0)
    z = m * m
    a = ((((1.0187566380458093e-4 * m + 0.497494994976747) * m + 4.705791198788817) * m
          + 14.498922534161093) * m + 17.936867850781983) * m + 7.708387337558854
    b = ((((m + 11.287358718916746) * m + 45.22791458375322) * m + 82.98752669127767) * m
         + 71.15447506185639) * m + 23.125162012676533
    value = (m - 0.5 * z + m * z * (a / b)) + e * _LN2
    value = select(x == _INF, x, select(x == 0.0, -_INF, value))
    return select(x < 0.0, _NAN, select(x != x, x, value))


@_inline
def log1p(x: float) -> float:
    """ln(1 + x), the rounding of 1 + x made good."""
    u = 1.0 + x
    good = (x > -1.0) & (x < 1e300)
    return log(u) + select(good, (x - (u - 1.0)) / u, 0.0)


@_inline
def atan(x: float) -> float:
    """arctan x (Cephes atan, Moshier 1989)."""
    a = abs(x)
    large = a > 2.414213562373095
    middle = a > 0.66
    top = select(large, -1.0, select(middle, a - 1.0, a))
    bottom = select(large, a, select(middle, a + 1.0, 1.0))
    offset = select(large, 1.5707963267948966, select(middle, 0.7853981633974483, 0.0))
    t = top / bottom
    z = t * t
    p = (((-0.8750608600031904 * z - 16.157537187333652) * z - 75.00855792314705) * z
         - 122.88666844901361) * z - 64.85021904942025
    q = ((((z + 24.858464901423062) * z + 165.02700983169885) * z + 432.88106049129027) * z
         + 485.3903996359137) * z + 194.5506571482614
    value = offset + (t + t * z * (p / q))
    return select(x < 0.0, -value, value)


@_inline
def atan2(y: float, x: float) -> float:
    """Angle of (x, y); on the negative x-axis pi, whatever the sign of a zero y."""
    flip = abs(y) > abs(x)
    top = select(flip, x, y)
    bottom = select(flip, y, x)
    value = atan(top / select(bottom == 0.0, 1.0, bottom))
    side = select(y < 0.0, -1.0, 1.0)
    beyond = select(x < 0.0, side * 3.141592653589793 + value, value)
    return select(flip, side * 1.5707963267948966 - value, beyond)


@_inline
def power(x: float, y: float) -> float:
    """x^y for every x and y."""
    size = select(y == 0.0, 1.0, exp(y * log(abs(x))))
    whole = np.floor(y) == y
    odd = np.floor(0.5 * y) != 0.5 * y
    negative = select(whole, select(odd, -size, size), _NAN)
    return select((x < 0.0) & (y != 0.0), negative, size)
