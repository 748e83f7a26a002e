"""What a profile is: one pure formula at one point of the sky, and a frozen dataclass of named numbers.

A new profile is one file: write `formula(x, y, <fields in order>)` for one point, and a class whose fields
are made with `parameter(...)`. A light profile's formula leaves its amplitude out: brightness is amplitude
times formula, so that amplitudes can be solved exactly.
"""
from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar


def parameter(
    unit: str, symbol: str, role: str = "shape", above: float | None = None, typical: float | None = None
) -> Any:
    """A field of a profile with its unit, its LaTeX symbol, its role, and the number that it must be above.

    Roles tell a fitter what a number does whatever the profile: `center_x`, `center_y`, `e1`, `e2`,
    `radius` (the size of a light profile), `einstein_radius`, `strength` (of a mass without an Einstein radius of its
    own: the deflection is in proportion to it), `slope` (of a mass density), `amplitude`, `half_width` (of a
    mesh), `regularisation`, or `shape` for all others. typical: the value at which a search for a lens holds a number
    that its images hardly tell, until the rest is found.
    """
    told = {"unit": unit, "symbol": symbol, "role": role, "above": above, "typical": typical}
    return dataclasses.field(metadata=told)


class Profile:
    """Base of all profiles: the formula called with the fields in their order."""

    formula: ClassVar[Callable[..., Any]]

    @property
    def roles(self) -> dict[str | None, str]:
        """Names of its fields by their roles, of which "shape" may stand for several."""
        return {f.metadata.get("role"): f.name for f in dataclasses.fields(self)}  # pyright: ignore[reportArgumentType]

    @property
    def center(self) -> tuple[Any, Any] | None:
        """Its centre (x, y) [arcsec], None where it has none."""
        roles = self.roles
        if "center_x" not in roles or "center_y" not in roles:
            return None
        return getattr(self, roles["center_x"]), getattr(self, roles["center_y"])

    def _numbers(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # pyright: ignore[reportArgumentType]


class LightProfile(Profile):
    """Base of light profiles: brightness is the sum of amplitudes times unit shapes."""

    amplitude: ClassVar[str] = "intensity"

    @property
    def count(self) -> int:
        """Number of amplitudes."""
        return 1

    def shapes(self, x: Any, y: Any) -> tuple[Any, ...]:
        """Unit-amplitude brightness at the points (x, y) [arcsec], one for each amplitude."""
        numbers = self._numbers()
        numbers.pop(self.amplitude)
        shape = type(self).formula(x, y, **numbers)
        return shape if isinstance(shape, tuple) else (shape,)

    def brightness(self, x: Any, y: Any) -> Any:
        """Surface brightness at the points (x, y) [arcsec], in the unit of the amplitude."""
        shapes = self.shapes(x, y)
        amplitudes = getattr(self, self.amplitude)
        if len(shapes) == 1:
            return amplitudes * shapes[0]
        return sum(amplitudes[k] * shape for k, shape in enumerate(shapes))


class MassProfile(Profile):
    """Base of mass profiles: the formula gives the deflection, half its divergence is the convergence."""

    @abstractmethod
    def convergence(self, x: Any, y: Any) -> Any:
        """kappa at the points (x, y) [arcsec]."""

    @abstractmethod
    def potential(self, x: Any, y: Any) -> Any:
        """psi [arcsec^2] at the points (x, y) [arcsec]: its gradient is the deflection; a constant is left open."""

    def deflection(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Deflection angle (alpha_x, alpha_y) [arcsec] at the points (x, y) [arcsec]."""
        return type(self).formula(x, y, **self._numbers())
