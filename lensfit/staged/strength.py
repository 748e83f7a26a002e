"""How strong the lens of a model is: the one parameter that says so, and the Einstein radius that it makes."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.errors import FitError
from lensfit.grid import Grid
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.model import STRENGTHS
from lensfit.space import Space

POINTS = 32
"""Points of a circle over which the outward deflection is averaged."""
ITSELF = "einstein_radius"
"""Role of a strength that is the Einstein radius itself."""


@dataclasses.dataclass(frozen=True)
class Strength:
    """The free parameter of a model that says how strong its lens is, whatever the mass.

    index: into theta. name: dotted. direct: it is an Einstein radius itself. owner: name of the mass that has it.
    low, high: where a start of it may lie. alone: whether it is the only free one.
    """

    index: int
    name: str
    direct: bool
    owner: str
    low: float
    high: float
    alone: bool

    @classmethod
    def of(cls, space: Space, low: np.ndarray, middle: np.ndarray, high: np.ndarray) -> Strength:
        """Read off a space, with theta (n,) between which a start may lie and in the middle of the priors.

        Of several masses the main one is that whose Einstein radius has the largest middle of its prior, or the first
        where none has an Einstein radius. Raises FitError where none is free.
        """
        found = [k for k, p in enumerate(space.parameters) if p.group == "mass" and p.role in STRENGTHS]
        if not found:
            raise FitError(
                "the staged fitter needs a free Einstein radius, or strength of another kind, among the masses, and "
                "the model has none; give one a prior, or use another fitter"
            )
        main = max(found, key=lambda k: middle[k] if space.parameters[k].role == ITSELF else -np.inf)
        parameter = space.parameters[main]
        owner = parameter.name.split(".")[-2]
        direct = parameter.role == ITSELF
        return cls(main, parameter.name, direct, owner, float(low[main]), float(high[main]), len(found) == 1)

    @property
    def radii(self) -> tuple[float, float]:
        """The least and the largest Einstein radius that a start may have [arcsec]."""
        return (self.low, self.high) if self.direct else (0.0, np.inf)

    def center(self, space: Space, theta: np.ndarray) -> np.ndarray:
        """Where (2,) the mass is at theta (n,) [arcsec]."""
        return np.array(_center(space.build(theta), self.owner), float)

    def radius(self, space: Space, theta: np.ndarray, grid: Grid) -> float:
        """The Einstein radius at theta (n,) [arcsec], NaN where no critical curve closes about the points of a grid."""
        if self.direct and self.alone:
            return float(theta[self.index])
        return einstein_radius_of(space.build(theta).only(), whole_field(grid))

    def put(self, space: Space, theta: np.ndarray, radii: np.ndarray) -> None:
        """Set the strength in theta (D, n) so that the lens has about these Einstein radii (D,) [arcsec].

        The mean convergence inside an Einstein radius is 1, so the mean outward deflection there is the radius itself
        (Gauss's theorem); it is linear in the strength, and other masses have their part in it.
        """
        values = radii
        if not (self.direct and self.alone):
            ends = (self.low, self.high)
            weak, strong = (np.asarray(_outward(space, theta, radii, end, self.index, self.owner)) for end in ends)
            values = self.low + (radii - weak) * (self.high - self.low) / (strong - weak)
        theta[:, self.index] = np.clip(values, self.low, self.high)


def _center(model: Any, owner: str) -> tuple[Any, Any]:
    return model.mass[owner].center or (0.0, 0.0)


@compiled(static=("index", "owner"))
def _outward(space: Space, theta: jax.Array, radii: jax.Array, strength: Any, index: int, owner: str) -> jax.Array:
    """Mean outward deflection (D,) [arcsec] on circles of these radii (D,) about a mass of this strength."""
    angle = jnp.linspace(0.0, 2 * jnp.pi, POINTS, endpoint=False)
    right, up = jnp.cos(angle), jnp.sin(angle)

    def one(numbers: jax.Array, radius: jax.Array) -> jax.Array:
        model = space.build(numbers.at[index].set(strength))
        x, y = _center(model, owner)
        ax, ay = model.deflection(x + radius * right, y + radius * up)
        return jnp.mean(ax * right + ay * up)

    return jax.vmap(one)(theta, radii)
