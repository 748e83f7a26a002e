"""Many descents of -ln posterior in z, some steps at a time: what the gradient fitters share."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.compiled import compiled
from lensfit.errors import FitError
from lensfit.fitters.base import Checkpoint, Progress
from lensfit.fitters.calls import FARTHEST, drawable, drawn, undefined
from lensfit.fitters.result import Clock, FitResult, result_of
from lensfit.problem import Problem, log_posterior
from lensfit.pytree import pytree

QUIET = 5
"""Steps in a row that each gain less than the tolerance, after which a descent ends."""
RISE = 0.5
"""Most that ln posterior may still rise, by its slope and curvature, at an optimum that counts as found."""
CHUNK = 5
"""Steps between two safe points."""


@pytree
class Objective:
    """-ln posterior at z (n,) and its whitened residuals with z below them: half their square is the former."""

    space: Any
    likelihood: Any

    def __call__(self, z: jax.Array) -> jax.Array:
        """-ln posterior. NaN is -inf, so that no line search backs away from it unsaid, but +inf out of the prior."""
        found = -log_posterior(self.space, self.likelihood, z)
        return jnp.where(jnp.isnan(found), jnp.where(jnp.all(abs(z) < FARTHEST), -jnp.inf, jnp.inf), found)

    def residuals(self, z: jax.Array) -> jax.Array:
        """(model - data) / sigma, then z."""
        model = self.space.build(self.space.to_theta(z))
        if self.space.amplitudes:
            model = model.filled(self.likelihood.amplitudes(model))
        return jnp.concatenate([self.likelihood.residuals(model).ravel(), z])


@pytree
class Moved:
    """After a step: the new z and memory, the point that was looked at with its value, calls of the likelihood."""

    z: jax.Array
    memory: Any
    point: jax.Array
    value: jax.Array
    evaluations: jax.Array
    gradients: jax.Array


class Method(Protocol):
    """An optimiser: hashable, its settings part of the compiled program."""

    def begin(self, objective: Objective, z: jax.Array) -> tuple[Any, int, int]:
        """What it remembers at z (n,), and the evaluations and gradients that took."""
        ...

    def step(self, objective: Objective, z: jax.Array, memory: Any) -> Moved:
        """One step from z (n,)."""
        ...


@pytree
class Descent:
    """One descent: where it is, the best point it saw with its value, and what it took so far.

    lost: it ended because -ln posterior or its slope is NaN or -inf, at z.
    """

    z: jax.Array
    memory: Any
    best: jax.Array
    value: jax.Array
    quiet: jax.Array
    lost: jax.Array
    evaluations: jax.Array
    gradients: jax.Array


@partial(jax.jit, static_argnames="method")
def _begin(method: Method, objective: Objective, z: jax.Array) -> Descent:
    """Descents at z (B, n)."""

    def one(z: jax.Array) -> Descent:
        memory, values, slopes = method.begin(objective, z)
        return Descent(z=z, memory=memory, best=z, value=jnp.asarray(jnp.inf), quiet=jnp.asarray(0),
                       lost=jnp.asarray(False), evaluations=jnp.asarray(values), gradients=jnp.asarray(slopes))

    return lax.map(one, z)


@partial(jax.jit, static_argnames=("method", "lanes"))
def _advance(
    method: Method, objective: Objective, many: Descent, steps: Any, tolerance: Any, lanes: int | None
) -> Descent:
    """Some steps of each descent that has not ended; `lanes` of them side by side."""

    def one(begun: Descent) -> Descent:
        def advance(now: tuple[Any, Descent]) -> tuple[Any, Descent]:
            count, old = now
            moved = method.step(objective, old.z, old.memory)
            gain = old.value - moved.value
            quiet = jnp.where(gain < tolerance, old.quiet + 1, 0)
            stands = jnp.all(jnp.isfinite(moved.z)) & jnp.isfinite(moved.value)
            lost = ~stands & (moved.value < jnp.inf) | jnp.isnan(moved.value)
            better = (moved.value < old.value) & ~lost
            return count + 1, Descent(
                z=jnp.where(lost, _culprit(moved, old.z), moved.z), memory=moved.memory, lost=lost,
                quiet=jnp.where(stands, quiet, QUIET),
                best=jnp.where(better, moved.point, old.best), value=jnp.where(better, moved.value, old.value),
                evaluations=old.evaluations + moved.evaluations, gradients=old.gradients + moved.gradients,
            )  # fmt: skip

        return lax.while_loop(lambda now: (now[0] < steps) & (now[1].quiet < QUIET), advance, (0, begun))[1]

    return lax.map(one, many, batch_size=lanes)


def _culprit(moved: Moved, before: jax.Array) -> jax.Array:
    """z (n,) where a step met what is not finite: its end, or its beginning where the slope there is not."""
    return jnp.where(jnp.all(jnp.isfinite(moved.point)), moved.point, before)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many starts and steps, what gain is small, and how many descents go side by side."""

    starts: int
    steps: int
    tolerance: float
    lanes: int = 1


def run_descents(
    name: str, method: Method, plan: Plan, problem: Problem, *, seed: int, start: np.ndarray | None,
    progress: Progress, checkpoint: Checkpoint,
) -> FitResult:
    """The best end of all descents, from `start` or from draws of the prior.

    Raises FitError where ln posterior or its slope is NaN at a point that one of them reaches.
    """
    clock = Clock.start()
    objective = Objective(space=problem.space, likelihood=problem.likelihood)
    if start is None:
        z, _, calls = drawn(problem, np.random.default_rng(seed), plan.starts)
    else:
        z, calls = np.asarray(problem.to_z(start))[None], 0
    now, done = _begin(method, objective, jnp.asarray(z)), 0
    kept = checkpoint.load()
    if kept is not None:
        leaves, structure = jax.tree.flatten(now)
        now, done = jax.tree.unflatten(structure, [kept[f"leaf{k}"] for k in range(len(leaves))]), kept["done"]
    lanes = None if plan.lanes == 1 else plan.lanes
    while done < plan.steps and np.any(np.asarray(now.quiet) < QUIET):
        now = _advance(method, objective, now, min(CHUNK, plan.steps - done), plan.tolerance, lanes)
        _refuse_lost(problem, now)
        done += CHUNK
        best = int(np.argmin(now.value))
        going = int(np.sum(np.asarray(now.quiet) < QUIET))
        note = f"ln posterior {-float(now.value[best]):.7g}, {going} of {len(z)} descents going on"
        progress(name, np.nan, min(done / plan.steps, 1.0), note, np.asarray(problem.to_theta(now.best[best])))
        checkpoint.offer(partial(_state, now, done))
    return _finish(name, problem, now, calls, clock)


def _refuse_lost(problem: Problem, now: Descent) -> None:
    for lost, z in zip(np.asarray(now.lost), np.asarray(now.z), strict=True):
        if lost and drawable(z):
            told = "ln posterior or its slope is NaN or infinite"
            onward = np.isfinite(problem.log_posterior(z))
            raise undefined(problem.names, problem.to_theta(z), f"{told} on the step that begins" if onward else told)


def _state(now: Descent, done: int) -> dict[str, Any]:
    return {"done": done} | {f"leaf{k}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(now))}


def _finish(name: str, problem: Problem, now: Descent, calls: int, clock: Clock) -> FitResult:
    values = np.asarray(now.value)
    best = int(np.argmin(values))
    if not np.isfinite(values[best]):
        raise FitError(f"{name}: ln posterior is not finite at any start; give a start, or narrow the priors of "
                       f"{', '.join(problem.names)}")
    notes = []
    if len(values) > 1:
        near = int(np.sum(values < values[best] + 1))
        notes.append(f"{near} of {len(values)} descents ended within 1 of the best ln posterior")
    result = result_of(
        problem, np.asarray(problem.to_theta(now.best[best])), fitter=name, clock=clock, converged=True,
        evaluations=calls + int(np.sum(now.evaluations)), gradients=int(np.sum(now.gradients)),
    )  # fmt: skip
    return with_convergence(problem, result, tuple(notes))


def with_convergence(problem: Problem, result: FitResult, notes: tuple[str, ...] = ()) -> FitResult:
    """The result with an honest `converged`: whether slope and curvature say that it stands at an optimum."""
    slope = np.asarray(_slope(problem.space, problem.likelihood, result.theta))
    rise = 0.5 * float(slope @ result.covariance @ slope)
    if not rise < RISE:
        notes = (*notes, f"not at an optimum: by its slope ln posterior should rise by {rise:.3g} still")
    return dataclasses.replace(result, converged=bool(rise < RISE), notes=(*result.notes, *notes))


@compiled
def _slope(space: Any, likelihood: Any, theta: jax.Array) -> jax.Array:
    """Derivative (n,) of ln L + ln N(z) by theta."""
    return jax.grad(lambda t: log_posterior(space, likelihood, space.to_z(t)))(theta)
