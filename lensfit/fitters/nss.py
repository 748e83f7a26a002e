"""Nested slice sampling of blackjax (Yallup, Kroupa & Handley 2026), over the whole prior."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.compiled import compiled
from lensfit.fitters.base import Checkpoint, Progress, State, at_least
from lensfit.fitters.calls import drawn, refuse_undefined
from lensfit.fitters.diagnostics import Diagnostics, kish
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.problem import Problem, log_posterior
from lensfit.terms import Term

BLOCK = 100
"""Replacements of live points between two safe points."""


@dataclasses.dataclass(frozen=True)
class NSS:
    """`blackjax.nss` in z: slice sampling along directions that the live points show, inside a rising contour of ln L.

    num_live: live points; the error of ln evidence falls with their root. num_inner_steps_per_dimension: slice
    steps of a new point over parameters; fewer than 2 bias the evidence upward. num_delete: points replaced
    side by side, 1 on a CPU. dlogz: ln of what the live points may still add to the evidence at the end.

    Takes no start. Its likelihood is compiled by JAX, hence `needs_gradient`.
    """

    num_live: int = 500
    num_inner_steps_per_dimension: int = 2
    num_delete: int = 1
    dlogz: float = 0.01
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("blackjax",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Sample prior and posterior. Raises FitError where ln L is NaN, or finite almost nowhere in the prior."""
        at_least(self, num_live=10, num_inner_steps_per_dimension=1, num_delete=1, dlogz=1e-6)
        clock = Clock.start()
        kept = checkpoint.load()
        points = self._begin(problem, seed) if kept is None else Points.loaded(kept)
        key, count = jax.random.key(seed), -(-BLOCK // self.num_delete)
        inner = self.num_inner_steps_per_dimension * problem.ndim
        while (ahead := points.remaining(self.num_delete)) > np.log1p(self.dlogz):
            note = f"ln evidence {points.weighted(self.num_delete)[1]:.2f}, at most {ahead:.3g} to come"
            best = np.asarray(problem.to_theta(points.live[np.argmax(points.live[:, -1]), :-1]))
            progress("nss", np.nan, points.share(ahead), note, best)
            live, dead, calls = _replace(
                problem.space, problem.likelihood, points.live,
                jax.random.key_data(jax.random.fold_in(key, len(points.dead))),
                count=count, inner=inner, delete=self.num_delete,
            )  # fmt: skip
            live = np.asarray(live)
            refuse_undefined(problem.names, live[:, :-1], live[:, -1], problem.to_theta)
            dead = np.concatenate([points.dead, dead])
            points = Points(live, dead, points.evaluations + int(np.sum(calls)))
            checkpoint.offer(points.state)
        return self._result(problem, points, clock)

    def _begin(self, problem: Problem, seed: int) -> Points:
        z, log_l, calls = drawn(problem, np.random.default_rng(seed), self.num_live)
        return Points(np.column_stack([z, log_l]), np.zeros((0, problem.ndim + 1)), calls)

    def _result(self, problem: Problem, points: Points, clock: Clock) -> FitResult:
        every, log_evidence, weights = points.weighted(self.num_delete)
        z, log_l = every[:, :-1], every[:, -1]
        information = float(weights @ log_l - log_evidence)
        best = np.argmax(log_l - 0.5 * np.sum(z**2, axis=1))
        theta = np.asarray(problem.to_theta(z))
        return result_of(
            problem,
            theta[best],
            fitter="nss",
            clock=clock,
            converged=True,
            evaluations=points.evaluations,
            gradients=None,
            samples=Samples(
                theta=theta,
                weights=weights,
                log_likelihoods=log_l,
                log_evidence=log_evidence,
                log_evidence_error=float(np.sqrt(max(information, 0.0) / self.num_live)),
                diagnostics=Diagnostics(effective_samples=kish(weights)),
            ),
        )


@dataclasses.dataclass(frozen=True)
class Points:
    """Live points (N, n + 1) and dead ones (D, n + 1) in the order of their death: z and, last, ln L.

    evaluations: of ln L that they took; where points are replaced side by side, those of lanes that wait count not.
    """

    live: np.ndarray
    dead: np.ndarray
    evaluations: int

    def state(self) -> State:
        """What it takes to go on."""
        return dataclasses.asdict(self)

    @classmethod
    def loaded(cls, state: State) -> Points:
        """As `state` gave them."""
        return cls(**{**state, "evaluations": int(state["evaluations"])})

    def log_volumes(self, deletes: int) -> np.ndarray:
        """Expected ln prior volume (1 + D + N,) before the first death and after each, the live points' at last."""
        count = len(self.live)
        alive = count - np.arange(len(self.dead)) % deletes
        return np.concatenate([[0.0], -np.cumsum(1 / np.concatenate([alive, np.arange(count, 0, -1)]))])

    def weighted(self, deletes: int) -> tuple[np.ndarray, float, np.ndarray]:
        """All points (D + N, n + 1), ln evidence, and the posterior weights (D + N,)."""
        every = np.concatenate([self.dead, self.live[np.argsort(self.live[:, -1])]])
        volumes = self.log_volumes(deletes)
        logs = every[:, -1] + volumes[:-1] + np.log(-np.expm1(np.diff(volumes)))
        log_evidence = float(np.logaddexp.reduce(logs))
        return every, log_evidence, np.exp(logs - log_evidence)

    def remaining(self, deletes: int) -> float:
        """By how much ln evidence would rise if all the prior volume left had the highest ln L."""
        if not len(self.dead):
            return np.inf
        volumes = self.log_volumes(deletes)[: len(self.dead) + 1]
        so_far = np.logaddexp.reduce(self.dead[:, -1] + volumes[:-1] + np.log(-np.expm1(np.diff(volumes))))
        return float(np.logaddexp(0.0, self.live[:, -1].max() + volumes[-1] - so_far))

    def share(self, ahead: float) -> float:
        """The share of the work that is done, by how ln L has risen."""
        if not len(self.dead):
            return 0.0
        return float(np.clip(1 - ahead / (self.live[:, -1].max() - self.dead[0, -1]), 0, 0.99))


@compiled(static=("count", "inner", "delete"), of=("blackjax",))
def _replace(
    space: Any, likelihood: Any, live: jax.Array, key: Any, *, count: int, inner: int, delete: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`count` times replace the `delete` lowest live points: the live points then, those that died, ln L calls.

    A NaN counts as +inf: it is let in, never to die, and so seen, where a slice would take it for a place outside.
    """
    from blackjax.ns import adaptive, base, integrator, nss

    def log_prior(z: jax.Array) -> jax.Array:
        return -0.5 * jnp.sum(z * z)

    def log_likelihood(z: jax.Array) -> jax.Array:
        found = log_posterior(space, likelihood, z) + 0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi))
        return jnp.where(jnp.isnan(found), jnp.inf, found)

    one = partial(base.init_state_strategy, logprior_fn=log_prior, loglikelihood_fn=log_likelihood)
    kernel = nss.build_kernel(one, inner, delete)
    z, log_l = live[:, :-1], live[:, -1]
    particles = base.StateWithLogLikelihood(z, jax.vmap(log_prior)(z), log_l, jnp.full_like(log_l, jnp.nan))
    unused: Any = None
    random = jax.random.wrap_key_data(key)
    shape = nss.live_covariance_factor(random, base.NSState(particles), unused)
    begin = adaptive.AdaptiveNSState(particles, integrator.init_integrator(particles), shape)

    def step(state: Any, key: Any) -> Any:
        state, info = kernel(key, state)
        steps = info.update_info  # each asks at both ends of its bracket, at every expansion and at every draw in it
        return state, (_rows(info.particles), jnp.sum(2 + steps.num_expansions + steps.num_shrink))

    state, (dead, calls) = lax.scan(step, begin, jax.random.split(random, count))
    return _rows(state.particles), dead.reshape(-1, live.shape[1]), calls


def _rows(particles: Any) -> jax.Array:
    """z and ln L of particles, the lowest first."""
    rows = jnp.concatenate([particles.position, particles.loglikelihood[:, None]], axis=1)
    return rows[jnp.argsort(rows[:, -1])]
