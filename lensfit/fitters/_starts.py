"""Where fits begin: draws of the prior at which ln L is finite."""
from __future__ import annotations

import numpy as np

from lensfit.errors import FitError
from lensfit.problem import Problem

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
