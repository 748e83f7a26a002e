"""Singular isothermal sphere."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import softened_offset
from lensfit.pytree import pytree


def _offset(x: Any, y: Any, center_x: Any, center_y: Any) -> tuple[Any, Any, Any]:
    dx, dy, square = softened_offset(x, y, center_x, center_y)
    return dx, dy, jnp.sqrt(square)


def sis(x: Any, y: Any, center_x: Any, center_y: Any, einstein_radius: Any) -> tuple[Any, Any]:
    """alpha = theta_E r / |r| [arcsec]."""
    dx, dy, r = _offset(x, y, center_x, center_y)
    scale = einstein_radius / r
    return scale * dx, scale * dy


@pytree
class SIS(MassProfile):
    """Singular isothermal sphere: an `SIE` without ellipticity."""

    formula = staticmethod(sis)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    einstein_radius: Any = parameter("arcsec", r"\theta_\mathrm{E}", "einstein_radius")

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa = theta_E / (2 r)."""
        return 0.5 * self.einstein_radius / _offset(x, y, self.center_x, self.center_y)[2]

    def potential(self, x: Any, y: Any) -> Any:
        """psi = theta_E r."""
        return self.einstein_radius * _offset(x, y, self.center_x, self.center_y)[2]
