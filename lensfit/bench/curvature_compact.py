"""F = T^T w_tilde T from the distinct values of w_tilde alone, w_compact, in numba and JAX; and lensfit's own.

Memory no longer goes with M^2, where w_tilde is looked up value by value. Reference implementations.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numba import njit

from lensfit.bench.curvature_dense import add_entries, bcoo, called
from lensfit.bench.inversion import Inversion
from lensfit.inversion import MappingMatrix, curvature


@njit(fastmath=True)
def _transposed(product: Any, indices: Any, weights: Any, sources: int) -> Any:
    """T^T X."""
    out = np.zeros((sources, sources))
    for m in range(len(indices)):
        for b in range(indices.shape[1]):
            for s in range(sources):
                out[indices[m, b], s] += weights[m, b] * product[m, s]
    return out


@njit(fastmath=True)
def _compact_sparse(w: Any, pixels: Any, indices: Any, weights: Any, sources: int) -> Any:
    grid = (len(w) + 1) // 2
    product = np.zeros((len(indices), sources))
    for m in range(len(indices)):
        for n in range(len(indices)):
            value = w[pixels[m, 0] - pixels[n, 0] + grid - 1, pixels[m, 1] - pixels[n, 1] + grid - 1]
            for b in range(indices.shape[1]):
                product[m, indices[n, b]] += value * weights[n, b]
    return _transposed(product, indices, weights, sources)


def numba_compact_sparse(case: Inversion) -> Callable[[], np.ndarray]:
    """X = w_tilde T by the entries of T, then T^T X; each value of w_tilde is looked up once."""
    return lambda: _compact_sparse(case.compact, case.pixels, *case.mapping, case.source_pixels)


def _looked_up(w: jax.Array, pixels: jax.Array) -> jax.Array:
    """w_tilde (M, M) from its distinct values."""
    offset = pixels[:, None] - pixels[None] + (len(w) + 1) // 2 - 1
    return w[offset[..., 0], offset[..., 1]]


def jax_compact_sparse(case: Inversion) -> Callable[[], jax.Array]:
    """The same two steps as scatter-adds; XLA writes w_tilde out on the way."""

    @jax.jit
    def run(w: jax.Array, pixels: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        half = add_entries(_looked_up(w, pixels), indices, weights, case.source_pixels)
        return add_entries(half.T, indices, weights, case.source_pixels)

    return called(run, case.compact, case.pixels, *case.mapping)


def jax_compact_bcoo(case: Inversion) -> Callable[[], jax.Array]:
    """The same with T as JAX's sparse matrix."""

    @jax.jit
    def run(w: jax.Array, pixels: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        matrix = bcoo(indices, weights, case.source_pixels)
        return matrix.T @ (matrix.T @ _looked_up(w, pixels)).T

    return called(run, case.compact, case.pixels, *case.mapping)


@njit(fastmath=True)
def _direct(w: Any, shift: int, pixels: Any, indices: Any, weights: Any, sources: int) -> Any:
    out = np.zeros((sources, sources))
    for m in range(len(indices)):
        for n in range(len(indices)):
            value = w[pixels[m, 0] - pixels[n, 0] + shift, pixels[m, 1] - pixels[n, 1] + shift]
            for a in range(indices.shape[1]):
                for b in range(indices.shape[1]):
                    out[indices[m, a], indices[n, b]] += weights[m, a] * value * weights[n, b]
    return out


def numba_compact_direct(case: Inversion) -> Callable[[], np.ndarray]:
    """One sum over all pairs of entries of T, four loops; nothing is kept but F."""
    shift = case.tracks.grid - 1
    return lambda: _direct(case.compact, shift, case.pixels, *case.mapping, case.source_pixels)


def numba_preload_direct(case: Inversion) -> Callable[[], np.ndarray]:
    """The same from values in four quadrants, w[j, i] with negative offsets counted from the end."""
    grid = case.tracks.grid
    quadrants = np.zeros((2 * grid, 2 * grid))
    j = np.arange(1 - grid, grid)
    quadrants[np.ix_(j, j)] = case.compact
    return lambda: _direct(quadrants, 0, case.pixels, *case.mapping, case.source_pixels)


def lensfit(case: Inversion) -> Callable[[], jax.Array]:
    """`lensfit.inversion.curvature`, compiled, the route left to it."""
    indices, _ = case.mapping
    mask = case.tracks.mask

    @jax.jit
    def run(w: jax.Array, weights: jax.Array) -> jax.Array:
        return curvature(MappingMatrix.of(indices, weights, mask, case.source_pixels), w)

    return called(run, case.compact, case.mapping[1])
