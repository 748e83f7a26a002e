"""Where the optimum of a source on pixels is looked for: near the fit of profiles, and from round lenses about it."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import cast

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.optimum import Climb, ascend
from lensfit.fitters.result import FitResult
from lensfit.lensing import einstein_radius_of, mean_images, whole_field
from lensfit.model import STRENGTHS
from lensfit.problem import Problem
from lensfit.terms import Evidence
from lensfit.trust.questions import LEAST_IMAGES, MOVED

FACTORS = (0.9, 0.97, 1.04, 1.12, 1.2)
"""Einstein radii of the round lenses without shear, over that of the fit of profiles."""
FEW, MORE, KEPT = 3, 12, 3
"""Steps of an ascent from each start, and of those from the best ends, at most; how many these are."""
INSIDE = 2.5
"""Widths of its prior from the middle within which a mesh is put."""
MARGIN = 1.5
"""Half-widths of the mesh from its centre up to which rays are followed."""

Extent = Callable[[object], tuple[float, float, float]]
"""Centre x, y and half-width [arcsec] of what a mass of numbers makes of the arcs in the source plane."""


@dataclasses.dataclass(frozen=True)
class Reached:
    """How far a search came: from which start, the end of its steps, the other ends that may be right (see `search`),
    the nearest in Einstein radius first, whether that one may be, and the term that follows rays only where a mesh is
    reached from any of the starts."""

    start: Start
    end: Climb
    others: tuple[Climb, ...]
    plausible: bool
    near: Evidence

    @property
    def rank(self) -> tuple[bool, float]:
        """Large is good: what may be right first, then by ln posterior."""
        return self.plausible, self.end.log_posterior


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """Where a source on pixels may begin: its name, and values by name of parameter."""

    name: str
    values: dict[str, float]


def starts(problem: Problem, result: FitResult) -> tuple[Start, ...]:
    """Masses to begin at: those of the fit of profiles and of its neighbours with other sources, and round lenses
    without shear where the priors of the mass have their middle, at the radius of the fit and beside it.

    A source of profiles that is too simple drags the mass along; a source on pixels may be far from there.
    """
    masses = [p.name for p in problem.space.parameters if p.group == "mass"]
    strengths = [p.name for p in problem.space.parameters if p.group == "mass" and p.role in STRENGTHS]
    known = [Start(v.name, {n: v.values[n] for n in masses}) for v in result.variants if {*masses} <= v.values.keys()]
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    round_lens = {name: float(value) for name, value in zip(problem.names, middle, strict=True) if name in masses}
    fitted = Start("as fitted", {name: result[name] for name in masses})
    tried = [known[0] if known else fitted, *known[1:]]
    for factor in FACTORS:
        scaled = {name: factor * result[name] for name in strengths}
        tried.append(Start(f"a round lens of {factor:g} times the radius", round_lens | scaled))
    return tuple(tried)


def search(problem: Problem, result: FitResult, extent: Extent, prefix: str) -> Reached:
    """The start from which few steps reach the highest ln posterior.

    Among ends whose source is seen several times near the radius of the fit of profiles or of a neighbour of it, if
    there are any, which may be right: a source that is seen once is the arcs themselves, and ln evidence often
    prefers that.
    prefix: of the names of the mesh's parameters.

    Raises:
        FitError: no start lies inside the priors.
    """
    found: list[tuple[Start, Climb]] = []
    placed = {start: _placed(problem, start, extent, prefix) for start in starts(problem, result)}
    places = {start: z for start, z in placed.items() if np.all(np.isfinite(z))}
    if not places:
        tried = ", ".join(start.name for start in placed)
        raise FitError(f"a source on pixels has nowhere to begin: these lie outside the priors of the mass: {tried}")
    term = cast(Evidence, problem.likelihood)
    reached = [term.reach(problem.space.build(problem.to_theta(z)), MARGIN) for z in places.values()]
    near = term.within(*(np.any(regions, axis=0) for regions in zip(*reached, strict=True)))
    for start, z in places.items():
        found.append((start, ascend(problem.space, near, z, FEW)))
    found.sort(key=_depth)
    found = [(start, ascend(problem.space, near, end.z, MORE)) for start, end in found[:KEPT]]
    found.sort(key=_depth)
    field = whole_field(problem.likelihood.grids[0])
    before = [einstein_radius_of(m.only(), field) for m in (result.model, *(v.model for v in result.variants))]

    def radius(end: Climb) -> float:
        return einstein_radius_of(problem.space.build(problem.to_theta(end.z)).only(), field)

    def may_be_right(end: Climb) -> bool:
        made = problem.reconstruct(np.asarray(problem.to_theta(end.z)))
        near_one = min(abs(radius(end) / other - 1) for other in before) < MOVED
        return near_one and mean_images(made, problem.likelihood.grids[0]) > LEAST_IMAGES

    plausible = [one for one in found if may_be_right(one[1])]
    (start, end), *others = plausible or found[:1]
    there = radius(end)
    ends = sorted((other for _, other in others), key=lambda other: abs(radius(other) / there - 1))
    return Reached(start, end, tuple(ends), bool(plausible), near)


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
