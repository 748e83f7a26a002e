"""Where the optimum of a source on pixels is looked for: near the fit of profiles, and from round lenses about it."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import cast

import numpy as np

from lensfit.analysis.pixel_model import reach
from lensfit.errors import FitError
from lensfit.fitters.optimum import Climb, ascend
from lensfit.fitters.result import FitResult
from lensfit.lensing import Field, einstein_radius_of, mean_images, whole_field
from lensfit.model import STRENGTHS
from lensfit.problem import Problem
from lensfit.terms import Evidence
from lensfit.trust.questions import LEAST_IMAGES, MOVED

FACTORS, OTHER_FACTORS = (0.9, 0.97, 1.04, 1.12, 1.2), (0.93, 1.0, 1.08, 1.16)
"""Einstein radii of the round lenses without shear, over that of the fit of profiles: of the search, and of the other
one."""
FEW, MORE, KEPT = 3, 12, 3
"""Steps of an ascent from each start, and of those from the best ends, at most; how many these are."""
INSIDE = 2.5
"""Widths of its prior from the middle within which a mesh is put."""
MARGIN = 1.5
"""Half-widths of the mesh from its centre up to which rays are followed."""

Extent = Callable[[object], tuple[float, float, float]]
"""Centre x, y and half-width [arcsec] of what a mass of numbers makes of the arcs in the source plane."""


def within_reach(problem: Problem, theta: np.ndarray) -> Evidence:
    """The term of a problem that follows only rays which may be lensed source at theta (n,)."""
    every = cast(Evidence, problem.likelihood)
    return every.within(*reach(problem, every, theta, MARGIN))


@dataclasses.dataclass(frozen=True)
class Reached:
    """How far a search came: from which start, the end of its steps, the ends of all others that may be right (of
    all, where none may be), the end of the other search, whether the end may be right, and the regions (H, W)
    of each image from which a mesh is reached from any of the starts."""

    start: Start
    end: Climb
    ends: tuple[Climb, ...]
    other: Climb
    plausible: bool
    regions: tuple[np.ndarray, ...]

    @property
    def rank(self) -> tuple[bool, float]:
        """Large is good: what may be right first, then by ln posterior."""
        return self.plausible, self.end.log_posterior

    def seen_by(self, before: Problem, problem: Problem, result: FitResult) -> Reached:
        """The same ends of the problem `before`, each followed on in another one whose parameters have the same names,
        as with other lens light."""
        near = cast(Evidence, problem.likelihood).within(*self.regions)
        plausible = _Plausible.of(problem, result)

        def on(end: Climb) -> _End:
            z = np.asarray(problem.to_z(before.to_theta(end.z)))
            there = ascend(problem.space, near, z, MORE, curvature=end.curvature)
            return _End(self.start, there, plausible(there))

        each = {id(end): end for end in (self.end, *self.ends, self.other)}  # the other is often one of the ends
        followed = {key: on(end) for key, end in each.items()}
        best, *others = sorted((followed[id(end)] for end in (self.end, *self.ends)), key=_rank, reverse=True)
        ends = tuple(one.end for one in others if one.plausible == best.plausible)
        return Reached(self.start, best.end, ends, followed[id(self.other)].end, best.plausible, self.regions)


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """Where a source on pixels may begin: its name, and values by name of parameter."""

    name: str
    values: dict[str, float]


def starts(problem: Problem, result: FitResult) -> tuple[tuple[Start, ...], tuple[Start, ...]]:
    """Masses to begin at, of the search and of another one: in turn those of the fit of profiles and of its neighbours
    with other sources; and round lenses without shear where the priors of the mass have their middle, at the radius of
    the fit and beside it, for the other one of other radii.

    A source of profiles that is too simple drags the mass along; a source on pixels may be far from there.
    """
    masses = [p.name for p in problem.space.parameters if p.group == "mass"]
    strengths = [p.name for p in problem.space.parameters if p.group == "mass" and p.role in STRENGTHS]
    known = [Start(v.name, {n: v.values[n] for n in masses}) for v in result.variants if {*masses} <= v.values.keys()]
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    round_lens = {name: float(value) for name, value in zip(problem.names, middle, strict=True) if name in masses}
    fitted = Start("as fitted", {name: result[name] for name in masses})

    def of_radius(factor: float) -> Start:
        scaled = {name: factor * result[name] for name in strengths}
        return Start(f"a round lens of {factor:g} times the radius", round_lens | scaled)

    known = known or [fitted]
    return (*known[::2], *map(of_radius, FACTORS)), (*known[1::2], *map(of_radius, OTHER_FACTORS))


def search(problem: Problem, result: FitResult, extent: Extent, prefix: str) -> Reached:
    """The start from which few steps reach the highest ln posterior, in a search and in another one that begins
    elsewhere.

    Among ends whose source is seen several times near the radius of the fit of profiles or of a neighbour of it, if
    there are any, which may be right: a source that is seen once is the arcs themselves, and ln evidence often
    prefers that.
    prefix: of the names of the mesh's parameters.

    Raises:
        FitError: no start lies inside the priors.
    """
    placed = [[(start, _placed(problem, start, extent, prefix)) for start in some] for some in starts(problem, result)]
    inside = [[(start, z) for start, z in some if np.all(np.isfinite(z))] for some in placed]
    if not all(inside):
        tried = ", ".join(start.name for some in placed for start, z in some if not np.all(np.isfinite(z)))
        raise FitError(f"a source on pixels has nowhere to begin: these lie outside the priors of the mass: {tried}")
    term = cast(Evidence, problem.likelihood)
    reached = [reach(problem, term, problem.to_theta(z), MARGIN) for some in inside for _, z in some]
    regions = tuple(np.any(some, axis=0) for some in zip(*reached, strict=True))
    near = term.within(*regions)
    plausible = _Plausible.of(problem, result)
    found, again = (_ends(problem, near, some, plausible) for some in inside)
    best, other = sorted((found[0], again[0]), key=_rank, reverse=True)
    ends = [one.end for one in (*found, *again) if one.plausible == best.plausible and one is not best]
    return Reached(best.start, best.end, tuple(ends), other.end, best.plausible, regions)


@dataclasses.dataclass(frozen=True, eq=False)
class _End:
    """Where an ascent from a start came to, and whether that may be right."""

    start: Start
    end: Climb
    plausible: bool


@dataclasses.dataclass(frozen=True)
class _Plausible:
    """What says of an end whether it may be right: the Einstein radii of the fits of profiles."""

    problem: Problem
    field: Field
    before: tuple[float, ...]

    @classmethod
    def of(cls, problem: Problem, result: FitResult) -> _Plausible:
        field = whole_field(problem.likelihood.grids[0])
        models = (result.model, *(v.model for v in result.variants))
        return cls(problem, field, tuple(einstein_radius_of(model.only(), field) for model in models))

    def __call__(self, end: Climb) -> bool:
        problem, theta = self.problem, np.asarray(self.problem.to_theta(end.z))
        radius = einstein_radius_of(problem.space.build(theta).only(), self.field)
        near_one = min(abs(radius / other - 1) for other in self.before) < MOVED
        return near_one and mean_images(problem.reconstruct(theta), problem.likelihood.grids[0]) > LEAST_IMAGES


def _ends(
    problem: Problem, near: Evidence, begun: list[tuple[Start, np.ndarray]], plausible: Callable[[Climb], bool]
) -> list[_End]:
    """A few steps from each start, and more from the best ends; those first that may be right, then by ln posterior."""
    few = sorted(((start, ascend(problem.space, near, z, FEW)) for start, z in begun), key=_depth)
    more = [(start, ascend(problem.space, near, end.z, MORE)) for start, end in few[:KEPT]]
    return sorted((_End(start, end, plausible(end)) for start, end in more), key=_rank, reverse=True)


def _rank(one: _End) -> tuple[bool, float]:
    return one.plausible, one.end.log_posterior


def _depth(one: tuple[Start, Climb]) -> float:
    return -one[1].log_posterior


def _placed(problem: Problem, start: Start, extent: Extent, prefix: str) -> np.ndarray:
    """z (n,) of a start, the mesh where its mass takes the arcs."""
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    theta = np.array([start.values.get(name, m) for name, m in zip(problem.names, middle, strict=True)])
    for name, value in zip(("center_x", "center_y", "half_width"), extent(problem.space.build(theta)), strict=True):
        theta[problem.names.index(f"{prefix}.{name}")] = value
    z = np.asarray(problem.to_z(theta))
    mesh = np.array([name.startswith(f"{prefix}.") for name in problem.names])
    return np.where(mesh, np.clip(np.nan_to_num(z), -INSIDE, INSIDE), z)
