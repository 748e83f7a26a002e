"""The staged fitter as others see it: from a problem to a result with errors, spread and trust."""
from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.base import Checkpoint, Progress
from lensfit.fitters.laplace import laplace_of_solved
from lensfit.fitters.lm import Point, System
from lensfit.fitters.result import Clock, FitResult, result_of
from lensfit.problem import Problem
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Case, Found, Tell
from lensfit.staged.family import better, fit_family, judged, spread
from lensfit.staged.joint import Joint
from lensfit.staged.stages import Stages
from lensfit.staged.trust import GAIN, check_fit, check_search
from lensfit.terms import LeastSquares, Term
from lensfit.verdict import Trust

MORE = 10
"""How often a descent that still lowers chi2 goes on, 20 steps at a time."""
EDGE = -3.0
"""Widths from the middle of its prior where an amplitude that came out at zero is put, if it is sampled."""


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
        case = Case.of(solve_amplitudes(problem.model), problem.likelihood)
        joint = Joint.of(case)
        stages = Stages.of(problem.likelihood)
        tell = _teller(problem, case.space, progress)
        found = stages.run(case, np.random.default_rng(seed), tell)
        tell("search, other seed", float(found.point.chi2), 0.7, found.point)
        again = stages.search_again(case, joint, found.theta, np.random.default_rng([seed, 1]))
        found, other = _better(found, stages.finish(case, joint, again))
        if not np.isfinite(float(found.point.objective)):
            raise FitError("no finite chi2 was found: the model does not give finite brightness anywhere near the data")
        end, system, gain = _settled(joint, problem.likelihood, found.point)
        theta, notes = _in_problem(problem, case.space, end)
        progress("neighbouring models", float(end.chi2), 0.8, "", theta)
        variants = fit_family(joint, problem.likelihood, end, stages.seconds, stages.easing)
        progress("errors and trust", float(end.chi2), 0.95)
        best = np.asarray(end.theta)
        numbers = case.space.build(best).filled(end.amplitudes)  # pyright: ignore[reportArgumentType]
        evidence = stages.gather(problem.likelihood, numbers, end)
        checks = check_fit(case.space, case.roles, best, evidence, gain)
        checks += stages.check_residual(problem.likelihood, end)
        checks += check_search(case.roles, best, found.basins, other)
        variants = judged(variants, stages.excess(evidence, float(end.chi2)))
        checks += stages.check_family(case.roles, tuple(v for v in variants if v.counts))
        result = result_of(
            problem,
            theta,
            fitter="staged",
            clock=clock,
            converged=gain < GAIN,
            evaluations=case.tally.evaluations,
            gradients=case.tally.gradients,
            curvature=laplace_of_solved(problem, case.space, theta, end, system),
            notes=notes + better(variants),
            spread=spread(problem.names, variants),
            variants=variants,
            trust=Trust(tuple(checks)),
        )
        progress("done", result.chi2, 1.0)
        return result


def _teller(problem: Problem, space: Space, progress: Progress) -> Tell:
    """The progress of a problem as the stages know it, whose points are of the space where all is solved."""

    def tell(stage: str, chi2: float, share: float, point: Point | None) -> None:
        progress(stage, chi2, share, "", None if point is None else _in_problem(problem, space, point)[0])

    return tell


def _better(found: Found, second: Found) -> tuple[Found, np.ndarray]:
    """The better of the fit and the end of another search, and the theta that the other one ended at."""
    if float(second.point.objective) < float(found.point.objective) - 1:
        return second, found.theta
    return found, second.theta


def _settled(joint: Joint, likelihood: Any, point: Point) -> tuple[Point, System, float]:
    """The end of the descent, its exact system, and by how much the last steps still lowered chi2 + |z|^2."""
    for k in range(MORE):
        end, system = joint.settle(likelihood, np.asarray(point.theta), 20 if k else 10, 1e-3)
        gain = float(point.objective) - float(end.objective)
        if gain < GAIN:
            break
        point = end
    return end, system, gain


def _in_problem(problem: Problem, space: Space, point: Point) -> tuple[np.ndarray, tuple[str, ...]]:
    """theta of the problem, which samples some of the amplitudes that were solved, and notes.

    Those that came out at zero are put just inside their priors.
    """
    every = [p.name for p in space.parameters + space.amplitudes]
    value = dict(zip(every, np.concatenate([point.theta, point.amplitudes]), strict=True))
    theta = np.array([value[name] for name in problem.names])
    zero = np.array([p.role == "amplitude" for p in problem.space.parameters]) & (theta <= 0)
    if not zero.any():
        return theta, ()
    names = ", ".join(name for name, is_zero in zip(problem.names, zero, strict=True) if is_zero)
    edge = np.asarray(problem.to_theta(np.full(problem.ndim, EDGE)))
    return np.where(zero, edge, theta), (f"solved to zero and put at the lower end of the prior: {names}",)
