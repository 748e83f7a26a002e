"""Singular isothermal ellipsoid."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import CORE, arctan_root, artanh_root, radius_squared
from lensfit.pytree import pytree

ROUND = 1e-12
"""Added to e^2 where only its even powers count: keeps derivatives finite at e = 0, errs by as much."""

ROOT = 1e-16
"""Added to w and v of `sie`, which vanish on an axis: their square roots are divided by."""


def sie(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, einstein_radius: Any
) -> tuple[Any, Any]:
    """Deflection of the SIE (Kormann, Schneider & Bartelmann 1994), intermediate-axis Einstein radius [arcsec].

    In the frame of the major axis alpha_x' = theta_E x'/R A(w), alpha_y' = theta_E y'/R A(-v) with
    A(t) = arctan(sqrt t)/sqrt t, w = k x'^2/R^2, v = k y'^2/R^2, k = 1/q - q. Half the sum and half the
    difference of the two, the latter over e, are even in e; hence with the matrix Q = ((e1, e2), (e2, -e1))
    alpha = theta_E/R [(A(w) + A(-v))/2 + (A(w) - A(-v))/(2e) Q] r needs neither an angle nor a case at e = 0.
    """
    dx, dy = x - center_x, y - center_y
    square = e1 * e1 + e2 * e2
    e = jnp.sqrt(square + ROUND)
    scale = 2 / (1 - square)
    inverse_r = 1 / jnp.sqrt(radius_squared(dx, dy, 0.0, 0.0, e1, e2) + CORE * CORE)
    ux, uy = dx * inverse_r, dy * inverse_r
    qx, qy = e1 * ux + e2 * uy, e2 * ux - e1 * uy
    mean = scale * (qx * ux + qy * uy)
    half = (scale * e) * (ux * ux + uy * uy)
    along, across = arctan_root(half + mean + ROOT), artanh_root(half - mean + ROOT)
    even = (0.5 * einstein_radius) * (along + across)
    odd = (0.5 * einstein_radius / e) * (along - across)
    return even * ux + odd * qx, even * uy + odd * qy


@pytree
class SIE(MassProfile):
    """Singular isothermal ellipsoid; `einstein_radius` on the intermediate axis."""

    formula = staticmethod(sie)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    einstein_radius: Any = parameter("arcsec", r"\theta_\mathrm{E}", "einstein_radius")

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa = theta_E / (2 R)."""
        square = radius_squared(x, y, self.center_x, self.center_y, self.e1, self.e2)
        return 0.5 * self.einstein_radius / jnp.sqrt(square + CORE * CORE)

    def potential(self, x: Any, y: Any) -> Any:
        """psi = r . alpha."""
        ax, ay = self.deflection(x, y)
        return (x - self.center_x) * ax + (y - self.center_y) * ay
