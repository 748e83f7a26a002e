"""Sheet of constant convergence: mass along the line of sight, or the mass-sheet transformation."""
from __future__ import annotations

from typing import Any

from lensfit.profiles.base import MassProfile, parameter
from lensfit.pytree import pytree


def convergence_sheet(x: Any, y: Any, kappa: Any) -> tuple[Any, Any]:
    """alpha = kappa (x, y) about the origin [arcsec]."""
    return kappa * x, kappa * y


@pytree
class ConvergenceSheet(MassProfile):
    """Constant convergence `kappa` about the origin of the frame; images of a source of free size do not tell it."""

    formula = staticmethod(convergence_sheet)

    kappa: Any = parameter("", r"\kappa", "kappa")

    def convergence(self, x: Any, y: Any) -> Any:
        return self.kappa + 0 * x

    def potential(self, x: Any, y: Any) -> Any:
        """psi = kappa (x^2 + y^2) / 2."""
        return 0.5 * self.kappa * (x * x + y * y)
