"""Point mass."""
from __future__ import annotations

from typing import Any

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import CORE, log, softened_offset
from lensfit.pytree import pytree


def point_mass(x: Any, y: Any, center_x: Any, center_y: Any, einstein_radius: Any) -> tuple[Any, Any]:
    """alpha = theta_E^2 r / |r|^2 [arcsec]."""
    dx, dy, square = softened_offset(x, y, center_x, center_y)
    scale = einstein_radius * einstein_radius / square
    return scale * dx, scale * dy


@pytree
class PointMass(MassProfile):
    """Point mass, as a black hole or a star."""

    formula = staticmethod(point_mass)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    einstein_radius: Any = parameter("arcsec", r"\theta_\mathrm{E}", "einstein_radius")

    def convergence(self, x: Any, y: Any) -> Any:
        """All of the mass lies within the softening: kappa = theta_E^2 CORE^2 / (r^2 + CORE^2)^2."""
        scale = self.einstein_radius * CORE / softened_offset(x, y, self.center_x, self.center_y)[2]
        return scale * scale

    def potential(self, x: Any, y: Any) -> Any:
        """psi = theta_E^2 ln r, r in arcsec."""
        square = self.einstein_radius * self.einstein_radius
        return (0.5 * square) * log(softened_offset(x, y, self.center_x, self.center_y)[2])
