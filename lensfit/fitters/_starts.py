"""Where fits begin: draws of the prior at which ln L is finite."""
from __future__ import annotations

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.laplace import laplace
from lensfit.problem import Problem

WIDTH = 0.02
TRIES = 20
"""Draws for each start that is wanted, before the fit is given up."""


def drawn(problem: Problem, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """z (count, n) of the prior with finite ln L, those ln L (count,), and how many were computed.

    Raises FitError where almost no draw has a finite ln L.
    """
    found, values, calls = np.zeros((0, problem.ndim)), np.zeros(0), 0
    while len(found) < count and calls < TRIES * count:
        z = rng.standard_normal((count - len(found), problem.ndim))
        log_l = np.asarray(problem.log_likelihood(problem.to_theta(z)))
        good = np.isfinite(log_l)
        found, values = np.concatenate([found, z[good]]), np.concatenate([values, log_l[good]])
        calls += len(z)
    if len(found) < count:
        raise FitError(f"ln L is finite at {len(found)} of {calls} draws of the prior; narrow the priors of "
                       f"{', '.join(problem.names)}, or give a start")
    return found, values, calls


def around(problem: Problem, rng: np.random.Generator, start: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """z (count, n) about theta (n,), as wide as the posterior's curvature says, and ln L calls it took.

    Where a problem has no gradient they are WIDTH of the prior wide.
    """
    center = np.asarray(problem.to_z(start))
    found, calls = np.zeros((0, problem.ndim)), 0
    while len(found) < count and calls < TRIES * count:
        missing = count - len(found)
        if problem.has_gradient:
            covariance = laplace(problem.space, problem.likelihood, start).covariance[: problem.ndim, : problem.ndim]
            z = np.asarray(problem.to_z(rng.multivariate_normal(start, covariance, missing)))
        else:
            z = center + WIDTH * rng.standard_normal((missing, problem.ndim))
        z = z[np.isfinite(z).all(1)]
        good = np.isfinite(np.asarray(problem.log_likelihood(problem.to_theta(z)))) if len(z) else np.zeros(0, bool)
        found = np.concatenate([found, z[good]])
        calls += missing
    if len(found) < count:
        raise FitError("the posterior about the start reaches out of the prior; give a start further inside")
    return found, calls
