"""External shear."""
from __future__ import annotations

from typing import Any

from lensfit.profiles.base import MassProfile, parameter
from lensfit.pytree import pytree


def shear(x: Any, y: Any, gamma1: Any, gamma2: Any) -> tuple[Any, Any]:
    """alpha = (gamma1 x + gamma2 y, gamma2 x - gamma1 y) about the origin [arcsec]."""
    return gamma1 * x + gamma2 * y, gamma2 * x - gamma1 * y


@pytree
class Shear(MassProfile):
    """External shear about the origin of the frame."""

    formula = staticmethod(shear)

    gamma1: Any = parameter("", r"\gamma_1", "gamma1")
    gamma2: Any = parameter("", r"\gamma_2", "gamma2")

    def convergence(self, x: Any, y: Any) -> Any:
        return 0 * x

    def potential(self, x: Any, y: Any) -> Any:
        """psi = gamma1 (x^2 - y^2) / 2 + gamma2 x y."""
        return 0.5 * self.gamma1 * (x * x - y * y) + self.gamma2 * x * y
