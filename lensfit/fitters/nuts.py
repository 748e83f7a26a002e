"""No-U-turn sampler of blackjax, started at the optimum; its metric is learnt from all chains in the warm-up.

It walks in coordinates u that follow the ridge of the posterior (`bent`).
"""
from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.errors import FitError
from lensfit.fitters.base import Checkpoint, Progress, State, at_least, below
from lensfit.fitters.bent import Bent
from lensfit.fitters.calls import drawable, drawn, log_normal, undefined
from lensfit.fitters.diagnostics import Diagnostics, worst
from lensfit.fitters.optimum import Optimum, optimum
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.problem import Problem, log_posterior
from lensfit.terms import Term
from lensfit.verdict import Check, Trust

BLOCK = 25
"""Steps of a chain between two safe points."""
WINDOWS = (0.125, 0.25, 0.5, 1.0)
"""Shares of the warm-up at which its windows end; each but the last of them gives a new metric to the next."""
LARGEST_R_HAT = 1.01
"""Split R-hat of the worst parameter up to which chains agree (Vehtari et al. 2021)."""
ENOUGH = 100
"""Effective samples per chain below which neither R-hat nor errors mean much (the same)."""
OVERDISPERSED = 1.5
"""Standard deviations by the curvature at the optimum of the points where chains begin: less where it is a cusp."""
OLD_METRIC = 1
"""Draws that the metric so far counts for when the next one is learnt."""
FIRST_STEP = 0.5
"""Step size before it is adapted, in standard deviations of the metric."""


@dataclasses.dataclass(frozen=True)
class NUTS:
    """`blackjax.nuts` with a dense metric: at first the covariance at the optimum, then what the chains meet.

    chains: each starts somewhere else about the optimum. samples: of each chain, after its warm-up.
    warmup: steps of each chain that set metric and step size and are thrown away; below 50 they are too few to
    learn from. target_acceptance: of the dual averaging; raise it, to 0.95 or 0.99, where divergences are
    reported. max_doublings: of a trajectory.

    Give it a start, an optimum; without one it climbs from the best of some draws of the prior.
    """

    chains: int = 4
    samples: int = 500
    warmup: int = 200
    target_acceptance: float = 0.8
    max_doublings: int = 8
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = True
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("blackjax",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Sample the posterior. Raises FitError where no optimum is reached, or a chain is where ln L is not finite."""
        at_least(self, chains=1, samples=4, warmup=10, target_acceptance=0.1, max_doublings=1)
        below(self, target_acceptance=1)
        clock = Clock.start()
        progress("optimum", np.nan, 0.0)
        found, tried = _best_draw(problem, seed) if start is None else (start, 0)
        peak = optimum(problem, found)
        kept = checkpoint.load()
        bent = Bent.at(problem, peak) if kept is None else Bent.loaded(kept)
        chains = Chains.begun(problem.ndim, self.chains, seed) if kept is None else Chains.loaded(kept)
        plan = self._plan()
        while chains.done < len(plan):
            task = plan[chains.done]
            if chains.done > 0 and task.window > plan[chains.done - 1].window:
                chains = chains.in_next_window(task.warming)
            key = jax.random.fold_in(jax.random.key(seed), chains.done)
            chains = self._block(problem, bent, chains, task, jax.random.key_data(key))
            checkpoint.offer(lambda chains=chains: chains.state() | bent.state())
            note = f"chain {task.chain + 1} {'warm-up' if task.warming else 'samples'}, step size " \
                   f"{chains.step_size(task.chain):.2g}, {chains.divergences} divergences"  # fmt: skip
            progress("nuts", np.nan, chains.done / len(plan), note, peak.theta)
        return self._result(problem, peak, bent, chains, tried, clock)

    def _plan(self) -> list[Task]:
        """What is done in turn: each window of the warm-up by every chain, then the samples of every chain."""
        ends = [0, *(int(share * self.warmup) for share in WINDOWS), self.warmup + self.samples]
        return [
            Task(chain=chain, window=window, count=min(BLOCK, end - step))
            for window, (begin, end) in enumerate(pairwise(ends))
            for chain in range(self.chains)
            for step in range(begin, end, BLOCK)
        ]

    def _block(self, problem: Problem, bent: Bent, chains: Chains, task: Task, key: Any) -> Chains:
        """The chains with one block of steps more.

        Raises FitError where ln posterior or its slope is not finite at a step, or NaN at the end of a trajectory.
        """
        made = walk(
            problem.space, problem.likelihood, bent, chains.positions[task.chain], chains.factor,
            chains.adaptations[task.chain], key, self.target_acceptance, task.warming,
            count=task.count, max_doublings=self.max_doublings,
        )  # fmt: skip
        adaptation, u, slopes, log_p, diverged, gradients, undefined_ends = jax.tree.map(np.asarray, made)
        bad = ~np.isfinite(log_p + slopes.sum(axis=1))
        if bad.any():
            told = f"chain {task.chain + 1} stands where ln posterior or its slope is not finite,"
            raise undefined(problem.names, problem.to_theta(bent(u[np.argmax(bad)])), told)
        for end in filter(drawable, np.asarray(bent(undefined_ends))):
            raise undefined(problem.names, problem.to_theta(end))
        return dataclasses.replace(
            chains,
            positions=_with_row(chains.positions, task.chain, u[-1]),
            adaptations=_with_row(chains.adaptations, task.chain, adaptation),
            u=np.concatenate([chains.u, u]),
            slopes=np.concatenate([chains.slopes, slopes]) if task.warming else chains.slopes,
            log_posterior=np.concatenate([chains.log_posterior, log_p]),
            done=chains.done + 1,
            gradients=chains.gradients + 1 + int(gradients.sum()),
            divergences=chains.divergences + (0 if task.warming else int(diverged.sum())),
        )

    def _result(
        self, problem: Problem, peak: Optimum, bent: Bent, chains: Chains, tried: int, clock: Clock
    ) -> FitResult:
        z = np.asarray(bent(chains.u))
        r_hat, size = worst(z.reshape(self.chains, self.samples, -1))
        checks = (
            Check.of("chains agree", bool(r_hat <= LARGEST_R_HAT and size >= ENOUGH * self.chains),
                  f"R-hat of the worst parameter is {r_hat:.3f} (at most {LARGEST_R_HAT}) with {size:.0f} effective "
                  f"samples in {self.chains} chains (at least {ENOUGH * self.chains})"),
            Check.of("no divergence", chains.divergences == 0,
                  f"{chains.divergences} divergent trajectories (0 expected; raise target_acceptance)"),
        )  # fmt: skip
        return result_of(
            problem,
            peak.theta,
            fitter="nuts",
            clock=clock,
            converged=all(check.passed for check in checks),
            evaluations=tried + peak.evaluations + bent.evaluations + chains.gradients,
            gradients=peak.evaluations + bent.evaluations + chains.gradients,
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
class Task:
    """A block of `count` steps of a chain, in a window of the warm-up or, the last one, of the samples."""

    chain: int
    window: int
    count: int

    @property
    def warming(self) -> bool:
        """Whether it is part of the warm-up, and thrown away."""
        return self.window < len(WINDOWS)


@dataclasses.dataclass(frozen=True)
class Chains:
    """Chains under way.

    factor (n, n): the metric is the inverse of factor factor^T, a covariance of u. positions (C, n) in u and states
    (C, 5) of the dual averaging, of every chain. Of the steps of this window, of one chain after the other: u
    (S, n), in the warm-up slopes (S, n) of ln posterior in units of the metric, ln posterior (S,) of z. done: tasks
    finished.
    """

    factor: np.ndarray
    positions: np.ndarray
    adaptations: np.ndarray
    u: np.ndarray
    slopes: np.ndarray
    log_posterior: np.ndarray
    done: int = 0
    gradients: int = 0
    divergences: int = 0

    @classmethod
    def begun(cls, ndim: int, count: int, seed: int) -> Chains:
        """Before their first step."""
        u = OVERDISPERSED * np.random.default_rng(seed).standard_normal((count, ndim))
        return cls(np.eye(ndim), u, np.tile(fresh(), (count, 1)), *_none(ndim))

    def in_next_window(self, warming: bool) -> Chains:
        """Without the steps so far; if that one is of the warm-up, with a metric from them and a fresh step size."""
        empty = dict(zip(("u", "slopes", "log_posterior"), _none(len(self.factor)), strict=True))
        if not warming:
            return dataclasses.replace(self, **empty)
        factor, states = learnt(self.factor, self.u, self.slopes), np.tile(fresh(), (len(self.positions), 1))
        return dataclasses.replace(self, factor=factor, adaptations=states, **empty)

    def step_size(self, chain: int) -> float:
        """Averaged over what the dual averaging of a chain has seen."""
        return float(np.exp(self.adaptations[chain, 1]))

    def state(self) -> State:
        """What it takes to go on."""
        return dataclasses.asdict(self)

    @classmethod
    def loaded(cls, state: State) -> Chains:
        """As `state` gave them."""
        kept: dict[str, Any] = {field.name: state[field.name] for field in dataclasses.fields(cls)}
        kept |= {name: int(kept[name]) for name in ("done", "gradients", "divergences")}
        return cls(**kept)


def _none(ndim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u, slopes and ln posterior of no step."""
    return np.zeros((0, ndim)), np.zeros((0, ndim)), np.zeros(0)


def _with_row(matrix: np.ndarray, number: int, row: np.ndarray) -> np.ndarray:
    """A copy of a matrix with another row."""
    changed = matrix.copy()
    changed[number] = row
    return changed


def _best_draw(problem: Problem, seed: int) -> tuple[np.ndarray, int]:
    """theta (n,) of the highest ln L among draws of the prior, and how many were tried."""
    z, values, tried = drawn(problem, np.random.default_rng(seed), 100)
    return np.asarray(problem.to_theta(z[np.argmax(values)])), tried


def fresh() -> np.ndarray:
    """State (5,) of a dual averaging that has not begun; the second is the averaged ln step size."""
    from blackjax.adaptation.step_size import dual_averaging_adaptation

    return np.array(dual_averaging_adaptation(0.8)[0](FIRST_STEP), float)


@compiled(static=("count", "max_doublings"), of=("blackjax",))
def walk(
    space: Any, likelihood: Any, bent: Bent, u: Any, factor: Any, adaptation: Any, key: Any, target: Any,
    adapting: Any, *, count: int, max_doublings: int,
) -> tuple[Any, ...]:
    """`count` steps from u (n,): the adaptation after them, and of each u, slope, ln posterior, divergence, gradients.

    It walks in x, where a point is the start plus factor x; slopes are those along x. The step size is adapted
    where `adapting`, else it is the average that the adaptation came to. Last of each step comes the u of an end of
    its trajectory at which ln posterior is NaN, which the kernel counts as a divergence; NaN where there is none.
    """
    import blackjax
    from blackjax.adaptation.step_size import DualAveragingAdaptationState, dual_averaging_adaptation

    def density(x: jax.Array) -> jax.Array:
        return log_posterior(space, likelihood, bent(u + factor @ x))

    _, update, _ = dual_averaging_adaptation(target)
    kernel = blackjax.nuts.build_kernel()
    identity = jnp.ones(len(u))

    def step(carry: Any, key: Any) -> Any:
        state, adaptation = carry
        size = jnp.exp(jnp.where(adapting, adaptation[0], adaptation[1]))
        state, info = kernel(key, state, density, size, identity, max_doublings)
        new = jnp.stack([jnp.asarray(v, float) for v in update(
            DualAveragingAdaptationState(*adaptation), info.acceptance_rate)])  # fmt: skip
        made = (u + factor @ state.position, state.logdensity_grad, state.logdensity, info.is_divergent,
                info.num_integration_steps, _undefined_end(info, u, factor))  # fmt: skip
        return (state, jnp.where(adapting, new, adaptation)), made

    begin = (blackjax.nuts.init(jnp.zeros_like(u), density), jnp.asarray(adaptation))
    (_, adaptation), made = jax.lax.scan(step, begin, jax.random.split(jax.random.wrap_key_data(key), count))
    return adaptation, *made


def _undefined_end(info: Any, u: jax.Array, factor: jax.Array) -> jax.Array:
    """u (n,) of the end of a trajectory at which ln posterior is NaN, NaN where it is at neither."""
    left, right = info.trajectory_leftmost_state, info.trajectory_rightmost_state
    end = jnp.where(jnp.isnan(left.logdensity), left.position, right.position)
    return jnp.where(jnp.isnan(left.logdensity) | jnp.isnan(right.logdensity), u + factor @ end, jnp.nan)


def learnt(factor: np.ndarray, u: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Factor (n, n) of the metric that draws u (S, n) and slopes (S, n), along x of the old factor, ask for.

    A normal posterior of covariance A in x has, whatever the draws are, A G A = C between the covariances C of
    the draws and G of the slopes. So A is taken for the geometric mean of C and the inverse of G: the least
    Fisher divergence (Seyboldt, Carlson & Carpenter 2026). C alone would need many more draws. Both count the old
    metric as one draw more; with five draws a parameter variances are right within a third.

    Raises:
        FitError: the slopes differ by more than double precision can tell apart.
    """
    draws, axes = _half(np.linalg.solve(factor, (u - u.mean(axis=0)).T).T)
    steep, directions = _half(slopes - slopes.mean(axis=0))
    root, inverse = directions * steep @ directions.T, directions / steep @ directions.T
    _, between, rows = np.linalg.svd((axes * draws @ axes.T) @ root)
    mean = inverse @ (rows.T * between @ rows) @ inverse
    try:
        return factor @ np.linalg.cholesky(0.5 * (mean + mean.T))
    except np.linalg.LinAlgError as error:
        raise FitError(
            f"nuts: no metric fits the warm-up, where slopes of ln posterior go up to {abs(slopes).max():.2g} per "
            "standard deviation of the last metric; start from the optimum that `staged` finds, or raise warmup"
        ) from error


def _half(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (n,) and axes (n, n), in columns, of the root of the covariance of rows (S, n) about zero."""
    count, width = rows.shape
    with_old = np.concatenate([rows, np.sqrt(OLD_METRIC) * np.eye(width)])
    _, values, axes = np.linalg.svd(with_old, full_matrices=False)
    return values / np.sqrt(count + OLD_METRIC), axes.T
