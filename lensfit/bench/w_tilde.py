"""w_tilde_mn = sum_k w_k cos(2 pi (u_k (x_m - x_n) + v_k (y_m - y_n))) in NumPy, numba and JAX, as published.

"dense" makes the M x M matrix; "compact" its distinct values alone, at the offsets of two pixels, half of
which say everything: j from 0 to N - 1 in y, i from 1 - N to N - 1 in x. Reference implementations: written to
be read, each the plain way to say it in its language.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numba import njit, prange

from lensfit.bench.mock import PIXEL_SCALE, Tracks
from lensfit.bench.rows import Implementation
from lensfit.operators.w_tilde import w_compact


def implementations() -> list[Implementation[Tracks]]:
    """Every way, slowest idea first; lensfit's own last."""
    return [
        Implementation("numpy_dense", numpy_dense, lambda t: 8.0 * _pairs(t) * len(t.u), _cosines_of_pairs, 5e7),
        Implementation("numpy_dense_product", numpy_dense_product, _bytes_of_phases, _flops_of_product, 2e10),
        Implementation("numba_low_memory", numba_low_memory, lambda t: 8.0 * _pairs(t), _cosines_of_pairs, 1e8),
        Implementation("jax_low_memory", jax_low_memory, lambda t: 24.0 * _pairs(t), _cosines_of_pairs, 3e8),
        Implementation("numpy_compact", numpy_compact, lambda t: 16.0 * _cosines(t), _cosines, 5e7),
        Implementation("numba_compact", numba_compact, _bytes_of_offsets, _cosines, 1e8),
        Implementation("jax_compact", jax_compact, lambda t: 2 * _bytes_of_offsets(t), _cosines, 3e8),
        Implementation("numpy_separable", numpy_separable, _bytes_of_exponentials, _flops_of_separable, 2e10),
        Implementation("lensfit", lensfit, lambda t: 64.0 * (2 * t.grid) ** 2 + 64.0 * len(t.u), _cosines, 1e12),
    ]


def _phases(tracks: Tracks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2 pi u p, 2 pi v p (K,) [radians per pixel], and the pixels (M, 2) as (y, x)."""
    turn = 2 * np.pi * tracks.radians
    return turn * tracks.u, turn * tracks.v, np.argwhere(tracks.mask).astype(float)


def numpy_dense(tracks: Tracks) -> Callable[[], np.ndarray]:
    """One array of M x M x K cosines."""
    u, v, pixels = _phases(tracks)

    def run() -> np.ndarray:
        offsets = pixels[:, None] - pixels[None]
        return np.cos(offsets[..., 1:] * u + offsets[..., :1] * v) @ tracks.weights

    return run


def numpy_dense_product(tracks: Tracks) -> Callable[[], np.ndarray]:
    """cos(a - b) = cos a cos b + sin a sin b: two products of M x K matrices."""
    u, v, pixels = _phases(tracks)

    def run() -> np.ndarray:
        phase = pixels[:, 1:] * u + pixels[:, :1] * v
        cos, sin = np.cos(phase), np.sin(phase)
        return (cos * tracks.weights) @ cos.T + (sin * tracks.weights) @ sin.T

    return run


@njit(parallel=True, fastmath=True)
def _low_memory(u: Any, v: Any, weights: Any, pixels: Any) -> Any:
    out = np.empty((len(pixels), len(pixels)))
    for m in prange(len(pixels)):
        for n in range(m, len(pixels)):
            y, x = pixels[m, 0] - pixels[n, 0], pixels[m, 1] - pixels[n, 1]
            total = 0.0
            for k in range(len(u)):
                total += weights[k] * np.cos(x * u[k] + y * v[k])
            out[m, n] = total
            out[n, m] = total
    return out


def numba_low_memory(tracks: Tracks) -> Callable[[], np.ndarray]:
    """A parallel loop over pairs of pixels; memory does not grow with K."""
    u, v, pixels = _phases(tracks)
    return lambda: _low_memory(u, v, tracks.weights, pixels)


@jax.jit
def _scan_pairs(u: jax.Array, v: jax.Array, weights: jax.Array, pixels: jax.Array) -> jax.Array:
    y, x = jnp.moveaxis(pixels[:, None] - pixels[None], -1, 0)

    def add(total: jax.Array, one: Any) -> tuple[jax.Array, None]:
        return total + one[2] * jnp.cos(x * one[0] + y * one[1]), None

    return jax.lax.scan(add, jnp.zeros(x.shape), (u, v, weights))[0]


def jax_low_memory(tracks: Tracks) -> Callable[[], jax.Array]:
    """A scan over visibilities; memory does not grow with K."""
    u, v, pixels = (jnp.asarray(a) for a in _phases(tracks))
    weights = jnp.asarray(tracks.weights)
    return lambda: _scan_pairs(u, v, weights, pixels).block_until_ready()


def _whole(half: np.ndarray) -> np.ndarray:
    """All offsets (2N - 1, 2N - 1) from those with j >= 0, (N, 2N - 1)."""
    return np.concatenate([half[:0:-1, ::-1], half])


def numpy_compact(tracks: Tracks) -> Callable[[], np.ndarray]:
    """One array of N x (2N - 1) x K cosines."""
    u, v, _ = _phases(tracks)
    j, i = np.arange(tracks.grid)[:, None, None], np.arange(1 - tracks.grid, tracks.grid)[None, :, None]
    return lambda: _whole(np.cos(i * u + j * v) @ tracks.weights)


@njit(fastmath=True)
def _compact(u: Any, v: Any, weights: Any, grid: int) -> Any:
    out = np.zeros((grid, 2 * grid - 1))
    for j in range(grid):
        for i in range(2 * grid - 1):
            total = 0.0
            for k in range(len(u)):
                total += weights[k] * np.cos((i - grid + 1) * u[k] + j * v[k])
            out[j, i] = total
    return out


def numba_compact(tracks: Tracks) -> Callable[[], np.ndarray]:
    """A loop over the distinct offsets."""
    u, v, _ = _phases(tracks)
    return lambda: _whole(_compact(u, v, tracks.weights, tracks.grid))


def jax_compact(tracks: Tracks) -> Callable[[], jax.Array]:
    """A scan over visibilities, adding to the distinct offsets."""
    u, v, weights = (jnp.asarray(a) for a in (*_phases(tracks)[:2], tracks.weights))
    j, i = jnp.arange(tracks.grid)[:, None] * 1.0, jnp.arange(1 - tracks.grid, tracks.grid)[None] * 1.0

    @jax.jit
    def run(u: jax.Array, v: jax.Array, weights: jax.Array) -> jax.Array:
        def add(total: jax.Array, one: Any) -> tuple[jax.Array, None]:
            return total + one[2] * jnp.cos(i * one[0] + j * one[1]), None

        half = jax.lax.scan(add, jnp.zeros((tracks.grid, 2 * tracks.grid - 1)), (u, v, weights))[0]
        return jnp.concatenate([half[:0:-1, ::-1], half])

    return lambda: run(u, v, weights).block_until_ready()


def numpy_separable(tracks: Tracks) -> Callable[[], np.ndarray]:
    """exp(i a + i b) = exp(i a) exp(i b): 2 N K exponentials and one product of matrices. Not published."""
    u, v, _ = _phases(tracks)

    def run() -> np.ndarray:
        j, i = np.arange(tracks.grid), np.arange(1 - tracks.grid, tracks.grid)
        rows, columns = np.exp(1j * j[:, None] * v) * tracks.weights, np.exp(1j * u[:, None] * i)
        return _whole(np.real(rows @ columns))

    return run


def lensfit(tracks: Tracks) -> Callable[[], np.ndarray]:
    """One non-uniform FFT of the weights, on one thread."""
    shape = (tracks.grid, tracks.grid)
    return lambda: w_compact(tracks.u, tracks.v, tracks.weights, shape, PIXEL_SCALE)


def _pairs(tracks: Tracks) -> float:
    return float(np.count_nonzero(tracks.mask)) ** 2


def _cosines(tracks: Tracks) -> float:
    return float(tracks.grid * (2 * tracks.grid - 1) * len(tracks.u))


def _cosines_of_pairs(tracks: Tracks) -> float:
    return _pairs(tracks) * len(tracks.u)


def _flops_of_product(tracks: Tracks) -> float:
    return 4 * _cosines_of_pairs(tracks)


def _flops_of_separable(tracks: Tracks) -> float:
    return 8 * _cosines(tracks)


def _bytes_of_phases(tracks: Tracks) -> float:
    return 32.0 * np.count_nonzero(tracks.mask) * len(tracks.u) + 16.0 * _pairs(tracks)


def _bytes_of_offsets(tracks: Tracks) -> float:
    return 8.0 * (2 * tracks.grid) ** 2


def _bytes_of_exponentials(tracks: Tracks) -> float:
    return 32.0 * 3 * tracks.grid * len(tracks.u)
