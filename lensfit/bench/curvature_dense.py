"""F = T^T w_tilde T with w_tilde a matrix (M, M) that is ready, in NumPy, numba and JAX.

T is given by its entries, indices and weights (M, B). Reference implementations: written to be read, each the
plain way to say it in its language.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse
from numba import njit

from lensfit.bench.inversion import Inversion


def called(function: Callable[..., jax.Array], *arrays: np.ndarray) -> Callable[[], jax.Array]:
    """A call of a compiled function that waits for its result; the arrays are JAX's before it is timed."""
    given = [jnp.asarray(array) for array in arrays]
    return lambda: function(*given).block_until_ready()


def _dense_mapping(indices: Any, weights: Any, sources: int) -> np.ndarray:
    matrix = np.zeros((len(indices), sources))
    np.add.at(matrix, (np.arange(len(indices))[:, None], indices), weights)
    return matrix


def numpy_dense(case: Inversion) -> Callable[[], np.ndarray]:
    """Two products of matrices, T made dense first."""

    def run() -> np.ndarray:
        matrix = _dense_mapping(*case.mapping, case.source_pixels)
        return matrix.T @ (case.dense @ matrix)

    return run


def jax_dense(case: Inversion) -> Callable[[], jax.Array]:
    """The same in JAX."""

    @jax.jit
    def run(w: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        rows = jnp.arange(len(indices))[:, None]
        matrix = jnp.zeros((len(indices), case.source_pixels)).at[rows, indices].add(weights)
        return matrix.T @ (w @ matrix)

    return called(run, case.dense, *case.mapping)


@njit(fastmath=True)
def _sparse(w: Any, indices: Any, weights: Any, sources: int) -> Any:
    half = np.zeros((sources, len(indices)))
    for n in range(len(indices)):
        for b in range(indices.shape[1]):
            s, weight = indices[n, b], weights[n, b]
            for m in range(len(indices)):
                half[s, m] += weight * w[n, m]
    out = np.zeros((sources, sources))
    for s in range(sources):
        for m in range(len(indices)):
            for b in range(indices.shape[1]):
                out[s, indices[m, b]] += half[s, m] * weights[m, b]
    return out


def numba_sparse(case: Inversion) -> Callable[[], np.ndarray]:
    """T^T w_tilde by the entries of T, three loops, the innermost along a row of w_tilde; then times T."""
    w, (indices, weights) = case.dense, case.mapping
    return lambda: _sparse(w, indices, weights, case.source_pixels)


def add_entries(product: jax.Array, indices: jax.Array, weights: jax.Array, sources: int) -> jax.Array:
    """T^T X of X (M, ...) by the entries of T, added up one by one."""
    spread = weights.reshape(*weights.shape, 1) * product[:, None]
    return jnp.zeros((sources, product.shape[1])).at[indices].add(spread)


def jax_sparse(case: Inversion) -> Callable[[], jax.Array]:
    """The same two steps, each a scatter-add; w_tilde is symmetric."""

    @jax.jit
    def run(w: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        half = add_entries(w, indices, weights, case.source_pixels)
        return add_entries(half.T, indices, weights, case.source_pixels)

    return called(run, case.dense, *case.mapping)


def bcoo(indices: jax.Array, weights: jax.Array, sources: int) -> Any:
    """T as JAX's sparse matrix."""
    rows = jnp.broadcast_to(jnp.arange(len(indices))[:, None], indices.shape)
    places = jnp.stack([rows.ravel(), indices.ravel()], axis=1)
    return sparse.BCOO((weights.ravel(), places), shape=(len(indices), sources))


def jax_bcoo(case: Inversion) -> Callable[[], jax.Array]:
    """Products with T as JAX's sparse matrix."""

    @jax.jit
    def run(w: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        matrix = bcoo(indices, weights, case.source_pixels)
        return matrix.T @ (matrix.T @ w).T

    return called(run, case.dense, *case.mapping)
