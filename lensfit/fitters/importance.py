"""Posterior by importance sampling about the optimum, with Pareto-smoothed weights and the evidence.

Proposals are multivariate t distributions of coordinates u that follow the ridge of the posterior (`bent`).
"""
from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from scipy.special import gammaln, logsumexp

from lensfit.errors import FitError
from lensfit.fitters.base import Checkpoint, Progress, State, at_least
from lensfit.fitters.bent import Bent
from lensfit.fitters.calls import drawable, log_normal, refuse_undefined
from lensfit.fitters.diagnostics import Diagnostics, kish, smooth
from lensfit.fitters.optimum import Optimum, optimum
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.problem import Problem
from lensfit.terms import Term
from lensfit.verdict import Check, Trust
from lensfit.words import counted

FIRST = 1000
"""Draws from a new proposal before it is judged, by them alone: those before it have been used to choose it."""
PROPOSALS = 20
"""Proposals tried before the posterior is given up on."""
LARGEST_K = 0.7
"""Pareto k above which weights are not to be used, however many (Vehtari et al. 2024)."""
POOR = 0.1
"""Effective samples per draw below which the proposal is changed although it can be used."""
CAUTION = 2.0
"""Effective samples per parameter at which weighted moments count as much as the proposal before."""
BLOCK = 250
"""Draws whose ln L are computed in one call."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Multivariate t distribution of u: mean (n,), scale matrix (n, n), degrees of freedom."""

    mean: np.ndarray
    scale: np.ndarray
    degrees: float

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, n) draws."""
        normal = rng.standard_normal((count, len(self.mean)))
        stretch = np.sqrt(self.degrees / rng.chisquare(self.degrees, (count, 1)))
        return self.mean + stretch * normal @ np.linalg.cholesky(self.scale).T

    def log_density(self, u: np.ndarray) -> np.ndarray:
        """ln q (S,) at u (S, n)."""
        n, degrees = len(self.mean), self.degrees
        factor = np.linalg.cholesky(self.scale)
        distance = np.sum(np.linalg.solve(factor, (u - self.mean).T) ** 2, axis=0)
        norm = gammaln((degrees + n) / 2) - gammaln(degrees / 2) - 0.5 * n * np.log(degrees * np.pi)
        return norm - np.sum(np.log(np.diag(factor))) - 0.5 * (degrees + n) * np.log1p(distance / degrees)


@dataclasses.dataclass(frozen=True)
class Draws:
    """Draws u (S, n) with ln of their density in u (S,): `counts[p]` of them from, or planned from, `proposals[p]`."""

    proposals: tuple[Proposal, ...]
    counts: tuple[int, ...]
    u: np.ndarray
    log_posterior: np.ndarray

    @classmethod
    def planned(cls, first: Proposal, count: int) -> Draws:
        """Nothing drawn yet."""
        return cls((first,), (count,), np.zeros((0, len(first.mean))), np.zeros(0))

    @classmethod
    def loaded(cls, state: State, degrees: float) -> Draws:
        """As `state` gave them."""
        proposals = [Proposal(m, s, degrees) for m, s in zip(state["means"], state["scales"], strict=True)]
        return cls(tuple(proposals), tuple(map(int, state["counts"])), state["u"], state["log_posterior"])

    def state(self) -> State:
        """What it takes to go on."""
        return {
            "means": np.array([p.mean for p in self.proposals]),
            "scales": np.array([p.scale for p in self.proposals]),
            "counts": np.array(self.counts),
            "u": self.u,
            "log_posterior": self.log_posterior,
        }

    @property
    def complete(self) -> bool:
        """Whether all that was planned is drawn."""
        return len(self.u) >= sum(self.counts)

    def more(self, problem: Problem, bent: Bent, seed: int) -> Draws:
        """With one block more from the last proposal. Raises FitError where ln L is NaN or infinite."""
        u = self.proposals[-1].draw(np.random.default_rng([seed, len(self.u)]), BLOCK)
        z = np.asarray(bent(u))
        found = np.asarray(problem.log_posterior(z))
        near = np.array([drawable(one) for one in z])  # no prior draws what is farther, where bends may lead
        refuse_undefined(problem.names, z[near], found[near], problem.to_theta)
        found = np.where(near, found, -np.inf)
        return dataclasses.replace(
            self, u=np.concatenate([self.u, u]),
            log_posterior=np.concatenate([self.log_posterior, found + bent.log_volume]),
        )  # fmt: skip

    @property
    def last(self) -> Draws:
        """Those of the last proposal alone."""
        skipped = sum(self.counts[:-1])
        return Draws(self.proposals[-1:], self.counts[-1:], self.u[skipped:], self.log_posterior[skipped:])

    def log_weights(self) -> np.ndarray:
        """ln weights (S,) against the mixture that the draws come from: their mean is the evidence."""
        shares = np.log(np.array(self.counts) / sum(self.counts))
        densities = np.array([p.log_density(self.u) for p in self.proposals])
        return self.log_posterior - logsumexp(densities + shares[:, None], axis=0)


@dataclasses.dataclass(frozen=True)
class Weighted:
    """Draws as samples of the posterior: weights (S,) that sum to 1, Pareto k, evidence and its error."""

    weights: np.ndarray
    k: float
    effective: float
    log_evidence: float
    log_evidence_error: float

    @classmethod
    def of(cls, draws: Draws) -> Weighted:
        """Smooth the weights of the draws."""
        logs, k = smooth(draws.log_weights())
        total = logsumexp(logs)
        weights = np.exp(logs - total)
        worth, count = kish(weights), len(logs)
        return cls(weights, k, worth, float(total - np.log(count)), float(np.sqrt(1 / worth - 1 / count)))

    @property
    def limit(self) -> float:
        """k up to which the weights of so many draws can be used (Vehtari et al. 2024, sect. 3.2.4)."""
        return min(1 - 1 / np.log10(len(self.weights)), LARGEST_K)

    @property
    def usable(self) -> bool:
        """Whether estimates with these weights can be relied upon."""
        return self.k <= self.limit


@dataclasses.dataclass(frozen=True)
class Importance:
    """Draws from a multivariate t distribution about the optimum, weighted by the posterior.

    effective_samples: what the weighted draws are to be worth (Kish). draws: most draws.
    degrees_of_freedom: of the t distribution; the fewer, the heavier its tails.

    Needs a start at or near an optimum, and sees the one mode that it lies in.
    """

    effective_samples: int = 1000
    draws: int = 40_000
    degrees_of_freedom: float = 8.0
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = True
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Sample the posterior. Raises FitError without a start or an optimum, and where k stays above the limit."""
        at_least(self, effective_samples=1, draws=FIRST, degrees_of_freedom=2.5)
        if start is None:
            raise FitError(
                "importance samples about an optimum and does not search for one: give it the result of another "
                "fitter, as in fit(problem, 'importance', start=fit(problem))"
            )
        clock = Clock.start()
        progress("optimum", np.nan, 0.0)
        peak = optimum(problem, start)
        first = Proposal(np.zeros(problem.ndim), np.eye(problem.ndim), self.degrees_of_freedom)
        kept = checkpoint.load()
        bent = Bent.at(problem, peak) if kept is None else Bent.loaded(kept)
        draws = Draws.planned(first, FIRST) if kept is None else Draws.loaded(kept, self.degrees_of_freedom)
        reached = 0.0

        def tell() -> None:
            share = min(reached / self.effective_samples, 0.99)
            progress("importance", np.nan, share, f"{len(draws.u)} draws, {reached:.0f} effective", peak.theta)

        while True:
            while not draws.complete:
                draws = draws.more(problem, bent, seed)
                checkpoint.offer(lambda draws=draws: draws.state() | bent.state())
                tell()
            weighted = Weighted.of(draws.last)
            reached = weighted.effective
            tell()
            planned = self._plan(draws, weighted)
            if planned is draws:
                return self._result(problem, peak, bent, draws, weighted, clock)
            draws = planned

    def _plan(self, draws: Draws, weighted: Weighted) -> Draws:
        """The draws with more of them planned, from the same proposal or a better one; the same when all is done."""
        count = draws.counts[-1]
        left = (self.draws - len(draws.u)) // BLOCK * BLOCK
        if left == 0 or (weighted.usable and weighted.effective >= self.effective_samples):
            return draws
        if weighted.usable and weighted.effective > POOR * count:
            wanted = (self.effective_samples - weighted.effective) * count / weighted.effective
            more = min(BLOCK * int(np.ceil(wanted / BLOCK)), left)
            return dataclasses.replace(draws, counts=(*draws.counts[:-1], draws.counts[-1] + more))
        if len(draws.proposals) == PROPOSALS:
            return draws
        proposals = (*draws.proposals, _adapted(draws))
        return dataclasses.replace(draws, proposals=proposals, counts=(*draws.counts, min(FIRST, left)))

    def _result(
        self, problem: Problem, peak: Optimum, bent: Bent, draws: Draws, weighted: Weighted, clock: Clock
    ) -> FitResult:
        last, k = draws.last, weighted.k
        z = np.asarray(bent(last.u))
        if not weighted.usable:
            raise FitError(
                f"importance: Pareto k is {k:.2f} for the last of {len(draws.proposals)} proposals, after "
                f"{len(draws.u)} draws in all (at most {weighted.limit:.2f}): the posterior is too far from a normal "
                "distribution for weighted draws. Run nuts from the same start: fit(problem, 'nuts', start=...)"
            )
        enough = weighted.effective >= self.effective_samples
        worth = f"{weighted.effective:.0f} effective samples of {counted(len(last.u), 'draw')}"
        finding = f"Pareto k of the weights is {k:.2f} (at most {weighted.limit:.2f}); {worth}"
        short = () if enough else (f"{worth}, {self.effective_samples} asked: raise draws, or run nuts",)
        return result_of(
            problem,
            peak.theta,
            fitter="importance",
            clock=clock,
            converged=enough,
            evaluations=peak.evaluations + bent.evaluations + len(draws.u),
            gradients=peak.evaluations + bent.evaluations,
            samples=Samples(
                theta=np.asarray(problem.to_theta(z)),
                weights=weighted.weights,
                log_likelihoods=last.log_posterior - bent.log_volume - log_normal(z),
                log_evidence=weighted.log_evidence,
                log_evidence_error=weighted.log_evidence_error,
                diagnostics=Diagnostics(effective_samples=weighted.effective, pareto_k=k),
            ),
            notes=(*peak.notes, *short),
            trust=Trust((Check.of("importance weights", enough, finding),)),
        )


def _adapted(draws: Draws) -> Proposal:
    """A proposal of the moments of all draws, as far as effective samples tell them, else of the one before."""
    weighted, last = Weighted.of(draws), draws.proposals[-1]
    weights = weighted.weights
    share = weighted.effective / (weighted.effective + CAUTION * len(last.mean))
    mean = weights @ draws.u
    apart = draws.u - mean
    scale = share * (weights[:, None] * apart).T @ apart + (1 - share) * last.scale
    return Proposal(share * mean + (1 - share) * last.mean, scale, last.degrees)
