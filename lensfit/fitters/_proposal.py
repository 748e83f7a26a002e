"""Draws from one multivariate t distribution after another, and their weights."""
from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import gammaln, logsumexp

from lensfit.errors import FitError
from lensfit.fitters._base import State
from lensfit.fitters._calls import place
from lensfit.problem import Problem

BLOCK = 250
"""Draws whose ln L are computed in one call."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Multivariate t distribution of z: mean (n,), scale matrix (n, n), degrees of freedom."""

    mean: np.ndarray
    scale: np.ndarray
    degrees: float

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, n) draws."""
        normal = rng.standard_normal((count, len(self.mean)))
        stretch = np.sqrt(self.degrees / rng.chisquare(self.degrees, (count, 1)))
        return self.mean + stretch * normal @ np.linalg.cholesky(self.scale).T

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """ln q (S,) at z (S, n)."""
        n, degrees = len(self.mean), self.degrees
        factor = np.linalg.cholesky(self.scale)
        distance = np.sum(np.linalg.solve(factor, (z - self.mean).T) ** 2, axis=0)
        norm = gammaln((degrees + n) / 2) - gammaln(degrees / 2) - 0.5 * n * np.log(degrees * np.pi)
        return norm - np.sum(np.log(np.diag(factor))) - 0.5 * (degrees + n) * np.log1p(distance / degrees)


@dataclasses.dataclass(frozen=True)
class Draws:
    """Draws z (S, n) with their ln posterior (S,): `counts[p]` of them from, or planned from, `proposals[p]`."""

    proposals: tuple[Proposal, ...]
    counts: tuple[int, ...]
    z: np.ndarray
    log_posterior: np.ndarray

    @classmethod
    def planned(cls, first: Proposal, count: int) -> Draws:
        """Nothing drawn yet."""
        return cls((first,), (count,), np.zeros((0, len(first.mean))), np.zeros(0))

    @classmethod
    def loaded(cls, state: State, degrees: float) -> Draws:
        """As `state` gave them."""
        proposals = [Proposal(m, s, degrees) for m, s in zip(state["means"], state["scales"], strict=True)]
        return cls(tuple(proposals), tuple(map(int, state["counts"])), state["z"], state["log_posterior"])

    def state(self) -> State:
        """What it takes to go on."""
        return {
            "means": np.array([p.mean for p in self.proposals]),
            "scales": np.array([p.scale for p in self.proposals]),
            "counts": np.array(self.counts),
            "z": self.z,
            "log_posterior": self.log_posterior,
        }

    @property
    def complete(self) -> bool:
        """Whether all that was planned is drawn."""
        return len(self.z) >= sum(self.counts)

    def more(self, problem: Problem, seed: int) -> Draws:
        """With one block more from the last proposal. Raises FitError where ln L is NaN or infinite."""
        z = self.proposals[-1].draw(np.random.default_rng([seed, len(self.z)]), BLOCK)
        found = np.asarray(problem.log_posterior(z))
        bad = np.isnan(found) | (found == np.inf)
        if bad.any():
            where = place(problem, np.asarray(problem.to_theta(z[np.argmax(bad)])))
            raise FitError(f"ln L is not a number at {where}; narrow the prior that lets the model go there")
        return dataclasses.replace(
            self, z=np.concatenate([self.z, z]), log_posterior=np.concatenate([self.log_posterior, found])
        )

    @property
    def last(self) -> Draws:
        """Those of the last proposal alone."""
        skipped = sum(self.counts[:-1])
        return Draws(self.proposals[-1:], self.counts[-1:], self.z[skipped:], self.log_posterior[skipped:])

    def log_weights(self) -> np.ndarray:
        """ln weights (S,) against the mixture that the draws come from: their mean is the evidence."""
        shares = np.log(np.array(self.counts) / sum(self.counts))
        densities = np.array([p.log_density(self.z) for p in self.proposals])
        return self.log_posterior - logsumexp(densities + shares[:, None], axis=0)
