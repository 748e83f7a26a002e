"""Affine-invariant ensemble sampler of emcee."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import numpy as np

from lensfit.fitters.base import Checkpoint, Progress, State, at_least, one_of
from lensfit.fitters.calls import Calls, around, drawn, log_normal
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.problem import Problem
from lensfit.terms import Term

CHUNK = 50
"""Steps between two safe points."""
LONG = 50
"""Autocorrelation times that a chain must be long for its estimate to count, as emcee advises."""


@dataclasses.dataclass(frozen=True)
class Emcee:
    """Ensemble of walkers in z.

    nwalkers: at least twice the parameters, better four times. nsteps: most steps; it ends sooner where the
    chain is 50 autocorrelation times long. moves: "stretch", or "de", differential evolution, often better
    beyond ten parameters. Walkers begin about a start as wide as its curvature says, else in the prior; from
    there they seldom leave a wrong basin, so give a start.
    """

    nwalkers: int = 100
    nsteps: int = 5000
    moves: str = "stretch"
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = False
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("emcee",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Samples of the posterior."""
        at_least(self, nwalkers=2 * problem.ndim, nsteps=2)
        one_of(self, "moves", ("stretch", "de"))
        clock = Clock.start()
        density = Calls(problem, problem.log_posterior)
        sampler, state, chain, heights = self._begin(problem, density, seed, start, checkpoint.load())
        tau = self._autocorrelation(chain)
        while len(chain) < self.nsteps and len(chain) < LONG * tau:
            steps = list(self._steps(sampler, state, min(CHUNK, self.nsteps - len(chain))))
            state = steps[-1]
            chain = np.concatenate([chain, [step.coords for step in steps]])
            heights = np.concatenate([heights, [step.log_prob for step in steps]])
            tau = self._autocorrelation(chain)
            best = np.unravel_index(np.argmax(heights), heights.shape)
            note = (f"ln posterior {heights[best]:.7g}, acceptance {_acceptance(chain):.2f}, "
                    f"{chain[..., 0].size / tau:.0f} effective samples")
            progress("emcee", np.nan, len(chain) / self.nsteps, note, np.asarray(problem.to_theta(chain[best])))
            checkpoint.offer(partial(_state, state, chain, heights, density.count))
        return self._result(problem, chain, heights, tau, density.count, clock)

    def _begin(
        self, problem: Problem, density: Calls, seed: int, start: np.ndarray | None, kept: State | None
    ) -> tuple[Any, Any, np.ndarray, np.ndarray]:
        """The sampler, its state, and the chain (S, W, n) with its densities (S, W) so far."""
        import emcee

        moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)] if self.moves == "de" else None
        sampler = emcee.EnsembleSampler(self.nwalkers, problem.ndim, density, vectorize=True, moves=moves)
        if kept is not None:
            density.count = kept["count"]
            random = ("MT19937", kept["random_keys"], *kept["random_rest"])
            state = emcee.State(kept["coords"], log_prob=kept["log_prob"], random_state=random)
            return sampler, state, kept["chain"], kept["heights"]
        rng = np.random.default_rng(seed)
        if start is None:
            z, _, calls = drawn(problem, rng, self.nwalkers)
        else:
            z, calls = around(problem, rng, start, self.nwalkers)
        density.count = calls
        random = np.random.RandomState(rng.integers(2**32)).get_state()
        state = emcee.State(z, log_prob=density(z), random_state=random)
        return sampler, state, np.zeros((0, self.nwalkers, problem.ndim)), np.zeros((0, self.nwalkers))

    def _steps(self, sampler: Any, state: Any, count: int) -> Any:
        import emcee

        for now in sampler.sample(state, iterations=count, store=False, skip_initial_state_check=True):
            yield emcee.State(now, copy=True)

    def _autocorrelation(self, chain: np.ndarray) -> float:
        """The longest autocorrelation time of the parameters [steps], of the second half of the chain.

        Infinite where a walker did not move in it: emcee would divide by its variance.
        """
        import emcee

        half = chain[len(chain) // 2 :]
        if not len(half) or np.any(np.ptp(half, axis=0) == 0):
            return np.inf
        return float(np.max(emcee.autocorr.integrated_time(half, quiet=True, tol=0)))

    def _result(
        self, problem: Problem, chain: np.ndarray, heights: np.ndarray, tau: float, count: int, clock: Clock
    ) -> FitResult:
        flat = chain.reshape(-1, problem.ndim)
        thin = max(1, int(min(tau, len(chain)) / 2))
        kept = chain[len(chain) // 2 :: thin].reshape(-1, problem.ndim)
        log_l = heights[len(chain) // 2 :: thin].ravel() - log_normal(kept)
        effective = len(chain) // 2 * self.nwalkers / tau
        notes = (f"acceptance {_acceptance(chain):.2f}, autocorrelation {tau:.1f} steps of {len(chain)}, the second "
                 f"half kept: {effective:.0f} effective samples",)
        return result_of(
            problem, np.asarray(problem.to_theta(flat[np.argmax(heights)])), fitter="emcee", clock=clock,
            converged=bool(len(chain) >= LONG * tau), evaluations=count, gradients=None,
            samples=Samples(theta=np.asarray(problem.to_theta(kept)), weights=np.full(len(kept), 1 / len(kept)),
                            log_likelihoods=log_l, diagnostics=Diagnostics(effective_samples=effective)), notes=notes,
        )  # fmt: skip


def _acceptance(chain: np.ndarray) -> float:
    return float(np.mean(np.any(np.diff(chain, axis=0) != 0, axis=-1)))


def _state(state: Any, chain: np.ndarray, heights: np.ndarray, count: int) -> State:
    _, keys, *rest = state.random_state
    return {
        "coords": state.coords, "log_prob": state.log_prob, "random_keys": keys, "random_rest": rest,
        "chain": chain, "heights": heights, "count": count,
    }  # fmt: skip
