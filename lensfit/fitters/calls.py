"""The density of a problem as fitters call it, counted and with NaN told, and the points where they begin."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.laplace import laplace
from lensfit.problem import Problem

FARTHEST = 8.0
"""Widths of the prior beyond which no draw of it lies: what a step meets out there is no fault of the model."""
WIDTH = 0.02
"""Widths of the prior within which points begin about a start, where no curvature is known."""
TRIES = 20
"""Draws for each start that is wanted, before the fit is given up."""


class Calls:
    """A density of one point (n,) or many (B, n), the number of points it was asked for so far, and the best one (n,).

    Raises FitError where it is NaN or +inf: a sampler would take the one for a very unlikely point, and stay at the
    other for ever.
    """

    def __init__(self, problem: Problem, density: Callable[[Any], Any], count: int = 0) -> None:
        self.problem, self.density, self.count = problem, density, count
        self.best: np.ndarray | None = None
        self.highest = -np.inf

    def __call__(self, points: np.ndarray) -> Any:
        """ln density: a float for one point, (B,) for many."""
        values = np.asarray(self.density(points))
        self.count += values.size
        refuse_undefined(self.problem.names, np.atleast_2d(points), np.atleast_1d(values), self._theta)
        self._remember(np.atleast_2d(points), np.atleast_1d(values))
        return float(values) if values.ndim == 0 else values

    def _remember(self, points: np.ndarray, values: np.ndarray) -> None:
        k = int(np.argmax(values))
        if values[k] > self.highest:
            self.best, self.highest = np.array(points[k]), float(values[k])

    def _theta(self, point: np.ndarray) -> Any:
        return point if self.density == self.problem.log_likelihood else self.problem.to_theta(point)


def place(names: tuple[str, ...], theta: Any) -> str:
    """theta (n,) as an error tells it: every parameter with its value."""
    return ", ".join(f"{name} = {value:.6g}" for name, value in zip(names, np.asarray(theta), strict=True))


def undefined(names: tuple[str, ...], theta: Any, what: str = "ln L is NaN") -> FitError:
    """The error of a fit that met theta (n,), where `what` holds."""
    return FitError(f"{what} at {place(names, theta)}; narrow the priors to where the model is defined")


def refuse_undefined(
    names: tuple[str, ...], points: np.ndarray, values: np.ndarray, to_theta: Callable[[Any], Any]
) -> None:
    """Raise FitError, naming theta, where ln L (B,) of points (B, n) is NaN or +inf; -inf is only impossible."""
    bad = np.isnan(values) | (values == np.inf)
    if bad.any():
        first = int(np.argmax(bad))
        told = "ln L is NaN" if np.isnan(values[first]) else "ln L is infinite"
        raise undefined(names, to_theta(points[first]), told)


def drawable(z: Any) -> bool:
    """Whether z (n,) lies where the prior has draws, and a model therefore has to be defined."""
    return bool(np.all(np.abs(z) < FARTHEST))


def log_normal(z: np.ndarray) -> np.ndarray:
    """ln N(z) of (..., n)."""
    return -0.5 * np.sum(z * z + np.log(2 * np.pi), axis=-1)


def drawn(problem: Problem, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """z (count, n) of the prior with finite ln L, those ln L (count,), and how many were computed.

    Raises FitError where ln L is NaN at a draw, or -inf at almost all.
    """
    found, values, calls = np.zeros((0, problem.ndim)), np.zeros(0), 0
    while len(found) < count and calls < TRIES * count:
        z = rng.standard_normal((count - len(found), problem.ndim))
        log_l = np.asarray(problem.log_likelihood(problem.to_theta(z)))
        refuse_undefined(problem.names, z, log_l, problem.to_theta)
        good = np.isfinite(log_l)
        found, values = np.concatenate([found, z[good]]), np.concatenate([values, log_l[good]])
        calls += len(z)
    if len(found) < count:
        raise FitError(f"ln L is finite at {len(found)} of {calls} draws of the prior; narrow the priors of "
                       f"{', '.join(problem.names)}, or give a start")
    return found, values, calls


def around(problem: Problem, rng: np.random.Generator, start: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """z (count, n) about theta (n,), as wide as the posterior's curvature says, and ln L calls it took.

    Where a problem has no gradient they are WIDTH of the prior wide. Raises FitError where ln L is NaN at one.
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
        if len(z):
            log_l = np.asarray(problem.log_likelihood(problem.to_theta(z)))
            refuse_undefined(problem.names, z, log_l, problem.to_theta)
            found = np.concatenate([found, z[np.isfinite(log_l)]])
        calls += missing
    if len(found) < count:
        raise FitError("the posterior about the start reaches out of the prior; give a start further inside")
    return found, calls
