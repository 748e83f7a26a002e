"""A fit carried on to a larger model: begun where the smaller one ended, at the other basins of its search, and where
another search ended. What is new starts at places that are given; its amplitude is solved, so no start is worse.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.laplace import laplace_of_solved
from lensfit.fitters.lm import Point
from lensfit.fitters.result import Basin, Clock, FitResult, Search, Variant, result_of
from lensfit.problem import Problem
from lensfit.progress import Progress
from lensfit.pytree import replace
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Tally, to_theta, to_z
from lensfit.staged.fitter import GAIN, in_problem, settled
from lensfit.staged.joint import Joint, fit_family
from lensfit.staged.stages import Stages
from lensfit.staged.sum_search import fit_alone
from lensfit.terms import LeastSquares

RIVALS = 3
"""Other basins of the search, at most, from which the larger model is begun too."""
TWO_SOURCES = "two sources"
"""The neighbouring model that `fit_family` fits."""
INSIDE = 3.0
"""Widths of its prior from the middle within which what is new starts."""

Values = Mapping[str, float]
Starts = Callable[[Values], Sequence[Values]]
"""Values of what is new in a larger model, one set for each start, of those of the smaller one; what is named in
neither begins in the middle of its prior."""


@dataclasses.dataclass(frozen=True)
class Larger:
    """Descents of a larger model; `likelihood` may be calibrated otherwise than that of the smaller one."""

    problem: Problem
    joint: Joint
    stages: Stages

    @classmethod
    def of(cls, problem: Problem) -> Larger:
        """For a problem of the larger model. Raises FitError where the staged fitter has no stages for its data."""
        model, stages = solve_amplitudes(problem.model), Stages.of(cast(LeastSquares, problem.likelihood))
        return cls(problem, Joint.over(model, Space.of(model), Tally(), stages.score), stages)

    def begun(self, known: Values, starts: Starts) -> Point:
        """The end of a descent from the best of some starts, the smaller model at its values `known`."""
        joint, likelihood = self.joint, self.problem.likelihood
        thetas = [self._theta({**known, **new}) for new in starts(known)]
        tried = [joint.descend(likelihood, theta, 10, 1.0) for theta in thetas]
        return joint.descend(likelihood, np.asarray(min(tried, key=objective).theta), 15, 1.0)

    def values(self, point: Point) -> dict[str, float]:
        """The values of a point by name, solved amplitudes among them."""
        names = [p.name for p in (*self.joint.space.parameters, *self.joint.space.amplitudes)]
        return dict(zip(names, np.concatenate([point.theta, point.amplitudes]).tolist(), strict=True))

    def _theta(self, values: Values) -> np.ndarray:
        space = self.joint.space
        middle = to_theta(space, np.zeros(space.ndim))
        theta = np.array([values.get(name, m) for name, m in zip(space.names, middle, strict=True)])
        z = np.nan_to_num(np.asarray(to_z(space, theta)), nan=0.0)
        inside = to_theta(space, np.clip(z, -INSIDE, INSIDE))
        return np.where(abs(z) > INSIDE, inside, theta)


def fit_larger(
    problem: Problem, result: FitResult, larger: Problem, found: Values, starts: Starts, smaller: str,
    progress: Progress,
) -> FitResult:
    """The fit of the larger problem, not examined yet: from `found`, where it was begun at the smaller one's fit
    `result`, and from what else the search of that found. smaller: what that is called among the neighbours.

    Raises:
        FitError: the result was not searched for.
    """
    clock, search = Clock.start(), result.search
    if search is None:
        raise FitError("a larger model is begun at what the search of a smaller one found: fit that by staged")
    begun = Larger.of(larger)

    def end(theta: np.ndarray) -> Point:
        return begun.begun(dict(zip(problem.names, theta, strict=True)), starts)

    progress("larger model", result.chi2, 0.0)
    first, other = begun.begun(found, lambda _: ({},)), end(search.other)
    rivals = [end(basin.theta) for basin in search.basins[1 : 1 + RIVALS]]
    beside = [dataclasses.replace(v, name=f"{smaller}, {v.name}".removesuffix(", as fitted"))
              for v in result.variants if TWO_SOURCES not in v.name]  # fmt: skip
    return finish_larger(begun, (first, other, *rivals), clock, result, beside, progress)


def finish_larger(
    larger: Larger, ends: Sequence[Point], clock: Clock, result: FitResult, smaller: Sequence[Variant],
    progress: Progress,
) -> FitResult:
    """The fit at the best of some ends of descents: the first one is from the smaller model's fit `result`, the second
    from its other search. smaller: neighbouring models of less."""
    problem, joint = larger.problem, larger.joint
    likelihood = cast(LeastSquares, problem.likelihood)
    best = min(ends, key=objective)
    progress("larger model, settled", float(best.chi2), 0.6)
    end, system, gain = settled(joint, likelihood, best)
    theta, notes = in_problem(problem, joint.space, end)

    def basin(point: Point) -> Basin:
        placed = replace(end, theta=np.asarray(point.theta))
        return Basin(in_problem(problem, joint.space, placed)[0], joint.score(point, likelihood))

    first, other, *_ = ends
    left = [point for point in ends if point is not best]
    basins = (basin(end), *sorted(map(basin, left), key=lambda b: b.score))
    tally = joint.tally
    return result_of(
        problem, theta, fitter=result.fitter, clock=clock, converged=gain < GAIN, evaluations=tally.evaluations,
        gradients=tally.gradients, curvature=laplace_of_solved(problem, joint.space, theta, end, system), notes=notes,
        variants=(*fit_family(joint, likelihood, end, larger.stages.seconds, larger.stages.easing),
                  *fit_alone(joint, likelihood, end), *smaller),
        search=Search(basins, basin(first if best is other else other).theta), gain=gain,
    )  # fmt: skip


def objective(point: Point) -> float:
    """chi2 + |z|^2 of a point."""
    return float(point.objective)
