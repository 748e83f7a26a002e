"""The ways to F = T^T w_tilde T that are measured, in NumPy, numba and JAX; and lensfit's own.

T is given by its entries, indices and weights (M, B). The dense ways take w_tilde as a matrix (M, M) that is ready;
the compact ones look it up value by value among its distinct ones, so that memory does not go with M^2. Reference
implementations: written to be read, each the plain way to say it in its language.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse
from numba import njit

from lensfit.bench.mock import PIXEL_SCALE, SOURCES, Tracks, curvature_block, lensed_mapping
from lensfit.bench.rows import Implementation
from lensfit.inversion import MappingMatrix, curvature
from lensfit.operators.w_tilde import w_compact


@dataclass(frozen=True, kw_only=True, eq=False)
class Inversion:
    """A case: tracks and a mapping matrix; w_tilde is made once, before anything is timed."""

    tracks: Tracks
    source_pixels: int
    neighbours: int

    @cached_property
    def mapping(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices and weights (M, B)."""
        return lensed_mapping(self.tracks.mask, self.source_pixels, self.neighbours)

    @cached_property
    def compact(self) -> np.ndarray:
        """w_compact (2N - 1, 2N - 1)."""
        t = self.tracks
        return np.ascontiguousarray(w_compact(t.u, t.v, t.weights, (t.grid, t.grid), PIXEL_SCALE))

    @cached_property
    def pixels(self) -> np.ndarray:
        """Row and column (M, 2) of the pixels."""
        return np.argwhere(self.tracks.mask)

    @cached_property
    def dense(self) -> np.ndarray:
        """w_tilde (M, M)."""
        offset = self.pixels[:, None] - self.pixels[None] + self.tracks.grid - 1
        return self.compact[offset[..., 0], offset[..., 1]]

    @cached_property
    def exact(self) -> tuple[np.ndarray, np.ndarray]:
        """Source pixels, and F between them by a sum over visibilities."""
        chosen = np.unique(np.linspace(0, self.source_pixels - 1, SOURCES).astype(int))
        return chosen, curvature_block(self.tracks, *self.mapping, chosen)

    @property
    def pairs(self) -> float:
        """M^2."""
        return float(np.count_nonzero(self.tracks.mask)) ** 2

    @property
    def columns(self) -> float:
        """M S."""
        return float(np.count_nonzero(self.tracks.mask) * self.source_pixels)


def curvature_error(case: Inversion, result: Any) -> float:
    """Largest difference of F from the exact sum, over its largest value."""
    chosen, exact = case.exact
    return float(np.abs(np.asarray(result)[np.ix_(chosen, chosen)] - exact).max() / np.abs(exact).max())


def _called(function: Callable[..., jax.Array], *arrays: np.ndarray) -> Callable[[], jax.Array]:
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

    return _called(run, case.dense, *case.mapping)


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


def _add_entries(product: jax.Array, indices: jax.Array, weights: jax.Array, sources: int) -> jax.Array:
    """T^T X of X (M, ...) by the entries of T, added up one by one."""
    spread = weights.reshape(*weights.shape, 1) * product[:, None]
    return jnp.zeros((sources, product.shape[1])).at[indices].add(spread)


def jax_sparse(case: Inversion) -> Callable[[], jax.Array]:
    """The same two steps, each a scatter-add; w_tilde is symmetric."""

    @jax.jit
    def run(w: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        half = _add_entries(w, indices, weights, case.source_pixels)
        return _add_entries(half.T, indices, weights, case.source_pixels)

    return _called(run, case.dense, *case.mapping)


def _bcoo(indices: jax.Array, weights: jax.Array, sources: int) -> Any:
    """T as JAX's sparse matrix."""
    rows = jnp.broadcast_to(jnp.arange(len(indices))[:, None], indices.shape)
    places = jnp.stack([rows.ravel(), indices.ravel()], axis=1)
    return sparse.BCOO((weights.ravel(), places), shape=(len(indices), sources))


def jax_bcoo(case: Inversion) -> Callable[[], jax.Array]:
    """Products with T as JAX's sparse matrix."""

    @jax.jit
    def run(w: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        matrix = _bcoo(indices, weights, case.source_pixels)
        return matrix.T @ (matrix.T @ w).T

    return _called(run, case.dense, *case.mapping)


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
        half = _add_entries(_looked_up(w, pixels), indices, weights, case.source_pixels)
        return _add_entries(half.T, indices, weights, case.source_pixels)

    return _called(run, case.compact, case.pixels, *case.mapping)


def jax_compact_bcoo(case: Inversion) -> Callable[[], jax.Array]:
    """The same with T as JAX's sparse matrix."""

    @jax.jit
    def run(w: jax.Array, pixels: jax.Array, indices: jax.Array, weights: jax.Array) -> jax.Array:
        matrix = _bcoo(indices, weights, case.source_pixels)
        return matrix.T @ (matrix.T @ _looked_up(w, pixels)).T

    return _called(run, case.compact, case.pixels, *case.mapping)


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

    return _called(run, case.compact, case.mapping[1])


def implementations() -> list[Implementation[Inversion]]:
    """Every way; lensfit's own last."""
    made: list[Implementation[Inversion]] = []
    for name, prepare, matrix, columns, work, rate in (
        ("numpy_dense", numpy_dense, 1, 2, lambda c: 2 * c.pairs * c.source_pixels, 2e10),
        ("jax_dense", jax_dense, 1, 2, lambda c: 2 * c.pairs * c.source_pixels, 2e10),
        ("numba_sparse", numba_sparse, 1, 1, lambda c: c.pairs * c.neighbours, 1e9),
        ("jax_sparse", jax_sparse, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("jax_bcoo", jax_bcoo, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("numba_compact_sparse", numba_compact_sparse, 0, 1, lambda c: c.pairs * c.neighbours, 5e8),
        ("jax_compact_sparse", jax_compact_sparse, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("jax_compact_bcoo", jax_compact_bcoo, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("numba_compact_sparse_direct", numba_compact_direct, 0, 0, lambda c: c.pairs * c.neighbours**2, 5e8),
        ("numba_preload_direct", numba_preload_direct, 0, 0, lambda c: c.pairs * c.neighbours**2, 5e8),
        ("lensfit", lensfit, 0, 0, lambda c: c.pairs * c.neighbours, 1e10),
    ):
        made.append(Implementation(name, prepare, _bytes(matrix, columns), work, rate))
    return made


def _bytes(matrix: int, columns: int) -> Callable[[Inversion], float]:
    """w_tilde, arrays M x S, and what all have: F and w_compact."""
    return lambda c: 8.0 * (
        matrix * c.pairs + columns * c.columns + c.source_pixels**2 + (2 * c.tracks.grid) ** 2
    )
