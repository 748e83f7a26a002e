"""The regularised linear system A s = D, A = F + lambda C, with s >= 0 where asked, and the ln evidence of its source.

The unknowns are S source coefficients and then K amplitudes of light. What s >= 0 holds at zero is said by
`moving` (S + K,), False there. A source coefficient that is held leaves the determinant; amplitudes stay in it,
else ln evidence would jump by several whenever one of them reaches zero.
"""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.scipy.linalg import cho_solve, solve_triangular

from lensfit.errors import ModelError
from lensfit.inversion.regularisation import regularisation
from lensfit.native import Engine, by_engine, named_kernel
from lensfit.profiles import PixelSource
from lensfit.pytree import pytree

KERNELS = "lensfit.inversion.algebra_kernels"
PATIENCE = 3
"""Exchanges of all that offend which may bring no fewer of them."""
MOST_EXCHANGES = 500
TOLERANCE = 1e-11
"""A slope below this share of the terms that it is made of is none."""


def solve(
    matrix: jax.Array, vector: jax.Array, positive: tuple[bool, ...], lights: int, engine: Engine
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """s (N,) of least 1/2 s^T A s - s^T D, which of it move (N,), and ln det A; see above.

    NaN where A is not positive definite. Differentiable by reverse mode with the moving ones held, which is
    exact wherever a small step changes none of them.

    Args:
        matrix: A (N, N). vector: D (N,).
        positive: (N,) whether s is kept >= 0.
        lights: K.
    """
    size = len(vector) - lights
    start = None
    if any(positive[:size]):
        start = _moving(engine, lax.stop_gradient(matrix), lax.stop_gradient(vector), np.array(positive))
    found: Any = _within(positive[size:], engine, matrix, vector, start)
    return found


def log_determinant(matrix: jax.Array, moving: jax.Array, engine: Engine) -> jax.Array:
    """ln det of the rows and columns of a positive definite matrix that move; by reverse mode differentiable."""
    found: Any = _within((), engine, matrix, jnp.zeros(len(matrix)), (moving, True))
    return found[2]


def covariance(matrix: jax.Array, moving: jax.Array) -> jax.Array:
    """Inverse (N, N) of the rows and columns that move, zero elsewhere."""
    factor = jnp.linalg.cholesky(_held(matrix, moving))
    return jnp.where(moving[:, None] & moving, cho_solve((factor, True), jnp.eye(len(factor))), 0.0)


def _held(matrix: jax.Array, moving: jax.Array) -> jax.Array:
    """The matrix with rows and columns of the identity for what does not move."""
    return jnp.where(moving[:, None] & moving, matrix, jnp.diag(jnp.where(moving, 0.0, 1.0)))


def _factor(engine: Engine, matrix: jax.Array, vector: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Cholesky factor of A, of which the lower half counts, s of A s = vector, and ln det A."""
    like = lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype)  # noqa: E731
    result = like(matrix), like(vector), jax.ShapeDtypeStruct((1,), vector.dtype)
    native = lambda *given: tuple(named_kernel(KERNELS, "solve_call")(result, *given, in_place=True))  # noqa: E731

    def plain(matrix: jax.Array, vector: jax.Array) -> Any:
        factor = jnp.linalg.cholesky(matrix)
        log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
        return factor, cho_solve((factor, True), vector), log_det[None]

    factor, s, log_det = by_engine(engine, native, plain, matrix, vector)
    return factor, s, log_det[0]


def _inverse(engine: Engine, factor: jax.Array) -> jax.Array:
    """A^-1 (N, N)."""
    result = jax.ShapeDtypeStruct(factor.shape, factor.dtype)
    native = lambda factor: named_kernel(KERNELS, "inverse_call")(result, factor, in_place=True)  # noqa: E731
    plain = lambda factor: cho_solve((factor, True), jnp.eye(len(factor)))  # noqa: E731
    return by_engine(engine, native, plain, factor)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _within(positive: tuple[bool, ...], engine: Engine, matrix: jax.Array, vector: jax.Array, start: Any) -> Any:
    """`solve` with what moves where the source is positive, and whether it was found; positive: of the K."""
    return _forward(positive, engine, matrix, vector, start)[0]


def _forward(positive: tuple[bool, ...], engine: Engine, matrix: jax.Array, vector: jax.Array, start: Any) -> Any:
    """Amplitudes that are held are put to zero after the solve: they share one factor with the determinant."""
    size = len(vector) - len(positive)
    moving, ended = (jnp.ones(len(vector), bool), True) if start is None else start
    counted = None if start is None else moving | (jnp.arange(len(vector)) >= size)
    if counted is not None:
        matrix, vector = _held(matrix, counted), jnp.where(counted, vector, 0.0)
    factor, s, log_det = _factor(engine, matrix, vector)
    if any(positive):
        corner = jnp.tril(factor[size:, size:])
        schur = corner @ corner.T  # what the K equations are without the source
        keep = moving[size:]
        if start is None:
            keep, ended = _moving(engine, schur, schur @ s[size:], np.array(positive))
        amplitudes = _restricted(engine, schur, schur @ s[size:], keep)
        shift = factor[size:, :size].T @ (s[size:] - amplitudes)
        shift = solve_triangular(factor[:size, :size], shift, lower=True, trans=1)
        s = jnp.concatenate([s[:size] + shift, amplitudes])
        moving = jnp.concatenate([moving[:size], keep])
    s = jnp.where(ended, s, jnp.nan)
    return (s, moving, log_det), (factor, s, moving, counted)


def _restricted(engine: Engine, matrix: jax.Array, vector: jax.Array, moving: jax.Array) -> jax.Array:
    """s (N,) of the equations that move, zero elsewhere."""
    return _factor(engine, _held(matrix, moving), jnp.where(moving, vector, 0.0))[1]


def _backward(positive: tuple[bool, ...], engine: Engine, kept: Any, cotangents: Any) -> Any:
    """With y = A^-1 s_bar over what moves: A_bar = log_det_bar A^-1 - (y s^T + s y^T) / 2, D_bar = y."""
    factor, s, moving, counted = kept
    toward_s, _, toward_log_det = cotangents
    inverse = _inverse(engine, factor)
    if counted is not None:
        inverse = jnp.where(counted[:, None] & counted, inverse, 0.0)
    toward_s = jnp.where(moving, toward_s, 0.0)
    y = inverse @ toward_s
    if any(positive):
        size = len(s) - len(positive)
        pull = _restricted(engine, inverse[size:, size:], y[size:], ~moving[size:])
        y = jnp.where(moving, y - inverse[:, size:] @ pull, 0.0)
    outer = y[:, None] * s
    return toward_log_det * inverse - 0.5 * (outer + s[:, None] * y), y, None


_within.defvjp(_forward, _backward)


def _moving(engine: Engine, matrix: jax.Array, vector: jax.Array, positive: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """(N,) False for what s >= 0 holds at zero, and whether MOST_EXCHANGES were enough to find it.

    Block principal pivoting (Judice & Pires 1994): all that offend are exchanged together. Where that brings no fewer
    of them for a while, as with images of light that are nearly one another, it goes on from there as Lawson & Hanson
    (1974) do, which comes nearer with every step.
    """
    bounded, size = jnp.asarray(positive), len(vector)

    def at_zero(s: jax.Array, moving: jax.Array) -> tuple[jax.Array, jax.Array]:
        slope = vector - matrix @ s
        bound = TOLERANCE * (jnp.abs(matrix) @ jnp.abs(s) + jnp.abs(vector))
        return bounded & ~moving & (slope > bound), slope

    def offending(moving: jax.Array) -> tuple[jax.Array, jax.Array]:
        s = _restricted(engine, matrix, vector, moving)
        return bounded & moving & (s < 0) | at_zero(s, moving)[0], s

    def exchange(state: Any) -> Any:
        moving, (bad, _), least, patience = state
        number, moving = jnp.sum(bad), moving ^ bad
        patience = jnp.where(number < least, PATIENCE, patience - 1)
        return moving, offending(moving), jnp.minimum(least, number), patience

    def nearer(state: Any) -> Any:
        moving, s, refused, count, _ = state
        end = _restricted(engine, matrix, vector, moving)
        falls = bounded & moving & (end <= 0)
        arrived = ~jnp.any(falls)
        share = jnp.where(falls, s / jnp.where(falls, s - end, 1.0), 1.0)
        way = jnp.min(share)
        out = falls & (share <= way)
        asks, slope = at_zero(end, moving)
        refused = jnp.where(arrived & jnp.any(end != s), False, refused | out & (s == 0))
        gain = jnp.where(asks & ~refused, slope**2 / jnp.diagonal(matrix), 0.0)
        enters = (jnp.arange(size) == jnp.argmax(gain)) & (gain > 0)
        s = jnp.where(out, 0.0, jnp.where(arrived, end, s + way * (end - s)))
        moving = jnp.where(arrived, moving | enters, moving & ~out)
        return moving, s, refused, count + 1, arrived & ~jnp.any(enters)

    every = jnp.ones(size, bool)
    begun = every, offending(every), jnp.asarray(size + 1), jnp.asarray(PATIENCE)
    moving, (bad, s), *_ = lax.while_loop(lambda now: jnp.any(now[1][0]) & (now[3] > 0), exchange, begun)
    moving = jnp.where(jnp.any(bad), moving & (~bounded | (s > 0)), moving)
    begun = moving, jnp.where(moving, s, 0.0), jnp.zeros(size, bool), 0, ~jnp.any(bad)
    moving, *_, done = lax.while_loop(lambda now: ~now[4] & (now[3] < MOST_EXCHANGES), nearer, begun)
    return moving, done


@pytree
class Normal:
    """What data say of the unknowns s (N,): chi2(s) = s^T F s - 2 s^T D + constant; `log_norm` makes it ln L.

    Several datasets of one source add up.
    """

    curvature: jax.Array
    vector: jax.Array
    constant: jax.Array
    log_norm: jax.Array

    def plus(self, other: Normal) -> Normal:
        """Of both datasets."""
        return jax.tree.map(jnp.add, self, other)


@pytree
class Solution:
    """The most probable s (N,), S source coefficients and then K amplitudes, and what ln evidence is made of.

    ln evidence = -1/2 (chi2 + penalty + log_det_system - log_det_prior) + log_norm; the penalty is
    lambda s^T C s and for each amplitude its square over that of its prior's width. `system` (N, N) is
    F + lambda C, `moving` (N,) what s >= 0 does not hold at zero.
    """

    s: jax.Array
    moving: jax.Array
    system: jax.Array
    chi2: jax.Array
    penalty: jax.Array
    log_det_system: jax.Array
    log_det_prior: jax.Array
    log_norm: jax.Array
    log_evidence: jax.Array

    def covariance(self) -> jax.Array:
        """Posterior covariance (N, N) of s, zero for what does not move."""
        return covariance(self.system, self.moving)


def solution(normal: Normal, source: PixelSource, width: Any, positive: np.ndarray, engine: Engine) -> Solution:
    """Solve for the source and K amplitudes of light, normal a priori about zero with standard deviation `width`.

    Args:
        positive: (K,) whether each amplitude is kept >= 0.

    Raises:
        ModelError: the system is not positive definite; the pixels that no datum constrains are named. Inside a
            compiled program that cannot be said: ln evidence is NaN.
    """
    held, lights, size = regularisation(source), len(positive), source.pixels**2
    light = np.arange(size, size + lights)
    system = held.plus(normal.curvature).at[light, light].add(width**-2.0)
    flags = (source.positive,) * size + tuple(bool(p) for p in positive)
    s, moving, log_det_system = solve(system, normal.vector, flags, lights, engine)
    log_det_prior = held.log_det
    if source.positive:
        matrix = held.plus(jnp.zeros((size, size)))
        log_det_prior = log_determinant(matrix, moving[:size], engine)
    log_det_prior -= 2 * lights * jnp.log(width)
    total = normal.constant - s @ normal.vector  # s (A s - D) = 0, held or not
    penalty = held.penalty(s[:size]) + jnp.sum((s[size:] / width) ** 2)
    log_evidence = -0.5 * (total + log_det_system - log_det_prior) + normal.log_norm
    _check(log_evidence, normal.curvature, source)
    return Solution(
        s=s, moving=moving, system=system, chi2=total - penalty, penalty=penalty, log_det_system=log_det_system,
        log_det_prior=log_det_prior, log_norm=normal.log_norm, log_evidence=log_evidence,
    )


def _check(log_evidence: jax.Array, curvature: jax.Array, source: PixelSource) -> None:
    if isinstance(log_evidence, Tracer) or np.isfinite(log_evidence):
        return
    seen = np.diag(np.asarray(curvature))[: source.pixels**2]
    if not np.all(np.isfinite(seen)):
        raise ModelError("ln evidence is not finite: a ray of the lens model is not (NaN in the deflection)")
    dark = [divmod(int(k), source.pixels) for k in np.flatnonzero(seen <= 0)]
    named = ", ".join(map(str, dark[:8])) + (", ..." if len(dark) > 8 else "")
    raise ModelError(
        f"the system of the pixelised source is not positive definite at strength {float(source.strength):.3g}: "
        f"no datum constrains {len(dark)} of its {source.pixels**2} pixels{' (row, column) ' if dark else ''}{named}. "
        "Raise the strength, or make half_width smaller"
    )
