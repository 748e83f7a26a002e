"""Elliptical power law: the mass that the field fits.

Its deflection holds a hypergeometric function F of a complex number z of modulus e (Tessore & Metcalf 2015). The
powers of z alone would need 110 terms at e = 0.8; divided by a polynomial of degree 8 (a Pade approximant, whose
denominator is known in closed form) they need 20. All coefficients are real, so that each term costs two
multiplications and two additions, and F' follows from F: neither an angle nor a complex number is met.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import CORE, log, radius_squared
from lensfit.pytree import pytree

FLOOR = 1e-24
"""Added to the square of the Einstein radius [arcsec^2]: keeps derivatives finite where it is none."""

UPPER, LOWER = 20, 8
"""Degrees of numerator and denominator: an error of 2e-11 at e = 0.8 for slopes of 1 to 3, 1e-7 at e = 0.9, nothing
below e = 0.6."""

Tables = tuple[Sequence[Any], Sequence[Any]]  # coefficients of numerator and denominator, each a row of numbers


def tables(t: Any) -> tuple[jax.Array, jax.Array]:
    """Numerator (UPPER,) and denominator (LOWER + 1,) of G = (F - 1) / z as polynomials in z, the lowest power first.

    F = 2F1(1, t/2; 2 - t/2; z) = sum of c_k z^k, c_k = c_(k-1) (2k - 2 + t) / (2k + 2 - t); its denominator of
    degree n beside a numerator of degree m is 2F1(-n, -t/2 - m; t/2 - 1 - m - n; z) (Pade 1907, Van Rossum 1955).
    """
    k, j = np.arange(1.0, UPPER + 1), np.arange(1.0, LOWER + 1)
    powers = _products((2 * k - 2 + t) / (2 * k + 2 - t))
    below = _products((LOWER + 1 - j) * (j - 1 - UPPER - 0.5 * t) / (j * (UPPER + LOWER + 2 - j - 0.5 * t)))
    shifted = jnp.concatenate([np.zeros(LOWER), powers])
    above = powers + sum(below[i - 1] * shifted[LOWER - i : LOWER - i + UPPER] for i in range(1, LOWER + 1))
    return above, jnp.concatenate([np.ones(1), below])


def _products(factors: Any) -> Any:
    """Products of the first 1, 2, ... factors (K,)."""
    step = 1
    while step < len(factors):
        factors = factors * jnp.concatenate([np.ones(step), factors[:-step]])
        step *= 2
    return factors


def _polynomial(coefficients: Sequence[Any], x: Any, y: Any) -> tuple[Any, Any]:
    """Real and imaginary part of sum of a_k (x + i y)^k with real a_k (Clenshaw 1955)."""
    double, square = 2 * x, x * x + y * y
    one, two = coefficients[-1], 0.0
    for a in coefficients[-2:0:-1]:
        one, two = a + double * one - square * two, one
    return coefficients[0] + x * one - square * two, y * one


def _quotient(above: tuple[Any, Any], below: tuple[Any, Any]) -> tuple[Any, Any]:
    """Quotient of complex numbers given by their parts."""
    inverse = 1 / (below[0] * below[0] + below[1] * below[1])
    real, imaginary = above[0] * below[0] + above[1] * below[1], above[1] * below[0] - above[0] * below[1]
    return real * inverse, imaginary * inverse


def _rational(x: Any, y: Any, above: Sequence[Any], below: Sequence[Any]) -> tuple[Any, Any]:
    """G at z = x + i y."""
    return _quotient(_polynomial(above, x, y), _polynomial(below, x, y))


def _one_plus(x: Any, y: Any, g: tuple[Any, Any]) -> tuple[Any, Any]:
    return 1 + x * g[0] - y * g[1], x * g[1] + y * g[0]


def _without_tables(anew: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a function of (x, y, t, values, slopes) the derivatives of anew(x, y, t), which is the same function.

    They are second derivatives of F: rare, hence not made from tables.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        marked = jax.custom_jvp(function)
        marked.defjvp(lambda primals, tangents: jax.jvp(anew, primals[:3], tangents[:3]))
        return marked

    return mark


def _anew(x: Any, y: Any, t: Any) -> tuple[Any, Any]:
    above, below = tables(t)
    return _rational(x, y, list(above), list(below))


@_without_tables(_anew)
def _from_tables(x: Any, y: Any, t: Any, values: Tables, slopes: Tables) -> tuple[Any, Any]:
    """G at z = x + i y."""
    return _rational(x, y, *values)


@_without_tables(lambda x, y, t: jax.jvp(lambda t: _one_plus(x, y, _anew(x, y, t)), (t,), (jnp.ones_like(t),))[1])
def _by_t(x: Any, y: Any, t: Any, values: Tables, slopes: Tables) -> tuple[Any, Any]:
    """dF/dt = z (A_t - G B_t) / B with G = A / B."""
    below = _polynomial(values[1], x, y)
    g = _quotient(_polynomial(values[0], x, y), below)
    above_t, below_t = _polynomial(slopes[0], x, y), _polynomial(slopes[1], x, y)
    rest = above_t[0] - g[0] * below_t[0] + g[1] * below_t[1], above_t[1] - g[0] * below_t[1] - g[1] * below_t[0]
    g_t = _quotient(rest, below)
    return x * g_t[0] - y * g_t[1], x * g_t[1] + y * g_t[0]


@jax.custom_jvp
def angular(x: Any, y: Any, t: Any, values: Tables, slopes: Tables) -> tuple[Any, Any]:
    """F(z, t) at z = x + i y; `values` are the tables of t and `slopes` their derivatives, both taken as fixed."""
    return _one_plus(x, y, _rational(x, y, *values))


def _angular_jvp(primals: Any, tangents: Any) -> Any:
    """(1 - z) F' = (t/2) F - (1 - t/2) G, from the differential equation of F; by t the quotient's own derivative."""
    x, y, t, *_ = primals
    g = _from_tables(*primals)
    f = _one_plus(x, y, g)
    half, rest = 0.5 * t, 1 - 0.5 * t
    along = _quotient((half * f[0] - rest * g[0], half * f[1] - rest * g[1]), (1 - x, -y))
    by_t = (0.0, 0.0) if isinstance(tangents[2], SymbolicZero) else _by_t(*primals)
    dx, dy, dt = (0.0 if isinstance(tangent, SymbolicZero) else tangent for tangent in tangents[:3])
    real = along[0] * dx - along[1] * dy + by_t[0] * dt
    return f, (real, along[1] * dx + along[0] * dy + by_t[1] * dt)


angular.defjvp(_angular_jvp, symbolic_zeros=True)


def _angular(x: Any, y: Any, t: Any) -> tuple[Any, Any]:
    """`angular` with its tables, which depend on the slope alone: made once, not at every point."""
    fixed = lax.stop_gradient(jnp.asarray(t, float))
    values, slopes = jax.jvp(tables, (fixed,), (jnp.ones_like(fixed),))
    numbers = [tuple([table[k] for k in range(len(table))] for table in both) for both in (values, slopes)]
    return angular(x, y, t, *numbers)


def epl(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, einstein_radius: Any, slope: Any
) -> tuple[Any, Any]:
    """Deflection [arcsec] of kappa = (3 - slope)/2 (theta_E / R)^(slope - 1), R on the intermediate axis.

    Tessore & Metcalf 2015, eq. 13, with t = slope - 1: alpha = sqrt(1 - e^2) (theta_E / R)^t m F(z, t). The complex
    number m has the modulus R and the direction of the elliptical angle, z = -(e1 - i e2) (m / |m|)^2.
    """
    t = slope - 1
    dx, dy = x - center_x, y - center_y
    square = e1 * e1 + e2 * e2
    rest = jnp.where(square < 1, 1 - square, jnp.nan)
    scale = 1 / jnp.sqrt(rest)
    mx = (scale * (1 - e1)) * dx - (scale * e2) * dy
    my = (scale * (1 + e1)) * dy - (scale * e2) * dx
    r2 = mx * mx + my * my + CORE * CORE
    inverse = 1 / r2
    cos, sin = (mx * mx - my * my) * inverse, 2 * (mx * my) * inverse
    real, imaginary = _angular(-e1 * cos - e2 * sin, e2 * cos - e1 * sin, t)
    strength = jnp.sqrt(rest) * jnp.exp((0.5 * t) * log(einstein_radius * einstein_radius + FLOOR))
    amplitude = strength * jnp.exp((-0.5 * t) * log(r2))
    return amplitude * (mx * real - my * imaginary), amplitude * (mx * imaginary + my * real)


@pytree
class EPL(MassProfile):
    """Elliptical power law of 3D density r^-slope; `einstein_radius` on the intermediate axis. Slope 2 is the SIE."""

    formula = staticmethod(epl)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    einstein_radius: Any = parameter("arcsec", r"\theta_\mathrm{E}", "einstein_radius")
    slope: Any = parameter("", r"\gamma", "slope", typical=2.0)

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa = (3 - slope)/2 (theta_E / R)^(slope - 1)."""
        t = self.slope - 1
        square = radius_squared(x, y, self.center_x, self.center_y, self.e1, self.e2) + CORE * CORE
        ratio = (self.einstein_radius * self.einstein_radius + FLOOR) / square
        return (1 - 0.5 * t) * jnp.exp(0.5 * t * log(ratio))

    def potential(self, x: Any, y: Any) -> Any:
        """psi = r . alpha / (3 - slope)."""
        ax, ay = self.deflection(x, y)
        return ((x - self.center_x) * ax + (y - self.center_y) * ay) / (3 - self.slope)
