"""F and D of a pixelised source seen through a PSF, and their derivative, in plain JAX: by FFT, for any device.

B (N, M) are the whitened images of unit coefficients: P T of the S source pixels, then K columns of light.
F = B B^T and D = B d for the whitened data d (Warren & Dye 2003).
"""
from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lensfit.inversion.rays import Rays
from lensfit.operators.psf import convolve

CHUNK = 56
"""Columns of B that are convolved together."""


def normal(
    rays: Rays, indices: jax.Array, weights: jax.Array, columns: jax.Array, target: jax.Array, sources: int
) -> tuple[jax.Array, jax.Array]:
    """F (N, N) and D (N,) of T's indices and weights (E, B); columns (K, M) and target (M,) are whitened."""
    seen = jnp.concatenate([_seen(sources, rays, indices, weights), columns])
    return seen @ seen.T, seen @ target


def normal_back(
    rays: Rays, indices: jax.Array, weights: jax.Array, columns: jax.Array, target: jax.Array, symmetric: jax.Array,
    toward: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Cotangents of weights, columns and target: of B it is symmetric B + toward d^T.

    symmetric (N, N) is the cotangent of F plus its transpose, toward (N,) that of D.
    """
    sources = len(toward) - len(columns)
    seen = jnp.concatenate([_seen(sources, rays, indices, weights), columns])
    bar = symmetric @ seen + toward[:, None] * target
    return _seen_back(rays, indices, weights, bar[:sources]), bar[sources:], toward @ seen


def _firsts(sources: int) -> tuple[jax.Array, int]:
    size = min(CHUNK, sources)
    return jnp.arange(0, sources, size), size


def _seen(sources: int, rays: Rays, indices: jax.Array, weights: jax.Array) -> jax.Array:
    """Whitened images (S, M) of the source pixels."""
    firsts, size = _firsts(sources)

    def some(first: jax.Array) -> jax.Array:
        place = jnp.where((indices >= first) & (indices < first + size), indices - first, size)
        flat = jnp.zeros((size, rays.shape[0] * rays.shape[1]))
        flat = flat.at[place, rays.pixels[:, None]].add(weights, mode="drop")
        images = convolve(flat.reshape(size, *rays.shape), rays.transfer)
        return images.reshape(size, -1)[:, rays.seen] * rays.inverse_noise

    return lax.map(some, firsts).reshape(-1, len(rays.seen))[:sources]


def _seen_back(rays: Rays, indices: jax.Array, weights: jax.Array, toward: jax.Array) -> jax.Array:
    """Cotangent (E, B) of the weights from that of the images (S, M)."""
    firsts, size = _firsts(len(toward))
    padded = jnp.pad(toward, ((0, len(firsts) * size - len(toward)), (0, 0)))

    def some(total: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        part = lax.dynamic_slice_in_dim(padded, first, size) * rays.inverse_noise
        flat = jnp.zeros((size, rays.shape[0] * rays.shape[1])).at[:, rays.seen].set(part)
        images = convolve(flat.reshape(size, *rays.shape), jnp.conj(rays.transfer)).reshape(size, -1)
        inside = (indices >= first) & (indices < first + size)
        picked = images[jnp.where(inside, indices - first, 0), rays.pixels[:, None]]
        return total + jnp.where(inside, picked, 0.0), None

    return lax.scan(some, jnp.zeros(weights.shape), firsts)[0]
