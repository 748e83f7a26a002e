"""Coordinates that follow the ridge of a posterior: straight where it is a normal distribution, bent where it is not.

Along a direction that the data tell little of, the directions that they tell well move as the square of the way: a
source shrinks and shifts with the slope of the mass, by many times the error of its place. A normal distribution, and
draws that are weighted, see the part of such a ridge that is straight, and take it for the whole.
"""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.fitters.laplace import height, normal_equations
from lensfit.fitters.optimum import Optimum
from lensfit.problem import Problem
from lensfit.pytree import pytree
from lensfit.terms import LeastSquares

ALONG = 5
"""Directions, the widest ones of the posterior against its prior, along which the others bend."""
STEP = 0.5
"""Step of the differences, in standard deviations."""


@pytree
class Bent:
    """z = middle + factor (u + bend), with bend_k = sum_ij u_i u_j bends_ijk / 2 over those of the first K coordinates
    that come before k: so the volume is that of `factor` everywhere.

    middle: (n,). factor: (n, n), its product with its transpose the covariance; its columns are the axes of that, the
    widest first. bends: (K, K, n).
    """

    middle: Any
    factor: Any
    bends: Any

    @classmethod
    def at(cls, problem: Problem, peak: Optimum) -> Bent:
        """About an optimum, from slopes of ln posterior beside it.

        Where -C is the inverse of its second derivatives and T its third ones, ln posterior is highest beside the way
        u along v at z = u v + u^2 C T(v, v) / 2.
        """
        variances, axes = np.linalg.eigh(peak.covariance)
        factor = (axes * np.sqrt(variances))[:, ::-1]
        count = min(ALONG, problem.ndim - 1)

        def slope(way: np.ndarray) -> np.ndarray:
            return factor.T @ _slope(problem, peak.z + factor @ way)

        here = slope(np.zeros(problem.ndim))

        def second(way: np.ndarray) -> np.ndarray:
            return (slope(STEP * way) + slope(-STEP * way) - 2 * here) / STEP**2

        unit = np.eye(problem.ndim)
        bends = np.zeros((count, count, problem.ndim))
        for i in range(count):
            bends[i, i] = second(unit[i])
        for i in range(count):
            for j in range(i):
                both = second((unit[i] + unit[j]) / np.sqrt(2))
                bends[i, j] = bends[j, i] = both - 0.5 * (bends[i, i] + bends[j, j])
        i, j, k = np.indices(bends.shape)
        bends[k <= np.maximum(i, j)] = 0.0
        return cls(middle=peak.z, factor=factor, bends=bends)

    def __call__(self, u: Any) -> Any:
        """z (..., n) of coordinates u (..., n)."""
        along = u[..., : self.bends.shape[0]]
        bend = 0.5 * jnp.einsum("...i,...j,ijk->...k", along, along, self.bends)
        return self.middle + (u + bend) @ self.factor.T

    @property
    def evaluations(self) -> int:
        """Slopes of ln posterior that making it took."""
        count = self.bends.shape[0]
        return 1 + count * (count + 1)

    @property
    def log_volume(self) -> float:
        """ln of the volume of z over that of u."""
        return float(np.linalg.slogdet(self.factor)[1])


def _slope(problem: Problem, z: np.ndarray) -> np.ndarray:
    """That of ln posterior (n,) at z (n,), by a program that finding the optimum has compiled."""
    space, likelihood = problem.space, problem.likelihood
    if isinstance(likelihood, LeastSquares):
        found = normal_equations(space, likelihood, jnp.asarray(problem.to_theta(z)))
        return -np.asarray(found.slope)[: problem.ndim]
    return np.asarray(height(space, likelihood, jnp.asarray(z)).slope)
