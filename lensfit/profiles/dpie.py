"""Dual pseudo-isothermal ellipsoid: isothermal between a core and a cut, the mass of galaxies in clusters."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import CORE, arctan_root, artanh_root, log, radius_squared
from lensfit.pytree import pytree

ROUND = 1e-12
"""Added to e^2 where only its even powers count: keeps derivatives finite at e = 0, errs by as much."""
ROOT = 1e-16
"""Added to what vanishes on an axis, and whose square root is divided by."""


def _softened(core: Any) -> Any:
    return jnp.sqrt(core * core + CORE * CORE)


def nie(x: Any, y: Any, e1: Any, e2: Any, core: Any) -> tuple[Any, Any]:
    """Deflection of kappa = 1 / (2 sqrt(R^2 + core^2)) about the origin [arcsec] (Kormann et al. 1994, section 4).

    In the frame of the major axis, with rho^2 = R^2 + core^2: alpha_x' = x' A(w) / (rho + core / q) and
    alpha_y' = y' A(-v) / (rho + q core), A(t) = arctan(sqrt t) / sqrt t, w = k x'^2 / (rho + core / q)^2,
    v = k y'^2 / (rho + q core)^2, k = 1/q - q. Taken together without an angle as in `sie`.
    """
    square = e1 * e1 + e2 * e2
    e = jnp.sqrt(square + ROUND)
    q = (1 - e) / (1 + e)
    scale = 2 / (1 - square)
    rho = jnp.sqrt(radius_squared(x, y, 0.0, 0.0, e1, e2) + core * core)
    along, across = 1 / (rho + core / q), 1 / (rho + core * q)
    qx, qy = e1 * x + e2 * y, e2 * x - e1 * y
    mean, half = scale * (qx * x + qy * y), (scale * e) * (x * x + y * y)
    first = along * arctan_root((half + mean) * (along * along) + ROOT)
    second = across * artanh_root((half - mean) * (across * across) + ROOT)
    even, odd = 0.5 * (first + second), (0.5 / e) * (first - second)
    return even * x + odd * qx, even * y + odd * qy


def dpie(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, einstein_radius: Any, core_radius: Any,
    cut_radius: Any,
) -> tuple[Any, Any]:
    """Deflection [arcsec]: that of a mass with this core less that of one whose core is the cut.

    The two-dimensional profile is that of Eliasdottir et al. 2007, appendix A, with R on the intermediate axis.
    """
    dx, dy = x - center_x, y - center_y
    core, cut = _softened(core_radius), _softened(cut_radius)
    scale = einstein_radius * cut / (cut - core)
    (ax, ay), (bx, by) = nie(dx, dy, e1, e2, core), nie(dx, dy, e1, e2, cut)
    return scale * (ax - bx), scale * (ay - by)


@pytree
class DPIE(MassProfile):
    """Dual pseudo-isothermal ellipsoid (PIEMD, pseudo-Jaffe), its ellipticity in the mass.

    `einstein_radius` on the intermediate axis is that of the SIE which it becomes as the core goes to 0 and the cut to
    infinity; core and cut must differ.
    """

    formula = staticmethod(dpie)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    einstein_radius: Any = parameter("arcsec", r"\theta_\mathrm{E}", "strength")
    core_radius: Any = parameter("arcsec", r"r_\mathrm{core}")
    cut_radius: Any = parameter("arcsec", r"r_\mathrm{cut}", above=0.0)

    def _cores(self) -> tuple[Any, Any, Any]:
        core, cut = _softened(self.core_radius), _softened(self.cut_radius)
        return core, cut, self.einstein_radius * cut / (cut - core)

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa = theta_E/2 cut / (cut - core) (1 / sqrt(core^2 + R^2) - 1 / sqrt(cut^2 + R^2))."""
        core, cut, scale = self._cores()
        square = radius_squared(x, y, self.center_x, self.center_y, self.e1, self.e2)
        return 0.5 * scale * (1 / jnp.sqrt(square + core * core) - 1 / jnp.sqrt(square + cut * cut))

    def potential(self, x: Any, y: Any) -> Any:
        """psi = r . alpha - the same difference of core/2 ln(r^2 + 2 core rho + (q + 1/q) core^2), 0 at the centre."""
        core, cut, scale = self._cores()
        ax, ay = self.deflection(x, y)
        dx, dy = x - self.center_x, y - self.center_y
        square = self.e1 * self.e1 + self.e2 * self.e2
        both = 2 * (1 + square) / (1 - square)

        def term(s: Any) -> Any:
            rho = jnp.sqrt(radius_squared(dx, dy, 0.0, 0.0, self.e1, self.e2) + s * s)
            return (0.5 * s) * log((dx * dx + dy * dy + 2 * s * rho + both * s * s) / ((2 + both) * s * s))

        return dx * ax + dy * ay - scale * (term(core) - term(cut))
