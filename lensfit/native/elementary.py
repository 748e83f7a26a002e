"""Elementary functions and bit operations for generated kernels: no branch, no call, so that loops vectorise.

numba from PyPI has no vector mathematics library: a loop that calls libm runs one point at a time. The
fast-math flags leave out "reassoc", which would cancel the constants that round to an integer, and "nnan".
"""
from __future__ import annotations

from math import sqrt
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


_LN2_HIGH, _LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6


@_inline
def _exp_parts(x: float) -> tuple[float, float, float]:
    """e^x = scale (1 + rest), scale = 2^n, for -709 <= x <= 710: scale, rest and n."""
    t = x * 1.4426950408889634 + _ROUND
    n = t - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    return bits_float((float_bits(t) - (_ROUND_BITS - 1023)) << 52), _exp_rest(r), n


@_inline
def _exp_rest(r: float) -> float:
    """e^r - 1 for |r| < ln(2) / 2, by the polynomial of `exp`."""
    r2 = r * r
    middle = (0.041666666666624164 + r * 0.008333333333330065) + r2 * (
        0.0013888888917196719 + r * 0.00019841269863040545)
    high = (2.4801521322368428e-05 + r * 2.755726848030982e-06) + r2 * (
        2.7620075880109014e-07 + r * 2.510037583265786e-08)
    return r + r2 * (0.5 + r * 0.16666666666666669 + r2 * (middle + r2 * r2 * high))


@_inline
def expm1(x: float) -> float:
    """e^x - 1."""
    inside = select(x < -709.0, -709.0, select(x > 710.0, 710.0, x))
    scale, rest, n = _exp_parts(inside)
    return select(n > 60.0, scale * (1.0 + rest), scale * rest + (scale - 1.0))


@_inline
def exp2(x: float) -> float:
    """2^x; infinite beyond 1023.5, zero below -1022."""
    inside = select(x < -1022.5, -1022.5, select(x > 1024.0, 1024.0, x))
    t = inside + _ROUND
    scale = bits_float((float_bits(t) - (_ROUND_BITS - 1023)) << 52)
    value = scale * (1.0 + _exp_rest((inside - (t - _ROUND)) * _LN2))
    return select(x < -1022.0, 0.0, value)


@_inline
def tanh(x: float) -> float:
    """Hyperbolic tangent."""
    a = abs(x)
    e = expm1(2.0 * select(a > 22.0, 22.0, a))
    value = e / (e + 2.0)
    return select(x < 0.0, -value, value)


@_inline
def sinh(x: float) -> float:
    """Hyperbolic sine."""
    a = abs(x)
    e = expm1(a)
    value = select(a > 40.0, 0.5 * e, 0.5 * (e + e / (e + 1.0)))
    return select(x < 0.0, -value, value)


@_inline
def cosh(x: float) -> float:
    """Hyperbolic cosine."""
    e = exp(abs(x))
    return 0.5 * e + 0.5 / e


@_inline
def asinh(x: float) -> float:
    """Inverse of sinh."""
    a = abs(x)
    large = a > 1e16
    square = select(large, 0.0, a * a)
    value = log1p(select(large, a, a + square / (1.0 + sqrt(1.0 + square)))) + select(large, _LN2, 0.0)
    return select(x < 0.0, -value, value)


@_inline
def acosh(x: float) -> float:
    """Inverse of cosh; NaN below 1."""
    t = x - 1.0
    large = x > 1e16
    value = log1p(select(large, x, t + sqrt(select(large, 0.0, t * (t + 2.0))))) + select(large, _LN2, 0.0)
    return select(x < 1.0, _NAN, value)


@_inline
def atanh(x: float) -> float:
    """Inverse of tanh; NaN beyond 1."""
    a = abs(x)
    t = a + a
    value = 0.5 * log1p(select(a < 0.5, t + t * a / (1.0 - a), t / (1.0 - a)))
    return select(x < 0.0, -value, value)


@_inline
def asin(x: float) -> float:
    """Inverse of sin; NaN beyond 1."""
    return atan(x / sqrt((1.0 - x) * (1.0 + x)))


@_inline
def acos(x: float) -> float:
    """Inverse of cos; NaN beyond 1."""
    return 2.0 * atan(sqrt((1.0 - x) / (1.0 + x)))


@_inline
def _turned(x: float) -> tuple[float, float, int]:
    """sin r and cos r, and n, of x = n pi/2 + r with |r| <= pi/4 (Cody & Waite; polynomials of fdlibm, Sun 1993).

    Beyond 1.6e6 r errs by the rounding of x. Beyond 1e15, where doubles lie as far apart as that, it is zero.
    """
    near = select(abs(x) > 1e15, x - x, x)
    t = near * 0.6366197723675814 + _ROUND
    n = t - _ROUND
    r = ((near - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21
    z = r * r
    s = r + r * z * (-0.16666666666666632 + z * (0.00833333333332249 + z * (-0.0001984126982985795 + z * (
        2.7557313707070068e-06 + z * (-2.5050760253406863e-08 + z * 1.58969099521155e-10)))))
    c = 1.0 - 0.5 * z + z * z * (0.0416666666666666 + z * (-0.001388888888887411 + z * (2.480158728947673e-05 + z * (
        -2.7557314351390663e-07 + z * (2.087572321298175e-09 - z * 1.1359647557788195e-11)))))
    return s, c, float_bits(t)


@_inline
def sin(x: float) -> float:
    """sin x to 1e-15 for |x| < 1.6e6, then to the rounding of x."""
    s, c, n = _turned(x)
    value = select((n & 1) == 1, c, s)
    return select((n & 2) == 2, -value, value)


@_inline
def cos(x: float) -> float:
    """cos x as `sin`."""
    s, c, n = _turned(x)
    value = select((n & 1) == 1, s, c)
    return select(((n + 1) & 2) == 2, -value, value)


@_inline
def tan(x: float) -> float:
    """tan x as `sin`."""
    s, c, n = _turned(x)
    odd = (n & 1) == 1
    return select(odd, -c, s) / select(odd, s, c)


@_inline
def cbrt(x: float) -> float:
    """Cube root."""
    a = abs(x)
    tiny = a < 1e-290
    a = select(tiny, a * 5846006549323611672814739330865132078623730171904.0, a)
    y = exp(log(a) * 0.3333333333333333)
    y = y - (y - a / (y * y)) * 0.3333333333333333
    y = select((a == 0.0) | (a == _INF), a, y) * select(tiny, 5.551115123125783e-17, 1.0)
    return select(x < 0.0, -y, y)


@_inline
def _erf_small(x: float) -> float:
    """erf x for |x| < 1 (Cephes ndtr, Moshier 1989)."""
    z = x * x
    top = (((9.60497373987051638749 * z + 9.00260197203842689217e1) * z + 2.23200534594684319226e3) * z
           + 7.00332514112805075473e3) * z + 5.55923013010394962768e4
    bottom = ((((z + 3.35617141647503099647e1) * z + 5.21357949780152679795e2) * z + 4.59432382970980127987e3) * z
              + 2.26290000613890934246e4) * z + 4.92673942608635921086e4
    return x * top / bottom


@_inline
def _erfc_large(x: float) -> float:
    """erfc x for x >= 1 (Cephes), zero from 27 on; the square in the exponent in two parts."""
    a = select(x > 27.5, 27.5, x)
    top = (((((((2.46196981473530512524e-10 * a + 5.64189564831068821977e-1) * a + 7.46321056442269912687) * a
               + 4.86371970985681366614e1) * a + 1.96520832956077098242e2) * a + 5.26445194995477358631e2) * a
            + 9.34528527171957607540e2) * a + 1.02755188689515710272e3) * a + 5.57535335369399327526e2
    bottom = (((((((a + 1.32281951154744992508e1) * a + 8.67072140885989742329e1) * a + 3.54937778887819891062e2) * a
                 + 9.75708501743205489753e2) * a + 1.82390916687909736289e3) * a + 2.24633760818710981792e3) * a
              + 1.65666309194161350182e3) * a + 5.57535340817727675546e2
    far_top = ((((5.64189583547755073984e-1 * a + 1.27536670759978104416) * a + 5.01905042251180477414) * a
                + 6.16021097993053585195) * a + 7.40974269950448939160) * a + 2.97886665372100240670
    far_bottom = (((((a + 2.26052863220117276590) * a + 9.39603524938001434673) * a + 1.20489539808096656605e1) * a
                   + 1.70814450747565897222e1) * a + 9.60896809063285878198) * a + 3.36907645100081516050
    ratio = select(a < 8.0, top, far_top) / select(a < 8.0, bottom, far_bottom)
    whole = bits_float(float_bits(a) & -4294967296)
    rest = -(a - whole) * (a + whole)
    small = 1.0 + rest * (1.0 + rest * (0.5 + rest * (0.16666666666666666 + rest * 0.041666666666666664)))
    return select(x > 27.0, 0.0, exp(-whole * whole) * small * ratio)


@_inline
def erf(x: float) -> float:
    """Error function."""
    a = abs(x)
    far = 1.0 - _erfc_large(a)
    return select(a < 1.0, _erf_small(x), select(x < 0.0, -far, far))


@_inline
def erfc(x: float) -> float:
    """1 - erf x, to full relative precision; zero from 27 on."""
    a = abs(x)
    far = _erfc_large(a)
    return select(a < 1.0, 1.0 - _erf_small(x), select(x < 0.0, 2.0 - far, far))


FUNCTIONS = {name: globals()[name] for name in (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bits_float", "cbrt", "cos", "cosh", "erf",
    "erfc", "exp", "exp2", "expm1", "float_bits", "log", "log1p", "maximum", "minimum", "power", "select", "sin",
    "sinh", "tan", "tanh", "to_double",
)}
"""By their names in printed lines."""
