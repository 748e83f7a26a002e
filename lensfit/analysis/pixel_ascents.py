"""Ascents of a source on pixels on the data themselves, from the ends of a search on binned data, to the optimum."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import cast

import jax.numpy as jnp
import numpy as np

from lensfit.analysis.pixel_model import reach
from lensfit.analysis.pixel_search import within_reach
from lensfit.fitters.laplace import Bend
from lensfit.fitters.optimum import Climb, ascend, finish
from lensfit.fitters.result import Basin, Search
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.problem import Problem
from lensfit.terms import Evidence
from lensfit.trust.facts import AGREE
from lensfit.trust.questions import GAP

CLOSE, FOLLOWED = 100.0, 2
"""How much higher than the best's the score of another end on binned data may be for it to be followed on the data
themselves, and how many are."""


@dataclasses.dataclass(frozen=True, eq=False)
class Begun:
    """Where a source on pixels begins: what the searches on binned data and a coarse mesh found, and the term that
    follows rays only where they may be lensed source at the best of it."""

    near: Evidence
    search: Search


@dataclasses.dataclass(frozen=True, eq=False)
class Settled:
    """Where ascents on the data themselves came to: the optimum, how ln posterior bends there, the term that this is
    of, what the search found, and theta (n,) of other optima that are as high."""

    end: Climb
    curvature: Bend
    near: Evidence
    search: Search
    alike: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Followed:
    """Where ascents on the data themselves came to, from the best of a search and from others that are `close` to it.

    starts: theta (n,). ends, nears: where each came to, and the term that followed its rays. best: the number of the
    highest; the end of the other search, which may be one that is not right, is none of these unless it is close.
    """

    begun: Begun
    close: list[Basin]
    starts: list[np.ndarray]
    ends: list[Climb]
    nears: list[Evidence]
    best: int

    @property
    def end(self) -> Climb:
        """The highest."""
        return self.ends[self.best]

    @property
    def near(self) -> Evidence:
        """The term of the highest."""
        return self.nears[self.best]


def follow(problem: Problem, begun: Begun, told: Callable[[float, int], None]) -> Followed:
    """Ascents on the data themselves from the ends of a search on binned data.

    There two places can look alike that the data tell apart: of the ends, those elsewhere and not much lower are
    followed too, and that of the other search.
    """
    first, *others = begun.search.basins
    field = whole_field(problem.likelihood.grids[0])

    def radius(theta: np.ndarray) -> float:
        return einstein_radius_of(problem.space.build(jnp.asarray(theta)).only(), field)

    here = radius(first.theta)
    elsewhere = lambda theta: abs(radius(theta) / here - 1) > AGREE  # noqa: E731
    close = [b for b in others if b.score < first.score + CLOSE and elsewhere(b.theta)][:FOLLOWED]
    starts = [first.theta, *(b.theta for b in close)]
    other = begun.search.other
    if elsewhere(other) and not any(np.array_equal(other, theta) for theta in starts):
        starts.append(other)
    nears = [begun.near, *(within_reach(problem, theta) for theta in starts[1:])]
    ends = [
        ascend(problem.space, near, np.asarray(problem.to_z(theta)), told=told)
        for theta, near in zip(starts, nears, strict=True)
    ]
    best = max(range(1 + len(close)), key=lambda k: ends[k].log_posterior)
    if not all_followed(nears[best], problem, ends[best]):
        nears[best] = cast(Evidence, problem.likelihood)
        ends[best] = ascend(problem.space, nears[best], ends[best].z, told=told, curvature=ends[best].curvature)
    return Followed(begun, close, starts, ends, nears, best)


def settle(problem: Problem, followed: Followed, told: Callable[[float, int], None]) -> Settled:
    """The optimum that Newton's steps reach from the highest of several ends."""
    end, found, near = _finished(problem, followed.near, followed.end, told)
    basins = [Basin(np.asarray(problem.to_theta(one.z)), -2 * one.log_posterior) for one in (end, *followed.ends)]
    basins[1 + followed.best] = basins[0]
    first, *others = followed.begun.search.basins
    higher = basins[1].score - first.score
    left = [dataclasses.replace(b, score=b.score + higher) for b in others if b not in followed.close]
    other = followed.begun.search.other
    again = next((k for k, theta in enumerate(followed.starts) if np.array_equal(other, theta)), 0)
    rivals = [basin for basin in basins if basin is not basins[0]]
    same = basins[1 : 2 + len(followed.close)]
    alike = [b.theta for b in same if b is not basins[0] and b.score < basins[0].score + GAP]
    return Settled(end, found, near, Search((basins[0], *rivals, *left), basins[1 + again].theta), tuple(alike))


def _finished(
    problem: Problem, near: Evidence, end: Climb, told: Callable[[float, int], None]
) -> tuple[Climb, Bend, Evidence]:
    """The optimum near the end of an ascent, the curvature there, and the term that it is of: all rays are followed if
    some that `near` leaves out have come to end on the mesh."""
    found = None
    while found is None or not all_followed(near, problem, end):
        if not all_followed(near, problem, end):
            near = cast(Evidence, problem.likelihood)
            end = ascend(problem.space, near, end.z, told=told, curvature=end.curvature)
        end, found = finish(problem.space, near, end)
    return end, found, near


def all_followed(near: Evidence, problem: Problem, end: Climb) -> bool:
    """Whether the term follows all the rays that end on the mesh."""
    theta, whole = problem.to_theta(end.z), cast(Evidence, problem.likelihood)
    pairs = zip(reach(problem, near, theta, 1.0), reach(problem, whole, theta, 1.0), strict=True)
    return all(np.array_equal(followed, every) for followed, every in pairs)
