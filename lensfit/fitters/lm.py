"""Levenberg-Marquardt with variable projection, the amplitudes solved exactly at every point: one descent, and many."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.compiled import compiled
from lensfit.errors import FitError
from lensfit.fitters.base import Checkpoint, Progress, at_least
from lensfit.fitters.calls import drawable, drawn, undefined
from lensfit.fitters.descents import with_convergence
from lensfit.fitters.result import Clock, FitResult, result_of
from lensfit.problem import Problem
from lensfit.pytree import pytree, replace
from lensfit.space import Space
from lensfit.terms import LeastSquares, Term

STEP = 0.5
"""Longest step of one parameter, in widths of its prior."""


@pytree
class Point:
    """A point of a descent: z and theta (n,), amplitudes (K,), objective = chi2 + |z|^2.

    `residuals` (H, W) and `columns` (K, H, W), the images of unit amplitude, are what the term's `least` and
    `columns` say: half the gradient of chi2 in an amplitude is the product of its column and the residuals. Of a
    sum of terms both are dicts.
    """

    z: jax.Array
    theta: jax.Array
    amplitudes: jax.Array
    objective: jax.Array
    chi2: jax.Array
    residuals: Any
    columns: Any


@pytree
class System:
    """Half the objective to second order in (z, amplitudes): `curvature` (n + K, n + K), `slope` (n + K,)."""

    curvature: jax.Array
    slope: jax.Array


@pytree
class Descent:
    """A descent under way: the best point, the system at it (or at its predecessor while `stale`).

    `trials` counts evaluations of the likelihood, `systems` those of its derivatives. `undefined` is the last z (n,)
    where chi2 was NaN, itself NaN where there was none: such a step is not taken.
    """

    point: Point
    system: System
    stale: jax.Array
    damping: jax.Array
    accepted: jax.Array
    trials: jax.Array
    systems: jax.Array
    small: jax.Array
    done: jax.Array
    undefined: jax.Array


@compiled(static=("groups",))
def descend(
    space: Space,
    likelihood: Any,
    theta: jax.Array,
    free: jax.Array,
    iterations: Any,
    tolerance: Any,
    groups: tuple[str, ...] = ("light", "source"),
    shown: Any = True,
    exact: Any = False,
) -> Descent:
    """Minimise chi2 + |z|^2 from theta (n,) over the parameters flagged in free (n,).

    Only the light of the named groups is modelled (`LensModel.only`); solved amplitudes not flagged in
    shown (K,) are held at zero. Ends after `iterations` accepted steps, when a step promises less than 0.3
    `tolerance`, after two steps that each gained less than `tolerance`, or when no step helps any more.
    With `exact` the system that it ends with is that of its point, in double precision.
    """
    z = space.to_z(theta)
    evaluation = partial(evaluate, space, likelihood, groups=groups, shown=jnp.asarray(shown))
    point = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(evaluation, z))
    point = replace(point, z=z, objective=jnp.asarray(jnp.inf))  # not seen yet: the first trial stays there
    size = z.shape[0] + point.amplitudes.shape[0]
    start = Descent(
        point=point,
        system=System(curvature=jnp.zeros((size, size)), slope=jnp.zeros(size)),
        stale=jnp.asarray(False),
        damping=jnp.asarray(1e-2),
        accepted=jnp.asarray(0),
        trials=jnp.asarray(0),
        systems=jnp.asarray(0),
        small=jnp.asarray(0),
        done=jnp.asarray(False),
        undefined=jnp.full_like(z, jnp.nan),
    )

    def advance(now: Descent) -> Descent:
        system = lax.cond(
            now.stale, lambda: linear_system(space, likelihood, now.point, groups, exact), lambda: now.system
        )
        positive = space.build(now.point.theta).only(*groups).positive()
        moving = jnp.concatenate([free, ~positive | (now.point.amplitudes > 0)])
        return _advance(evaluation, replace(now, system=system), moving, tolerance, now.accepted > iterations)

    go_on = lambda s: ((s.accepted <= iterations) & ~s.done) | (s.stale & exact)  # noqa: E731
    return lax.while_loop(go_on, advance, start)


@compiled(static=("groups",))  # traced once, though asked for twice
def evaluate(space: Space, likelihood: Any, z: jax.Array, groups: tuple[str, ...], shown: jax.Array) -> Point:
    """The point at z with its amplitudes solved, those not flagged in shown (K,) zero."""
    theta = space.to_theta(z)
    model = space.build(theta).only(*groups)
    columns = likelihood.shown(model, likelihood.columns(model), shown)
    amplitudes, residuals, chi2 = likelihood.least(model, columns)
    return Point(
        z=z,
        theta=theta,
        amplitudes=amplitudes,
        objective=chi2 + z @ z,
        chi2=chi2,
        residuals=residuals,
        columns=columns,
    )


def linear_system(
    space: Space, likelihood: Any, point: Point, groups: tuple[str, ...], exact: Any
) -> System:
    """Gauss-Newton system at a point; unless exact the likelihood may take single precision, which bends the step."""

    def light(z: jax.Array) -> Any:
        return likelihood.light(space.build(space.to_theta(z)).only(*groups).filled(point.amplitudes))

    _, push = jax.linearize(light, point.z)
    slopes = jax.vmap(push)(jnp.eye(point.z.shape[0]))
    model = space.build(point.theta).only(*groups)
    curvature, slope = likelihood.normal(model, slopes, point.columns, point.residuals, exact)
    prior = jnp.concatenate([jnp.ones_like(point.z), jnp.zeros_like(point.amplitudes)])
    value = jnp.concatenate([point.z, jnp.zeros_like(point.amplitudes)])
    return System(curvature=curvature + jnp.diag(prior), slope=slope + value)


def _advance(evaluation: Any, now: Descent, moving: jax.Array, tolerance: Any, over: jax.Array) -> Descent:
    """One trial step: taken and less damped if it helps, refused and more damped if not; none if it is over."""
    point = now.point
    step, promise = _damped_step(now.system, moving, point.z.shape[0], now.damping)
    first = now.trials == 0
    stop = (promise < 0.3 * tolerance) & (now.damping < 1e-2) & ~first
    trial = evaluation(point.z + jnp.where(first | over | now.done, 0.0, step))
    gain = point.objective - trial.objective
    better = (gain > 0) & ~stop
    small = jnp.where(better, jnp.where(gain < tolerance, now.small + 1, 0), now.small)
    damping = jnp.where(
        better, jnp.maximum(now.damping * 0.15, 1e-9), jnp.maximum(now.damping, 1e-6) * 5
    )
    damping = jnp.where(first & better, now.damping, damping)
    return Descent(
        point=jax.tree.map(lambda new, old: jnp.where(better, new, old), trial, point),
        system=now.system,
        stale=better,
        damping=damping,
        accepted=now.accepted + better,
        trials=now.trials + 1,
        systems=now.systems + now.stale,
        small=small,
        done=now.done | stop | (small >= 2) | (damping > 1e8),
        undefined=jnp.where(jnp.isnan(trial.objective), trial.z, now.undefined),
    )


def _damped_step(
    system: System, moving: jax.Array, count: int, damping: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Step of z (count,) and the gain that the system promises for it, if z and amplitudes flagged may move."""
    curvature = jnp.where(moving[:, None] & moving[None], system.curvature, 0.0)
    slope = jnp.where(moving, system.slope, 0.0)
    slope = slope.at[count:].set(0.0)  # the amplitudes are at their best already
    diagonal = jnp.maximum(jnp.diagonal(curvature), 1e-12 * jnp.max(jnp.diagonal(curvature)) + 1e-30)
    extra = jnp.where(jnp.arange(moving.shape[0]) < count, damping, 1e-7)
    matrix = curvature + jnp.diag(jnp.where(moving, extra * diagonal, 1.0))
    step = jnp.linalg.solve(matrix, -slope)
    promise = -(2 * slope @ step + step @ curvature @ step)
    return jnp.where(moving[:count], jnp.clip(step[:count], -STEP, STEP), 0.0), promise


@dataclasses.dataclass(frozen=True)
class LM:
    """lensfit's own Levenberg-Marquardt (`fitters/lm.py`): solved amplitudes are exact at every point.

    starts: descents from draws of the prior; one where a start is given. iterations: most accepted steps of
    each. tolerance: gain in chi2 + |z|^2 that is none.
    """

    starts: int = 16
    iterations: int = 60
    tolerance: float = 1e-3
    needs: ClassVar[type[Term]] = LeastSquares
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents; a safe point follows each."""
        at_least(self, starts=1, iterations=1, tolerance=0.0)
        clock = Clock.start()
        kept = checkpoint.load()
        if kept is not None:
            ends, thetas, calls = kept["ends"], kept["thetas"], np.array(kept["calls"])
        else:
            ends, thetas, calls = np.zeros(0), np.zeros((0, problem.ndim)), np.zeros(2, int)
        starts, drawing = self._starts(problem, seed, start)
        for k in range(len(ends), len(starts)):
            end, theta, more = self._descend(problem, starts[k])
            ends, thetas, calls = np.append(ends, end), np.concatenate([thetas, theta[None]]), calls + more
            best = int(np.argmin(ends))
            note = f"chi2 + |z|^2 {ends[best]:.7g}, descent {k + 1} of {len(starts)}"
            progress("lm", np.nan, (k + 1) / len(starts), note, thetas[best])
            checkpoint.offer(partial(dict, ends=ends, thetas=thetas, calls=calls.tolist()))
        best = int(np.argmin(ends))
        if not np.isfinite(ends[best]):
            raise FitError(f"lm: chi2 is not finite at any start; give a start, or narrow the priors of "
                           f"{', '.join(problem.names)}")
        near = int(np.sum(ends < ends[best] + 2))
        notes = (f"{near} of {len(ends)} descents ended within 1 of the best ln posterior",) if len(ends) > 1 else ()
        result = result_of(
            problem, thetas[best], fitter="lm", clock=clock, converged=True,
            evaluations=drawing + int(calls[0]), gradients=int(calls[1]),
        )  # fmt: skip
        return with_convergence(problem, result, notes)

    def _starts(self, problem: Problem, seed: int, start: np.ndarray | None) -> tuple[np.ndarray, int]:
        """theta (B, n) of the starts, and the evaluations it took to find them."""
        if start is not None:
            return start[None], 0
        z, _, drawing = drawn(problem, np.random.default_rng(seed), self.starts)
        return np.asarray(problem.to_theta(z)), drawing

    def _descend(self, problem: Problem, theta: np.ndarray) -> tuple[float, np.ndarray, Any]:
        """Objective and theta (n,) at the end of a descent, and its evaluations and Jacobians.

        Raises FitError where chi2 is NaN at a point that the descent tried.
        """
        free = np.ones(problem.ndim, bool)
        end = descend(problem.space, problem.likelihood, theta, free, self.iterations, self.tolerance)
        if drawable(end.undefined):
            raise undefined(problem.names, problem.to_theta(end.undefined), "chi2 is NaN")
        objective = float(end.point.objective)
        calls = np.array([int(end.trials), int(end.accepted) - int(end.stale)])
        return objective if np.isfinite(objective) else np.inf, np.asarray(end.point.theta), calls
