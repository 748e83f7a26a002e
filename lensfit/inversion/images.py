"""F and D of a pixelised source seen through a PSF, in plain JAX: some columns of B at a time, by FFT.

B (N, M) are the whitened images of unit coefficients: P T of the S source pixels, then K columns of light.
F = B B^T and D = B d for the whitened data d (Warren & Dye 2003).
"""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.inversion.mesh import entries
from lensfit.operators.psf import convolve, transfer_function
from lensfit.pytree import pytree, static

CHUNK = 56
"""Columns of B that are convolved together."""


@pytree
class Rays:
    """Where rays start and what they are compared with.

    Attributes:
        x, y: (E, Q) sub-pixels [arcsec] of the pixels that the mask or the PSF's reach about it holds.
        pixels: (E,) these pixels, W row + column of the image (H, W).
        seen: (M,) the pixels with data, the same.
        inverse_noise: (M,) 1 / sigma.
        psf: (h, w). transfer: its transform on the image, which has the PSF's reach to spare.
        shape: (H, W).
    """

    x: jax.Array
    y: jax.Array
    pixels: jax.Array
    seen: jax.Array
    inverse_noise: jax.Array
    psf: jax.Array
    transfer: jax.Array
    shape: tuple[int, int] = static()

    @classmethod
    def of(
        cls, x: np.ndarray, y: np.ndarray, needed: np.ndarray, inverse_noise: np.ndarray, psf: np.ndarray,
        pixel_scale: float, sub_pixels: int,
    ) -> Rays:
        """For an image of pixel centres x, y, `needed` where rays start, and 1 / sigma, 0 without data: all (H, W)."""
        offsets = ((np.arange(sub_pixels) + 0.5) / sub_pixels - 0.5) * pixel_scale
        down, right = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
        return cls(
            x=jnp.asarray(x[needed][:, None] + right),
            y=jnp.asarray(y[needed][:, None] + down),
            pixels=jnp.asarray(np.flatnonzero(needed), jnp.int32),
            seen=jnp.asarray(np.flatnonzero(inverse_noise), jnp.int32),
            inverse_noise=jnp.asarray(inverse_noise[inverse_noise > 0]),
            psf=jnp.asarray(psf),
            transfer=jnp.asarray(transfer_function(psf, x.shape)),
            shape=(x.shape[0], x.shape[1]),
        )


def normal(
    rays: Rays, u: jax.Array, v: jax.Array, columns: jax.Array, target: jax.Array, pixels: int, order: int
) -> tuple[jax.Array, jax.Array]:
    """F (N, N) and D (N,) of a mesh with rays at (u, v) (E, Q); columns (K, M) and target (M,) whitened."""
    indices, weights = entries(u, v, pixels, order)
    return _normal(pixels**2, rays, indices, weights, columns, target)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normal(
    sources: int, rays: Rays, indices: jax.Array, weights: jax.Array, columns: jax.Array, target: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return _forward(sources, rays, indices, weights, columns, target)[0]


def _forward(sources: int, rays: Rays, indices: Any, weights: Any, columns: Any, target: Any) -> Any:
    seen = jnp.concatenate([_seen(sources, rays, indices, weights), columns])
    return (seen @ seen.T, seen @ target), (rays, indices, weights, seen, target)


def _backward(sources: int, kept: Any, cotangents: Any) -> Any:
    """With G and g the cotangents of F and D, that of B is (G + G^T) B + g d^T; only where T is not 0 it counts."""
    rays, indices, weights, seen, target = kept
    toward_f, toward_d = cotangents
    toward = (toward_f + toward_f.T) @ seen + toward_d[:, None] * target
    toward_weights = _seen_back(rays, indices, weights, toward[:sources])
    return None, None, toward_weights, toward[sources:], toward_d @ seen


_normal.defvjp(_forward, _backward)


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
