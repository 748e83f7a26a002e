"""What all stages of one fit share: the model and its roles, the data on three levels, and the count of descents."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lensfit.compiled import compiled
from lensfit.datasets import blocks
from lensfit.errors import FitError
from lensfit.fitters.lm import Descent, Point, descend
from lensfit.fitters.result import Basin
from lensfit.grid import cut
from lensfit.model import AnyModel
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.staged.strength import Strength

Tell = Callable[[str, float, float, Point | None], None]
"""Is told the stage, its chi2 (NaN where unknown), the share of the work that is done, and the best point so far."""
Score = Callable[[Point, Any], float]
"""What basins are ranked by, of the end of a descent and its likelihood: small is good."""
NEAR = 0.04
"""Relative difference in Einstein radius up to which two basins are one."""
BRIGHT = 256
"""Most pixels that are traced back."""
CHUNK = 64
"""Points that the compiled map sees at a time: any number of points compiles once."""


@compiled
def to_z(space: Space, theta: jax.Array) -> jax.Array:
    """z (n,) of theta (n,)."""
    return space.to_z(theta)


def to_theta(space: Space, z: np.ndarray) -> np.ndarray:
    """theta (..., n) of z (..., n)."""
    flat = z.reshape(-1, space.ndim)
    filled = np.concatenate([flat, np.zeros((-len(flat) % CHUNK, space.ndim))])
    parts = [np.asarray(_to_theta(space, part)) for part in filled.reshape(-1, CHUNK, space.ndim)]
    return np.concatenate(parts)[: len(flat)].reshape(z.shape)


@compiled
def _to_theta(space: Space, z: jax.Array) -> jax.Array:
    return jax.vmap(space.to_theta)(z)


@dataclasses.dataclass(frozen=True)
class Source:
    """Indices into theta of one source's centre, ellipticity and size; -1 where it has none that is free."""

    center_x: int
    center_y: int
    e1: int
    e2: int
    radius: int


@dataclasses.dataclass(frozen=True)
class Roles:
    """Indices and masks (n,) of the parameters by what they do.

    `low` and `high` (n,) are three widths of its prior from the middle of each: where a start may lie. `held` are the
    parameters of the mass that have a typical value, as a slope, and `typical` (n,) is z there, zero of all others:
    the search for the mass holds them, the fits of everything together free them.
    """

    light: np.ndarray
    mass: np.ndarray
    source: np.ndarray
    radii: np.ndarray
    shapes: np.ndarray
    places: np.ndarray
    held: np.ndarray
    typical: np.ndarray
    strength: Strength
    low: np.ndarray
    high: np.ndarray
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, space: Space) -> Roles:
        """Read the roles off a space, or say why the model cannot be staged."""
        parameters = space.parameters
        group = np.array([p.group for p in parameters])
        role = np.array([p.role for p in parameters])
        owners = sorted({p.name.rsplit(".", 1)[0] for p in parameters if p.group == "source"})
        low, middle, high = (to_theta(space, np.full(space.ndim, end)) for end in (-3.0, 0.0, 3.0))
        strength = Strength.of(space, low, middle, high)
        if not owners:
            raise FitError("the staged fitter needs a source with free parameters, and the model has none")
        light = np.isin(group, ["light", "sky"])
        return cls(
            light=light,
            mass=group == "mass",
            source=group == "source",
            radii=np.flatnonzero(light & (role == "radius")),
            shapes=np.flatnonzero(light & (role == "shape")),
            places=light & np.isin(role, ["center_x", "center_y"]),
            held=(group == "mass") & np.array([p.typical is not None for p in parameters]),
            typical=_typical(space),
            strength=strength,
            low=low,
            high=high,
            sources=tuple(_source(space, owner) for owner in owners),
        )


def _source(space: Space, owner: str) -> Source:
    found = {p.role: k for k, p in enumerate(space.parameters) if p.name.rsplit(".", 1)[0] == owner}
    return Source(**{f.name: found.get(f.name, -1) for f in dataclasses.fields(Source)})


def _typical(space: Space) -> np.ndarray:
    """z (n,) of the typical values of what has one; zero, the middle of the prior, of all others."""
    has = np.array([p.group == "mass" and p.typical is not None for p in space.parameters], bool)
    values = np.array([np.nan if p.typical is None else p.typical for p in space.parameters], float)
    middle = to_theta(space, np.zeros(space.ndim))
    z = np.asarray(to_z(space, np.where(has, values, middle)))
    return np.where(has & np.isfinite(z), z, 0.0)


class Tally:
    """Runs the descents of one fit and counts evaluations of the likelihood and of its derivatives."""

    def __init__(self) -> None:
        self.evaluations = 0
        self.gradients = 0

    def descend(
        self,
        space: Space,
        likelihood: Any,
        theta: np.ndarray,
        free: np.ndarray,
        iterations: int,
        tolerance: float,
        groups: tuple[str, ...],
        shown: np.ndarray | bool = True,
        exact: bool = False,
    ) -> Descent:
        """See `lensfit.fitters.lm.descend`."""
        end = descend(space, likelihood, theta, free, iterations, tolerance, groups, shown, exact)
        self.evaluations += int(end.trials)
        self.gradients += int(end.systems)
        return end


def objective_score(point: Point, likelihood: Any) -> float:
    """The objective itself."""
    return float(point.objective)


def basin_of(point: Point, likelihood: Any, start: np.ndarray, score: Score) -> Basin:
    """The end of a descent as a basin; of one that never was finite, its start, which nothing is worse than."""
    if not np.isfinite(float(point.objective)):
        return Basin(start, np.inf)
    return Basin(np.asarray(point.theta), score(point, likelihood))


@dataclasses.dataclass(frozen=True)
class Arcs:
    """Pixels that show lensed light: x, y (P,) [arcsec] and weight (P,), zero-weight entries to fill up."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Arcs:
        """Of at most BRIGHT pixels."""
        return cls(*(np.pad(values, (0, BRIGHT - len(x))) for values in (x, y, weight)))


@dataclasses.dataclass(frozen=True)
class Levels:
    """One likelihood three times: 2x2-binned, full pixels with at most 2x2 sub-pixels, and as given."""

    coarse: Any
    medium: Any
    full: Any

    @classmethod
    def of(cls, likelihood: Any) -> Levels:
        """The levels of a likelihood."""
        medium = replace(likelihood, grid=likelihood.grid.capped(2))
        return cls(coarse=likelihood.coarser(), medium=medium, full=likelihood)

    def binned(self, whitened: np.ndarray) -> np.ndarray:
        """A whitened image (H, W) of the medium level as the coarse one shows it."""
        inverse = np.asarray(self.medium.inverse_noise)
        image = np.where(inverse > 0, whitened / np.where(inverse > 0, inverse, 1.0), 0.0)
        step = 2 * float(self.medium.grid.pixel_scale)
        offset = np.asarray(self.coarse.grid.corner) - np.asarray(self.medium.grid.corner)
        column, row = np.rint(offset / step - 0.25).astype(int)
        rows, columns = self.coarse.shape
        box = slice(row, row + rows), slice(column, column + columns)
        return cut(blocks(image, 2).mean(-1), box, 0.0) * np.asarray(self.coarse.inverse_noise)


@dataclasses.dataclass(frozen=True)
class Found:
    """The end of the stages: the best point at full accuracy, and the basins that came closest, best first."""

    point: Point
    theta: np.ndarray
    basins: tuple[Basin, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """One fit: the model whose amplitudes are solved, its space and roles, the data, and the tally of descents."""

    model: AnyModel
    space: Space
    roles: Roles
    levels: Levels
    tally: Tally
    score: Score

    @classmethod
    def of(cls, model: AnyModel, likelihood: Any, score: Score) -> Case:
        """Raises FitError where the model cannot be staged."""
        space = Space.of(model)
        return cls(model, space, Roles.of(space), Levels.of(likelihood), Tally(), score)

    def distinct(self, basins: list[Basin], most: int, apart: float = np.inf) -> list[Basin]:
        """The best basins, of those within 4 % in Einstein radius only the best one, unless their lenses are as far
        apart as `apart` Einstein radii."""
        kept: list[tuple[float, np.ndarray, Basin]] = []
        strength = self.roles.strength
        for basin in sorted(basins, key=lambda b: b.score):
            radius = strength.radius(self.space, basin.theta, self.levels.full.grid)
            center = strength.center(self.space, basin.theta)
            same = [abs(np.log(radius / other)) <= NEAR and not np.hypot(*(center - place)) >= apart * radius
                    for other, place, _ in kept]  # fmt: skip
            if not any(same):
                kept.append((radius, center, basin))
        return [basin for *_, basin in kept[:most]]
