"""Multipoles of a round isothermal mass: lopsided (m = 1), triangular (3), disky or boxy (4)."""
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import log, softened_offset
from lensfit.pytree import pytree


def _direction(x: Any, y: Any, center_x: Any, center_y: Any) -> tuple[Any, Any, Any]:
    """The unit vector from the centre to the point, and the square of their distance."""
    dx, dy, square = softened_offset(x, y, center_x, center_y)
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


class Multipole(MassProfile):
    """Base of the multipoles: the amplitude is hypot(a1, a2), the angle of a maximum arctan2(a2, a1) / m."""

    m: ClassVar[int]

    if TYPE_CHECKING:
        center_x: Any
        center_y: Any
        a1: Any
        a2: Any

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa = (a1 cos m phi + a2 sin m phi) / (2 r)."""
        ux, uy, square = _direction(x, y, self.center_x, self.center_y)
        c, s = _waves(ux, uy, self.m)
        return 0.5 * (self.a1 * c + self.a2 * s) / jnp.sqrt(square)

    def potential(self, x: Any, y: Any) -> Any:
        """psi = r (a1 cos m phi + a2 sin m phi) / (1 - m^2); of m = 1 r ln(r) (...) / 2, r in arcsec."""
        ux, uy, square = _direction(x, y, self.center_x, self.center_y)
        c, s = _waves(ux, uy, self.m)
        radial = 0.25 * log(square) if self.m == 1 else 1 / (1 - self.m * self.m)
        return radial * jnp.sqrt(square) * (self.a1 * c + self.a2 * s)


@pytree
class Multipole1(Multipole):
    """m = 1: the mass is heavier on one side. Far out it deflects as a shift of the source, which no image tells."""

    m = 1
    formula = staticmethod(dipole)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    a1: Any = parameter("arcsec", "a_{1,1}", "a1")
    a2: Any = parameter("arcsec", "a_{1,2}", "a2")


@pytree
class Multipole3(Multipole):
    """m = 3: a triangle."""

    m = 3
    formula = staticmethod(partial(multipole, 3))

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    a1: Any = parameter("arcsec", "a_{3,1}", "a1")
    a2: Any = parameter("arcsec", "a_{3,2}", "a2")


@pytree
class Multipole4(Multipole):
    """m = 4: disky where a maximum is on the major axis of the mass's ellipse, boxy where a minimum is."""

    m = 4
    formula = staticmethod(partial(multipole, 4))

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    a1: Any = parameter("arcsec", "a_{4,1}", "a1")
    a2: Any = parameter("arcsec", "a_{4,2}", "a2")
