"""The staged fitter as others see it: from a problem to a result with errors, spread and trust."""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters._base import FitResult, Progress, Trust
from lensfit.fitters._result import Clock, result_of
from lensfit.problem import Problem
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.family import fit_family, spread
from lensfit.staged.joint import descend_all
from lensfit.staged.pipeline import Found, Levels, finish, run_stages, search_again
from lensfit.staged.roles import Roles
from lensfit.staged.trust import GAIN, check_fit, check_search, gather

EDGE = -3.0
"""Widths from the middle of its prior where an amplitude that came out at zero is put, if it is sampled."""


@dataclasses.dataclass(frozen=True)
class Staged:
    """Global fit of light, mass and source from the data and the priors alone.

    Every free amplitude is solved exactly and non-negatively on the way; one that the problem samples takes
    its solved value in the result.
    """

    def run(self, problem: Problem, *, seed: int, progress: Progress) -> FitResult:
        """Fit the problem. Raises FitError if the model cannot be staged or no finite fit is found."""
        clock = Clock.start()
        model = solve_amplitudes(problem.model)
        space, likelihood = Space.of(model), problem.likelihood
        roles = Roles.of(space)
        levels = Levels.of(likelihood)
        found = run_stages(space, levels, roles, np.random.default_rng(seed), progress)
        progress("search, other seed", float(found.point.chi2), 0.7)
        again = search_again(space, levels, roles, found.theta, np.random.default_rng([seed, 1]))
        found, other = _better(space, levels, roles, found, again)
        found, gain = _go_on(space, likelihood, found)
        if not np.isfinite(float(found.point.chi2)):
            raise FitError("no finite chi2 was found: the model does not give finite brightness anywhere near the data")
        progress("neighbouring models", float(found.point.chi2), 0.8)
        variants = fit_family(space, model, likelihood, found.point)
        progress("errors and trust", float(found.point.chi2), 0.95)
        amplitudes = np.asarray(found.point.amplitudes)
        numbers = space.build(found.point.theta).filled(found.point.amplitudes)
        checks = check_fit(space, roles, found.theta, gather(likelihood, numbers), gain)
        checks += check_search(roles, found.theta, found.basins, other)
        theta, zero = _in_problem(problem, space, found.theta, amplitudes)
        result = result_of(
            problem,
            theta,
            fitter="staged",
            clock=clock,
            converged=gain < GAIN,
            evaluations=None,
            gradients=None,
            spread=spread(problem.names, variants),
            variants=variants,
            trust=Trust(tuple(checks)),
        )
        progress("done", result.chi2, 1.0)
        return _unknown(result, zero)


def _better(
    space: Space, levels: Levels, roles: Roles, found: Found, again: list[Any]
) -> tuple[Found, np.ndarray]:
    """The better of the fit and the end of another search, and the theta that the other one ended at."""
    second = finish(space, levels, roles, again)
    if float(second.point.objective) < float(found.point.objective) - 1:
        return second, found.theta
    return found, second.theta


def _go_on(space: Space, likelihood: Any, found: Found) -> tuple[Found, float]:
    """The fit after a few more steps, and how much they lowered chi2 + |z|^2."""
    point = descend_all(space, likelihood, found.theta, 10, 1e-3)
    gain = float(found.point.objective) - float(point.objective)
    return Found(point, np.asarray(point.theta), found.basins), gain


def _in_problem(
    problem: Problem, space: Space, theta: np.ndarray, amplitudes: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """theta of the problem, which samples some of the amplitudes that were solved, and which came out at zero.

    Those are moved just inside their priors.
    """
    every = [p.name for p in space.parameters + space.amplitudes]
    value = dict(zip(every, np.concatenate([theta, amplitudes]), strict=True))
    mine = np.array([value[name] for name in problem.names])
    zero = np.array([p.role == "amplitude" for p in problem.space.parameters]) & (mine <= 0)
    if zero.any():
        mine = np.where(zero, np.asarray(problem.to_theta(np.full(problem.ndim, EDGE))), mine)
    return mine, [name for name, is_zero in zip(problem.names, zero, strict=True) if is_zero]


def _unknown(result: FitResult, zero: list[str]) -> FitResult:
    """The result without errors for parameters that stand at zero, where the curvature says nothing of them."""
    if not zero:
        return result
    held = np.isin(result.names, zero)
    covariance = np.where(held | held[:, None], np.nan, result.covariance)
    note = f"solved to zero and put at the lower end of its prior: {', '.join(zero)}"
    errors = np.sqrt(np.diag(covariance))
    return dataclasses.replace(result, covariance=covariance, errors=errors, notes=(*result.notes, note))
