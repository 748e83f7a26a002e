"""The density of a problem as samplers call it: counted, NaN told."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.errors import FitError
from lensfit.problem import Problem


class Calls:
    """A density of one point (n,) or many (B, n), the number of points it was asked for so far, and the best one (n,).

    Raises FitError where it is NaN: a sampler would take that for a very unlikely point.
    """

    def __init__(self, problem: Problem, density: Callable[[Any], Any], count: int = 0) -> None:
        self.problem, self.density, self.count = problem, density, count
        self.best: np.ndarray | None = None
        self.highest = -np.inf

    def __call__(self, points: np.ndarray) -> Any:
        """ln density: a float for one point, (B,) for many."""
        values = np.asarray(self.density(points))
        self.count += values.size
        if np.isnan(values).any():
            raise FitError(f"ln L is NaN at {self._told(np.atleast_2d(points)[np.isnan(np.atleast_1d(values))][0])}; "
                           "narrow the priors to where the model is defined")
        self._remember(np.atleast_2d(points), np.atleast_1d(values))
        return float(values) if values.ndim == 0 else values

    def _remember(self, points: np.ndarray, values: np.ndarray) -> None:
        k = int(np.argmax(values))
        if values[k] > self.highest:
            self.best, self.highest = np.array(points[k]), float(values[k])

    def _told(self, point: np.ndarray) -> str:
        theta = point if self.density == self.problem.log_likelihood else np.asarray(self.problem.to_theta(point))
        return place(self.problem, theta)


def place(problem: Problem, theta: np.ndarray) -> str:
    """theta (n,) as an error tells it: every parameter with its value."""
    return ", ".join(f"{name} = {value:.6g}" for name, value in zip(problem.names, theta, strict=True))


def log_normal(z: np.ndarray) -> np.ndarray:
    """ln N(z) of (..., n)."""
    return -0.5 * np.sum(z * z + np.log(2 * np.pi), axis=-1)
