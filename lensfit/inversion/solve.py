"""The regularised linear system A s = D, A = F + lambda C, with s >= 0 where asked, and its determinant.

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
from jax.scipy.linalg import cho_solve

PATIENCE = 3
"""Exchanges of all that offend which may bring no fewer of them, before one at a time is exchanged."""
MOST_EXCHANGES = 500
TOLERANCE = 1e-11
"""A slope below this share of the terms that it is made of is none."""


def solve(
    matrix: jax.Array, vector: jax.Array, positive: tuple[bool, ...], lights: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """s (N,) of least 1/2 s^T A s - s^T D, which of it move (N,), and ln det A; see above.

    NaN where A is not positive definite. Differentiable by reverse mode with the moving ones held, which is
    exact wherever a small step changes none of them.

    Args:
        matrix: A (N, N). vector: D (N,).
        positive: (N,) whether s is kept >= 0.
        lights: K.
    """
    if not any(positive):
        moving, ended = jnp.ones(len(vector), bool), True
    elif any(positive[: len(vector) - lights]):
        moving, ended = _moving(lax.stop_gradient(matrix), lax.stop_gradient(vector), np.array(positive))
    else:
        moving, ended = _moving_lights(lax.stop_gradient(matrix), lax.stop_gradient(vector), positive, lights)
    found: Any = _within(lights, matrix, vector, moving)
    return jnp.where(ended, found[0], jnp.nan), moving, found[1]


def log_determinant(matrix: jax.Array, moving: jax.Array) -> jax.Array:
    """ln det of the rows and columns of a positive definite matrix that move; by reverse mode differentiable."""
    found: Any = _within(0, matrix, jnp.zeros(len(matrix)), moving)
    return found[1]


def covariance(matrix: jax.Array, moving: jax.Array) -> jax.Array:
    """Inverse (N, N) of the rows and columns that move, zero elsewhere."""
    return _inverse(_factor(matrix, moving), moving)


def _factor(matrix: jax.Array, moving: jax.Array) -> jax.Array:
    """Cholesky factor, with rows and columns of the identity for what is held."""
    both = moving[:, None] & moving
    return jnp.linalg.cholesky(jnp.where(both, matrix, jnp.diag(jnp.where(moving, 0.0, 1.0))))


def _inverse(factor: jax.Array, moving: jax.Array) -> jax.Array:
    whole = cho_solve((factor, True), jnp.eye(len(factor)))
    return jnp.where(moving[:, None] & moving, whole, 0.0)


def _small_inverse(block: jax.Array, held: jax.Array) -> jax.Array:
    """Inverse (K, K) of the rows and columns of a block that are held, zero elsewhere."""
    if not len(held):
        return block
    return covariance(block, held)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _within(lights: int, matrix: jax.Array, vector: jax.Array, moving: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _forward(lights, matrix, vector, moving)[0]


def _forward(lights: int, matrix: jax.Array, vector: jax.Array, moving: jax.Array) -> Any:
    """The amplitudes that are held are put to zero after the solve: all share one factor with the determinant."""
    size = len(vector)
    last = jnp.arange(size) >= size - lights
    counted, held = moving | last, ~moving[size - lights :]
    factor = _factor(matrix, counted)
    s = cho_solve((factor, True), jnp.where(counted, vector, 0.0))
    columns = cho_solve((factor, True), jnp.eye(size)[:, size - lights :])
    pull = _small_inverse(columns[size - lights :], held)
    s = jnp.where(moving, s - columns @ (pull @ s[size - lights :]), 0.0)
    return (s, 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))), (factor, pull, s, moving, counted)


def _backward(lights: int, kept: Any, cotangents: Any) -> Any:
    factor, pull, s, moving, counted = kept
    toward_s, toward_log_det = cotangents
    inverse = _inverse(factor, counted)
    columns = inverse[:, len(s) - lights :]
    toward_s = jnp.where(moving, toward_s, 0.0)
    vector = jnp.where(moving, inverse @ toward_s - columns @ (pull @ (columns.T @ toward_s)), 0.0)
    return toward_log_det * inverse - vector[:, None] * s, vector, None


_within.defvjp(_forward, _backward)


def _moving_lights(
    matrix: jax.Array, vector: jax.Array, positive: tuple[bool, ...], lights: int
) -> tuple[Any, Any]:
    """`_moving` where only amplitudes are kept >= 0: of the K equations that are left without the source."""
    size = len(vector) - lights
    factor = jnp.linalg.cholesky(matrix[:size, :size])
    both = cho_solve((factor, True), jnp.column_stack([matrix[:size, size:], vector[:size]]))
    schur = matrix[size:, size:] - matrix[size:, :size] @ both[:, :-1]
    rest = vector[size:] - matrix[size:, :size] @ both[:, -1]
    moving, ended = _moving(schur, rest, np.array(positive[size:]))
    return jnp.concatenate([jnp.ones(size, bool), moving]), ended


def _moving(matrix: jax.Array, vector: jax.Array, positive: np.ndarray) -> tuple[Any, Any]:
    """(N,) False for what s >= 0 holds at zero, and whether they were found in MOST_EXCHANGES.

    Block principal pivoting (Judice & Pires 1994): all that offend are exchanged together, or, where that
    brings no fewer of them for a while, the last one alone.
    """
    size = len(vector)

    def offending(moving: jax.Array) -> jax.Array:
        s = cho_solve((_factor(matrix, moving), True), jnp.where(moving, vector, 0.0))
        slope = matrix @ s - vector
        bound = -TOLERANCE * (jnp.abs(matrix) @ jnp.abs(s) + jnp.abs(vector))
        return jnp.asarray(positive) & jnp.where(moving, s < 0, slope < bound)

    def step(state: Any) -> Any:
        moving, bad, least, patience, count = state
        number = jnp.sum(bad)
        better = number < least
        together = better | (patience > 0)
        last = jnp.arange(size) == jnp.max(jnp.where(bad, jnp.arange(size), -1))
        moving = jnp.where(bad & (together | last), ~moving, moving)
        patience = jnp.where(better, PATIENCE, jnp.maximum(patience - 1, 0))
        return moving, offending(moving), jnp.minimum(least, number), patience, count + 1

    every = jnp.ones(size, bool)
    state = every, offending(every), jnp.asarray(size + 1), jnp.asarray(PATIENCE), 0
    end = lax.while_loop(lambda state: jnp.any(state[1]) & (state[4] < MOST_EXCHANGES), step, state)
    return end[0], ~jnp.any(end[1])
