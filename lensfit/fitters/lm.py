"""Levenberg-Marquardt with variable projection: the amplitudes solved exactly at every point."""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lensfit.pytree import pytree, replace
from lensfit.space import Space

STEP = 0.5
"""Longest step of one parameter, in widths of its prior."""


@pytree
class Point:
    """A point of a descent: z and theta (n,), amplitudes (K,), objective = chi2 + |z|^2.

    `residuals` (H, W) and `columns` (K, H, W), the images of unit amplitude, are whitened.
    """

    z: jax.Array
    theta: jax.Array
    amplitudes: jax.Array
    objective: jax.Array
    chi2: jax.Array
    residuals: jax.Array
    columns: jax.Array


@pytree
class System:
    """Half the objective to second order in (z, amplitudes): `curvature` (n + K, n + K), `slope` (n + K,)."""

    curvature: jax.Array
    slope: jax.Array


@pytree
class Descent:
    """A descent under way: the best point, the system at it (or at its predecessor while `stale`)."""

    point: Point
    system: System
    stale: jax.Array
    damping: jax.Array
    accepted: jax.Array
    trials: jax.Array
    small: jax.Array
    done: jax.Array


@partial(jax.jit, static_argnames="groups")
def descend(
    space: Space,
    likelihood: Any,
    theta: jax.Array,
    free: jax.Array,
    iterations: Any,
    tolerance: Any,
    groups: tuple[str, ...] = ("light", "source"),
) -> Descent:
    """Minimise chi2 + |z|^2 from theta (n,) over the parameters flagged in free (n,).

    Only the light of the named groups is modelled (`LensModel.only`), beside the likelihood's templates.
    Ends after `iterations` accepted steps, when a step promises less than 0.3 `tolerance`, after two steps
    that each gained less than `tolerance`, or when no step helps any more.
    """
    z = space.to_z(theta)
    shapes = jax.eval_shape(partial(evaluate, groups=groups), space, likelihood, z)
    point = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    point = replace(point, z=z, objective=jnp.asarray(jnp.inf))  # not seen yet: the first trial stays there
    size = z.shape[0] + point.amplitudes.shape[0]
    start = Descent(
        point=point,
        system=System(curvature=jnp.zeros((size, size)), slope=jnp.zeros(size)),
        stale=jnp.asarray(False),
        damping=jnp.asarray(1e-2),
        accepted=jnp.asarray(0),
        trials=jnp.asarray(0),
        small=jnp.asarray(0),
        done=jnp.asarray(False),
    )
    go_on = lambda s: (s.accepted <= iterations) & ~s.done  # noqa: E731
    return lax.while_loop(go_on, partial(_advance, space, likelihood, free, tolerance, groups), start)


def evaluate(space: Space, likelihood: Any, z: jax.Array, groups: tuple[str, ...]) -> Point:
    """The point at z with its amplitudes solved."""
    theta = space.to_theta(z)
    model = space.build(theta).only(*groups)
    columns, target = likelihood.columns(model), -likelihood.residuals(model)
    amplitudes = likelihood.solve(model, columns, target)
    residuals = jnp.tensordot(amplitudes, columns, 1) - target
    chi2 = jnp.sum(residuals * residuals)
    return Point(
        z=z,
        theta=theta,
        amplitudes=amplitudes,
        objective=chi2 + z @ z,
        chi2=chi2,
        residuals=residuals,
        columns=columns,
    )


def linear_system(space: Space, likelihood: Any, point: Point, groups: tuple[str, ...]) -> System:
    """Gauss-Newton system at a point; images in single precision, which only bends the step a little."""
    own = len(space.build(point.theta).only(*groups).positive())

    def light(z: jax.Array) -> jax.Array:
        model = space.build(space.to_theta(z)).only(*groups)
        return likelihood.light(model.filled(point.amplitudes[:own]))

    _, push = jax.linearize(light, point.z)
    slopes = likelihood.whiten(jax.vmap(push)(jnp.eye(point.z.shape[0])))
    rows = jnp.concatenate([slopes, point.columns.astype(slopes.dtype)])
    rows = rows.reshape(rows.shape[0], -1)
    prior = jnp.concatenate([jnp.ones_like(point.z), jnp.zeros_like(point.amplitudes)])
    value = jnp.concatenate([point.z, jnp.zeros_like(point.amplitudes)])
    curvature = (rows @ rows.T).astype(point.z.dtype) + jnp.diag(prior)
    slope = (rows @ point.residuals.ravel().astype(rows.dtype)).astype(point.z.dtype) + value
    return System(curvature=curvature, slope=slope)


def _advance(
    space: Space, likelihood: Any, free: jax.Array, tolerance: Any, groups: tuple[str, ...], now: Descent
) -> Descent:
    """One trial step: taken and less damped if it helps, refused and more damped if not."""
    point = now.point
    system = lax.cond(
        now.stale, lambda: linear_system(space, likelihood, point, groups), lambda: now.system
    )
    model = space.build(point.theta).only(*groups)
    active = ~likelihood.positive(model) | (point.amplitudes > 0)
    step, promise = _damped_step(system, free, active, now.damping)
    first = now.trials == 0
    step = jnp.where(first, 0.0, step)
    stop = (promise < 0.3 * tolerance) & (now.damping < 1e-2) & ~first
    trial = evaluate(space, likelihood, point.z + step, groups)
    gain = point.objective - trial.objective
    better = (gain > 0) & ~stop
    small = jnp.where(better, jnp.where(gain < tolerance, now.small + 1, 0), now.small)
    damping = jnp.where(
        better, jnp.maximum(now.damping * 0.15, 1e-9), jnp.maximum(now.damping, 1e-6) * 5
    )
    damping = jnp.where(first & better, now.damping, damping)
    return Descent(
        point=jax.tree.map(lambda new, old: jnp.where(better, new, old), trial, point),
        system=system,
        stale=better,
        damping=damping,
        accepted=now.accepted + better,
        trials=now.trials + 1,
        small=small,
        done=stop | (small >= 2) | (damping > 1e8),
    )


def _damped_step(
    system: System, free: jax.Array, active: jax.Array, damping: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Step of z (n,) and the gain in the objective that the system promises for it."""
    count = free.shape[0]
    moving = jnp.concatenate([free, active])
    curvature = jnp.where(moving[:, None] & moving[None], system.curvature, 0.0)
    slope = jnp.where(moving, system.slope, 0.0)
    slope = slope.at[count:].set(0.0)  # the amplitudes are at their best already
    diagonal = jnp.maximum(jnp.diagonal(curvature), 1e-12 * jnp.max(jnp.diagonal(curvature)) + 1e-30)
    extra = jnp.concatenate([jnp.full(count, 1.0) * damping, jnp.full(active.shape[0], 1e-7)])
    matrix = curvature + jnp.diag(jnp.where(moving, extra * diagonal, 1.0))
    step = jnp.linalg.solve(matrix, -slope)
    promise = -(2 * slope @ step + step @ curvature @ step)
    return jnp.where(free, jnp.clip(step[:count], -STEP, STEP), 0.0), promise
