"""Coordinates that follow the ridge of a posterior: straight where it is a normal distribution, bent where it is not.

Along a direction that the data tell little of, the directions that they tell well move as the square of the way: a
source shrinks and shifts with the slope of the mass, by many times the error of its place. A normal distribution, and
draws that are weighted, see the part of such a ridge that is straight, and take it for the whole.
"""
from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.base import State
from lensfit.fitters.laplace import height
from lensfit.fitters.optimum import Optimum, equations_at, height_of
from lensfit.problem import Problem
from lensfit.pytree import pytree
from lensfit.terms import LeastSquares

ALONG = 4
"""Directions, the widest ones of the posterior against its prior, along which the others bend."""
STEP, SIDES = 0.5, (1.0, -1.0)
"""Where a bend is measured, in standard deviations to both sides of the optimum."""
SPARED = 0.5
"""Share of what ln posterior falls by on the straight way, beyond that of a normal distribution, that a bend which is
kept spares."""


@pytree
class Bent:
    """z = middle + factor (u + bend), with bend_k = sum_ij u_i u_j bends_ijk / 2 over those of the first K coordinates
    that come before k: so the volume is that of `factor` everywhere.

    middle: (n,). factor: (n, n), its product with its transpose the covariance; its columns are the axes of that, the
    widest first. bends: (K, K, n). evaluations: of ln posterior with its slope that making it took.
    """

    middle: Any
    factor: Any
    bends: Any
    evaluations: int = 0

    @classmethod
    def at(cls, problem: Problem, peak: Optimum) -> Bent:
        """About an optimum, from slopes of ln posterior beside it.

        Where -C is the inverse of its second derivatives and T its third ones, ln posterior is highest beside the way
        u along v at z = u v + u^2 C T(v, v) / 2. A bend is kept if ln posterior on it is higher: at a cusp of the
        density slopes say nothing of a ridge.

        Raises:
            FitError: the covariance is none, in double precision.
        """
        variances, axes = np.linalg.eigh(peak.covariance)
        if not variances[0] > 0:
            raise FitError("the errors at the optimum differ by more than double precision can tell apart: narrow the "
                           "priors of what the data do not tell")  # fmt: skip
        count, unit = min(ALONG, problem.ndim - 1), np.eye(problem.ndim)
        bent = cls(middle=peak.z, factor=(axes * np.sqrt(variances))[:, ::-1],
                   bends=np.zeros((count, count, problem.ndim)), evaluations=1)  # fmt: skip
        here, alone = bent.factor.T @ _at(problem, peak.z)[1], np.zeros((count, problem.ndim))
        for i in range(count):
            for j in range(i, -1, -1):
                way = unit[i] if i == j else (unit[i] + unit[j]) / np.sqrt(2)
                ends = [peak.z + bent.factor @ (side * STEP * way) for side in SIDES]
                bend = (sum(bent.factor.T @ _at(problem, z)[1] for z in ends) - 2 * here) / STEP**2
                if i == j:
                    alone[i] = bend
                else:
                    bend = bend - 0.5 * (alone[i] + alone[j])
                bent = dataclasses.replace(bent, evaluations=bent.evaluations + len(ends))
                bent = bent._with(problem, i, j, bend, way, peak.log_posterior)
        return bent

    def _with(self, problem: Problem, i: int, j: int, bend: np.ndarray, way: np.ndarray, top: float) -> Bent:
        """With another bend (n,) between the axes i and j <= i, if ln posterior is higher on the way then, and falls
        from `top` more nearly as that of a normal distribution."""
        bends = self.bends.copy()
        bends[i, j, i + 1 :] = bends[j, i, i + 1 :] = bend[i + 1 :]
        tried = dataclasses.replace(self, bends=bends)
        near, before = (one._height(problem, STEP * way) for one in (tried, self))
        far, far_before = (one._height(problem, way) for one in (tried, self))
        normal = top - 0.5 * STEP**2
        kept = near > before and far > far_before and normal - near < (1 - SPARED) * (normal - before)
        return dataclasses.replace(tried if kept else self, evaluations=self.evaluations + 4 * len(SIDES))

    def _height(self, problem: Problem, u: np.ndarray) -> float:
        """Mean ln posterior of u and -u."""
        return float(np.mean([_at(problem, np.asarray(self(side * u)))[0] for side in SIDES]))

    def __call__(self, u: Any) -> Any:
        """z (..., n) of coordinates u (..., n)."""
        along = u[..., : self.bends.shape[0]]
        bend = 0.5 * jnp.einsum("...i,...j,ijk->...k", along, along, self.bends)
        return self.middle + (u + bend) @ self.factor.T

    def state(self) -> State:
        """What a checkpoint keeps: draws in u mean nothing without it."""
        return {f"bent_{field.name}": np.asarray(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def loaded(cls, state: State) -> Bent:
        """As `state` gave it."""
        kept = {field.name: state[f"bent_{field.name}"] for field in dataclasses.fields(cls)}
        return cls(**kept | {"evaluations": int(kept["evaluations"])})

    @property
    def log_volume(self) -> float:
        """ln of the volume of z over that of u."""
        return float(np.linalg.slogdet(self.factor)[1])


def _at(problem: Problem, z: np.ndarray) -> tuple[float, np.ndarray]:
    """ln posterior and its slope (n,) at z (n,), by a program that finding the optimum has compiled; -inf where it is
    not a number."""
    space, likelihood = problem.space, problem.likelihood
    if isinstance(likelihood, LeastSquares):
        found = equations_at(problem, z)
        value, slope = height_of(found), -np.asarray(found.slope)[: problem.ndim]
    else:
        found = height(space, likelihood, jnp.asarray(z))
        value, slope = float(found.log_posterior), np.asarray(found.slope)
    return (value if np.isfinite(value) else -np.inf), slope
