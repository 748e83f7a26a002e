"""Multipoles of a round isothermal mass: lopsided (m = 1), triangular (3), disky or boxy (4)."""
from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import log
from lensfit.pytree import pytree

CORE = 1e-6
"""Softening of the radius [arcsec]: keeps deflection and derivatives finite at the centre."""


def _direction(x: Any, y: Any, center_x: Any, center_y: Any) -> tuple[Any, Any, Any]:
    """The unit vector from the centre to the point, and the square of their distance."""
    dx, dy = x - center_x, y - center_y
    square = dx * dx + dy * dy + CORE * CORE
    inverse = 1 / jnp.sqrt(square)
    return dx * inverse, dy * inverse, square


def _waves(ux: Any, uy: Any, m: int) -> tuple[Any, Any]:
    """cos(m phi) and sin(m phi) of the direction (ux, uy): no angle is taken."""
    c, s = ux, uy
    for _ in range(m - 1):
        c, s = c * ux - s * uy, c * uy + s * ux
    return c, s


def multipole(m: int, x: Any, y: Any, center_x: Any, center_y: Any, a1: Any, a2: Any) -> tuple[Any, Any]:
    """Deflection [arcsec] of kappa = (a1 cos m phi + a2 sin m phi) / (2 r) (Xu et al. 2015, appendix), m > 1.

    The potential is r (a1 cos m phi + a2 sin m phi) / (1 - m^2), a polynomial of degree m over r^(m - 1).
    """
    ux, uy, _ = _direction(x, y, center_x, center_y)
    c, s = _waves(ux, uy, m - 1)
    p, q = a1 * c + a2 * s, a2 * c - a1 * s
    wave, inverse = p * ux + q * uy, 1 / (1 - m * m)
    return inverse * (m * p - (m - 1) * wave * ux), inverse * (m * q - (m - 1) * wave * uy)


def dipole(x: Any, y: Any, center_x: Any, center_y: Any, a1: Any, a2: Any) -> tuple[Any, Any]:
    """The same for m = 1: the potential is r ln(r) (a1 cos phi + a2 sin phi) / 2 with r in arcsec."""
    ux, uy, square = _direction(x, y, center_x, center_y)
    half, wave = 0.25 * log(square), 0.5 * (a1 * ux + a2 * uy)
    return a1 * half + wave * ux, a2 * half + wave * uy


@pytree
class _Multipole(MassProfile):
    """What the multipoles share; their amplitude is hypot(a1, a2), their angle arctan2(a2, a1) / m."""

    m: ClassVar[int]

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    a1: Any = parameter("arcsec", "a_1", "a1")
    a2: Any = parameter("arcsec", "a_2", "a2")

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa = (a1 cos m phi + a2 sin m phi) / (2 r)."""
        ux, uy, square = _direction(x, y, self.center_x, self.center_y)
        c, s = _waves(ux, uy, self.m)
        return 0.5 * (self.a1 * c + self.a2 * s) / jnp.sqrt(square)


@pytree
class Multipole1(_Multipole):
    """m = 1: the mass is heavier on one side. Beyond it a shift of the source, which images do not tell."""

    m = 1
    formula = staticmethod(dipole)

    def potential(self, x: Any, y: Any) -> Any:
        """psi = r ln(r) (a1 cos phi + a2 sin phi) / 2, r in arcsec."""
        ux, uy, square = _direction(x, y, self.center_x, self.center_y)
        return 0.25 * jnp.sqrt(square) * log(square) * (self.a1 * ux + self.a2 * uy)


@pytree
class _Higher(_Multipole):
    """m > 1."""

    def potential(self, x: Any, y: Any) -> Any:
        """psi = r (a1 cos m phi + a2 sin m phi) / (1 - m^2)."""
        ux, uy, square = _direction(x, y, self.center_x, self.center_y)
        c, s = _waves(ux, uy, self.m)
        return jnp.sqrt(square) * (self.a1 * c + self.a2 * s) / (1 - self.m * self.m)


@pytree
class Multipole3(_Higher):
    """m = 3: a triangle."""

    m = 3
    formula = staticmethod(partial(multipole, 3))


@pytree
class Multipole4(_Higher):
    """m = 4: disky where the angle is that of the mass's ellipse, boxy where it is 45 degrees from it."""

    m = 4
    formula = staticmethod(partial(multipole, 4))
