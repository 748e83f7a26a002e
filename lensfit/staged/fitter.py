"""The staged fitter as others see it: from a problem to a result with errors, and what its search found."""
from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, cast

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.base import Checkpoint, Progress
from lensfit.fitters.laplace import laplace_of_solved
from lensfit.fitters.lm import Point, System
from lensfit.fitters.result import Basin, Clock, FitResult, Search, result_of
from lensfit.problem import Problem
from lensfit.pytree import replace
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Found, Tally, Tell
from lensfit.staged.joint import Joint, fit_family
from lensfit.staged.stages import Stages
from lensfit.staged.sum_search import SumSearch, fit_alone
from lensfit.terms import LeastSquares, Sum, Term

GAIN = 1.0
"""Most that chi2 + |z|^2 may fall when the descent goes on."""
MORE = 10
"""How often a descent that still lowers chi2 goes on, 20 steps at a time."""
EDGE = -3.0
"""Widths from the middle of its prior where an amplitude that came out below it is put, if it is sampled."""


@dataclasses.dataclass(frozen=True)
class Staged:
    """Global fit of light, mass and source from the data and the priors alone.

    Every free amplitude is solved exactly and non-negatively on the way; one that the problem samples takes
    its solved value in the result.
    """

    needs: ClassVar[type[Term]] = LeastSquares
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Fit the problem. Raises FitError if the model cannot be staged or no finite fit is found.

        It takes seconds and keeps nothing in `checkpoint`.
        """
        if start is not None:
            raise FitError("the staged fitter finds its own starts; leave start out, or choose another fitter, as lm")
        clock = Clock.start()
        stages, joint, found, other = _search(problem, seed, progress)
        if not np.isfinite(float(found.point.objective)):
            raise FitError("no finite chi2 was found: the model does not give finite brightness anywhere near the data")
        end, system, gain = settled(joint, problem.likelihood, found.point)
        theta, notes = in_problem(problem, joint.space, end)
        progress("neighbouring models", float(end.chi2), 0.8, "", theta)
        variants = fit_family(joint, problem.likelihood, end, stages.seconds, stages.easing)
        variants += fit_alone(joint, cast(LeastSquares, problem.likelihood), end)
        progress("errors", float(end.chi2), 0.95)
        result = result_of(
            problem,
            theta,
            fitter="staged",
            clock=clock,
            converged=gain < GAIN,
            evaluations=joint.tally.evaluations,
            gradients=joint.tally.gradients,
            curvature=laplace_of_solved(problem, joint.space, theta, end, system),
            notes=notes,
            variants=variants,
            search=_told(problem, joint.space, end, found, other),
            gain=gain,
        )
        progress("done", result.chi2, 1.0)
        return result


def _search(problem: Problem, seed: int, progress: Progress) -> tuple[Stages, Joint, Found, np.ndarray]:
    """The stages, descents in all parameters, the best end of two searches, and the theta that the other ended at."""
    model, likelihood = solve_amplitudes(problem.model), cast(LeastSquares, problem.likelihood)  # `fit` has checked it
    first, second = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    if isinstance(likelihood, Sum):
        several = SumSearch.of(likelihood, model, Tally())
        tell = _teller(problem, several.joint.space, progress)
        found, lead = several.run(first, tell)
        tell("search, other seed", float(found.point.chi2), 0.7, found.point)
        return several.stages, several.joint, *_better(found, several.again(lead, second))
    stages = Stages.of(likelihood)
    case = stages.case(model, likelihood)
    joint, tell = Joint.of(case), _teller(problem, case.space, progress)
    found = stages.run(case, first, tell)
    tell("search, other seed", float(found.point.chi2), 0.7, found.point)
    again = stages.search_again(case, joint, found.theta, second)
    return stages, joint, *_better(found, stages.finish(case, joint, again))


def _told(problem: Problem, space: Space, end: Point, found: Found, other: np.ndarray) -> Search:
    """What the search found, in the problem's theta; amplitudes that it samples are those of the end."""

    def placed(theta: np.ndarray) -> np.ndarray:
        return in_problem(problem, space, replace(end, theta=theta))[0]

    basins = tuple(Basin(placed(basin.theta), basin.score) for basin in found.basins)
    return Search(basins, placed(other))


def _teller(problem: Problem, space: Space, progress: Progress) -> Tell:
    """The progress of a problem as the stages know it, whose points are of the space where all is solved."""

    def tell(stage: str, chi2: float, share: float, point: Point | None) -> None:
        progress(stage, chi2, share, "", None if point is None else in_problem(problem, space, point)[0])

    return tell


def _better(found: Found, second: Found) -> tuple[Found, np.ndarray]:
    """The better of the fit and the end of another search, and the theta that the other one ended at."""
    if float(second.point.objective) < float(found.point.objective) - 1:
        return second, found.theta
    return found, second.theta


def settled(joint: Joint, likelihood: Any, point: Point) -> tuple[Point, System, float]:
    """The end of the descent, its exact system, and by how much the last steps still lowered chi2 + |z|^2."""
    for k in range(MORE):
        end, system = joint.settle(likelihood, np.asarray(point.theta), 20 if k else 10, 1e-3)
        gain = float(point.objective) - float(end.objective)
        if gain < GAIN:
            break
        point = end
    return end, system, gain


def in_problem(problem: Problem, space: Space, point: Point) -> tuple[np.ndarray, tuple[str, ...]]:
    """theta of the problem, which samples some of the amplitudes that were solved, and notes.

    Those that came out beyond their priors, at zero for instance, are put just inside them.
    """
    every = [p.name for p in space.parameters + space.amplitudes]
    value = dict(zip(every, np.concatenate([point.theta, point.amplitudes]), strict=True))
    theta = np.array([value[name] for name in problem.names])
    amplitude = np.array([p.role == "amplitude" for p in problem.space.parameters])
    beyond = amplitude & ~np.isfinite(np.asarray(problem.to_z(theta)))
    if not beyond.any():
        return theta, ()
    names = ", ".join(name for name, outside in zip(problem.names, beyond, strict=True) if outside)
    low, high = (np.asarray(problem.to_theta(np.full(problem.ndim, z))) for z in (EDGE, -EDGE))
    inside = np.where(theta < low, low, high)
    return np.where(beyond, inside, theta), (f"solved to beyond the prior and put at its end: {names}",)
