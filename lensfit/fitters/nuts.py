"""No-U-turn sampler of blackjax, started at the optimum with its covariance as the metric."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters._base import Check, Checkpoint, Diagnostics, FitResult, Progress, State, Trust
from lensfit.fitters._calls import log_normal
from lensfit.fitters._chains import worst
from lensfit.fitters._optimum import Optimum, optimum
from lensfit.fitters._result import Clock, Samples, result_of
from lensfit.fitters._settings import at_least
from lensfit.fitters._starts import drawn
from lensfit.problem import Problem, log_posterior

BLOCK = 25
"""Steps of a chain between two safe points."""
LARGEST_R_HAT = 1.01
"""Split R-hat of the worst parameter up to which chains agree (Vehtari et al. 2021)."""
ENOUGH = 100
"""Effective samples per chain below which neither R-hat nor errors mean much (the same)."""
OVERDISPERSED = 1.5
"""Standard deviations, in units of the metric's, of the points where the chains begin."""
FIRST_STEP = 0.5
"""Step size before it is adapted, in standard deviations of the metric."""


@dataclasses.dataclass(frozen=True)
class NUTS:
    """`blackjax.nuts` in whitened coordinates: z = optimum + L x with L L^T the covariance at the optimum.

    chains: each starts somewhere else about the optimum. samples: of each chain, after its warm-up.
    warmup: steps of each chain that set its step size and are thrown away. target_acceptance: of the
    dual averaging; raise it, to 0.95 or 0.99, where divergences are reported. max_doublings: of a trajectory.

    Give it a start, an optimum; without one it climbs from the best of some draws of the prior.
    """

    chains: int = 4
    samples: int = 500
    warmup: int = 100
    target_acceptance: float = 0.8
    max_doublings: int = 8
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("blackjax",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Sample the posterior. Raises FitError where the climb to the optimum does not arrive."""
        at_least(self, chains=1, samples=4, warmup=10, target_acceptance=0.1, max_doublings=1)
        clock = Clock.start()
        progress("optimum", np.nan, 0.0)
        found, tried = _best_draw(problem, seed) if start is None else (start, 0)
        peak = optimum(problem, found)
        factor = np.linalg.cholesky(peak.covariance)
        kept = checkpoint.load()
        chains = self._begin(problem, peak, factor, seed) if kept is None else Chains.loaded(kept)
        length = self.warmup + self.samples
        while chains.done < length * self.chains:
            number, step = divmod(chains.done, length)
            count = min(BLOCK, (self.warmup if step < self.warmup else length) - step)
            chains = self._block(problem, peak, factor, chains, jax.random.key(seed), number, step, count)
            checkpoint.offer(chains.state)
            phase = "warm-up" if step < self.warmup else "samples"
            note = f"chain {number + 1} {phase}, step size {chains.step_size:.2g}, {chains.divergences} divergences"
            progress("nuts", np.nan, chains.done / (length * self.chains), note, peak.theta)
        return self._result(problem, peak, factor, chains, tried, clock)

    def _begin(self, problem: Problem, peak: Optimum, factor: np.ndarray, seed: int) -> Chains:
        """The chains before their first step."""
        x = OVERDISPERSED * np.random.default_rng(seed).standard_normal((self.chains, problem.ndim))
        none = np.zeros((0, problem.ndim))
        return Chains(starts=x, position=x[0], adaptation=_fresh(), x=none, log_posterior=np.zeros(0))

    def _block(
        self, problem: Problem, peak: Optimum, factor: np.ndarray, chains: Chains, key: Any, number: int, step: int,
        count: int,
    ) -> Chains:
        """The chains with one block of steps more."""
        if step == 0:
            chains = dataclasses.replace(chains, position=chains.starts[number], adaptation=_fresh())
        made = _walk(
            problem.space, problem.likelihood, (jnp.asarray(peak.z), jnp.asarray(factor)), chains.position,
            chains.adaptation, jax.random.fold_in(key, chains.done), self.target_acceptance, step < self.warmup,
            count=count, max_doublings=self.max_doublings,
        )  # fmt: skip
        position, adaptation, x, log_p, diverged, gradients = jax.tree.map(np.asarray, made)
        chains = dataclasses.replace(
            chains, position=position, adaptation=adaptation, done=chains.done + count,
            gradients=chains.gradients + 1 + int(gradients.sum()),
        )  # fmt: skip
        if step < self.warmup:
            return chains
        return dataclasses.replace(
            chains,
            x=np.concatenate([chains.x, x]),
            log_posterior=np.concatenate([chains.log_posterior, log_p]),
            divergences=chains.divergences + int(diverged.sum()),
        )

    def _result(
        self, problem: Problem, peak: Optimum, factor: np.ndarray, chains: Chains, tried: int, clock: Clock
    ) -> FitResult:
        z = peak.z + chains.x @ factor.T
        r_hat, size = worst(z.reshape(self.chains, self.samples, -1))
        checks = (
            Check("chains agree", bool(r_hat <= LARGEST_R_HAT and size >= ENOUGH * self.chains),
                  f"R-hat of the worst parameter is {r_hat:.3f} (at most {LARGEST_R_HAT}) with {size:.0f} effective "
                  f"samples in {self.chains} chains (at least {ENOUGH * self.chains})"),
            Check("no divergence", chains.divergences == 0,
                  f"{chains.divergences} divergent trajectories (0 expected; raise target_acceptance)"),
        )  # fmt: skip
        return result_of(
            problem,
            peak.theta,
            fitter="nuts",
            clock=clock,
            converged=all(check.passed for check in checks),
            evaluations=tried + peak.evaluations + chains.gradients,
            gradients=peak.evaluations + chains.gradients,
            samples=Samples(
                theta=np.asarray(problem.to_theta(z)),
                weights=np.full(len(z), 1 / len(z)),
                log_likelihoods=chains.log_posterior - log_normal(z),
                diagnostics=Diagnostics(
                    effective_samples=size, chains=self.chains, r_hat=r_hat, divergences=chains.divergences
                ),
            ),
            notes=(*peak.notes, *(check.finding for check in checks)),
            trust=Trust(checks),
        )


@dataclasses.dataclass(frozen=True)
class Chains:
    """Chains under way, one after the other.

    starts (C, n), position (n,) of the present chain and samples x (S, n) in whitened coordinates, ln posterior
    (S,) of z, the state (5,) of the dual averaging, steps done in all chains.
    """

    starts: np.ndarray
    position: np.ndarray
    adaptation: np.ndarray
    x: np.ndarray
    log_posterior: np.ndarray
    done: int = 0
    gradients: int = 0
    divergences: int = 0

    @property
    def step_size(self) -> float:
        """Of the present chain."""
        return float(np.exp(self.adaptation[1]))

    def state(self) -> State:
        """What it takes to go on."""
        return dataclasses.asdict(self)

    @classmethod
    def loaded(cls, state: State) -> Chains:
        """As `state` gave them."""
        counts = {name: int(state[name]) for name in ("done", "gradients", "divergences")}
        return cls(**{**state, **counts})


def _best_draw(problem: Problem, seed: int) -> tuple[np.ndarray, int]:
    """theta (n,) of the highest ln L among draws of the prior, and how many were tried."""
    z, values, tried = drawn(problem, np.random.default_rng(seed), 100)
    return np.asarray(problem.to_theta(z[np.argmax(values)])), tried


def _fresh() -> np.ndarray:
    """State (5,) of a dual averaging that has not begun."""
    from blackjax.adaptation.step_size import dual_averaging_adaptation

    return np.array(dual_averaging_adaptation(0.8)[0](FIRST_STEP), float)


@partial(jax.jit, static_argnames=("count", "max_doublings"))
def _walk(
    space: Any, likelihood: Any, frame: Any, x: Any, adaptation: Any, key: Any, target: Any, adapting: Any, *,
    count: int, max_doublings: int,
) -> tuple[Any, ...]:
    """`count` steps from x (n,): where they end, the adaptation, and of each x, ln posterior, divergence, gradients.

    The step size is adapted where `adapting`, else it is the average that the adaptation came to.
    """
    import blackjax
    from blackjax.adaptation.step_size import DualAveragingAdaptationState, dual_averaging_adaptation

    def density(x: jax.Array) -> jax.Array:
        return log_posterior(space, likelihood, frame[0] + frame[1] @ x)

    _, update, _ = dual_averaging_adaptation(target)
    kernel = blackjax.nuts.build_kernel()
    identity = jnp.ones(len(x))

    def step(carry: Any, key: Any) -> Any:
        state, adaptation = carry
        size = jnp.exp(jnp.where(adapting, adaptation[0], adaptation[1]))
        state, info = kernel(key, state, density, size, identity, max_doublings)
        new = jnp.stack([jnp.asarray(v, float) for v in update(
            DualAveragingAdaptationState(*adaptation), info.acceptance_rate)])  # fmt: skip
        made = state.position, state.logdensity, info.is_divergent, info.num_integration_steps
        return (state, jnp.where(adapting, new, adaptation)), made

    begin = (blackjax.nuts.init(x, density), jnp.asarray(adaptation))
    (state, adaptation), made = jax.lax.scan(step, begin, jax.random.split(key, count))
    return state.position, adaptation, *made
