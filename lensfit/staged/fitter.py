"""The staged fitter as others see it: from a problem to a result with errors, spread and trust."""
from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.fitters._base import FitResult, Progress, Trust
from lensfit.fitters.laplace import Laplace, laplace
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.family import fit_family, spread
from lensfit.staged.joint import descend_all
from lensfit.staged.pipeline import Found, Levels, finish, run_stages, search_again
from lensfit.staged.roles import Roles
from lensfit.staged.trust import GAIN, check_fit, check_search, gather

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

    def run(self, problem: Problem, *, seed: int, progress: Progress) -> FitResult:
        """Fit the problem. Raises FitError if the model cannot be staged or no finite fit is found."""
        clock, cpu = time.perf_counter(), time.process_time()
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
        optimum = laplace(space, likelihood, found.theta)
        numbers = space.build(jnp.asarray(found.theta)).filled(jnp.asarray(optimum.amplitudes))
        checks = check_fit(space, roles, found.theta, gather(likelihood, numbers), gain)
        checks += check_search(roles, found.theta, found.basins, other)
        result = _result(problem, space, found, optimum, numbers)
        progress("done", float(found.point.chi2), 1.0)
        return dataclasses.replace(
            result,
            spread=spread(problem.names, variants),
            variants=variants,
            converged=gain < GAIN,
            trust=Trust(tuple(checks)),
            seconds=time.perf_counter() - clock,
            cpu_seconds=time.process_time() - cpu,
        )


def _better(
    space: Space, levels: Levels, roles: Roles, found: Found, again: list[Any]
) -> tuple[Found, np.ndarray]:
    """The better of the fit and the end of another search, and the theta that the other one ended at."""
    second = finish(space, levels, roles, again)
    if float(second.point.objective) < float(found.point.objective) - 1:
        return second, found.theta
    return found, second.theta


def _go_on(space: Space, likelihood: Any, found: Found) -> tuple[Found, float]:
    """The fit after more steps, until some lower chi2 + |z|^2 by less than GAIN; and what the last ones did."""
    gain = np.inf
    for _ in range(MORE):
        point = descend_all(space, likelihood, found.theta, 20, 1e-3)
        gain = float(found.point.objective) - float(point.objective)
        found = Found(point, np.asarray(point.theta), found.basins)
        if gain < GAIN:
            break
    return found, gain


def _result(problem: Problem, space: Space, found: Found, optimum: Laplace, model: LensModel) -> FitResult:
    """The result in the parameters of the problem, of which some amplitudes were solved."""
    every = [p.name for p in space.parameters + space.amplitudes]
    value = dict(zip(every, np.concatenate([found.theta, optimum.amplitudes]), strict=True))
    place = {name: k for k, name in enumerate(every)}
    names, amplitudes = problem.names, tuple(p.name for p in problem.space.amplitudes)
    theta = _inside(problem, np.array([value[name] for name in names]))
    chosen = [place[name] for name in names]
    solved = [place[name] for name in amplitudes]
    deviation = np.sqrt(np.diag(optimum.covariance))
    z = np.asarray(problem.to_z(theta))
    chi2 = float(np.sum(np.asarray(problem.residuals(theta)) ** 2))
    log_likelihood = float(problem.likelihood.log_norm) - 0.5 * chi2
    return FitResult(
        fitter="staged",
        names=names,
        units=tuple(p.unit for p in problem.space.parameters),
        symbols=tuple(p.symbol for p in problem.space.parameters),
        theta=theta,
        errors=deviation[chosen],
        covariance=optimum.covariance[np.ix_(chosen, chosen)],
        amplitude_names=amplitudes,
        amplitudes=optimum.amplitudes[[k - space.ndim for k in solved]],
        amplitude_errors=deviation[solved],
        spread=np.full(len(names), np.nan),
        variants=(),
        model=model,
        log_likelihood=log_likelihood,
        log_posterior=log_likelihood - 0.5 * float(z @ z) - 0.5 * problem.ndim * np.log(2 * np.pi),
        chi2=chi2,
        data_count=int(np.count_nonzero(problem.likelihood.inverse_noise)),
        evaluations=None,
        gradients=None,
        seconds=0.0,
        cpu_seconds=0.0,
        converged=False,
        trust=Trust(),
    )


def _inside(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """theta with amplitudes that were solved to zero moved just inside their priors."""
    zero = np.array([p.role == "amplitude" for p in problem.space.parameters]) & (theta <= 0)
    if not zero.any():
        return theta
    edge = np.asarray(problem.to_theta(np.full(problem.ndim, EDGE)))
    return np.where(zero, edge, theta)
