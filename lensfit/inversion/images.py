"""F and D of a pixelised source seen through a PSF, differentiable: native tiles on a CPU, FFTs elsewhere.

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

from lensfit.inversion.mapping import by_xla
from lensfit.native import Engine, by_engine, named_kernel
from lensfit.operators.psf import convolve, transfer_function
from lensfit.pytree import pytree, static

KERNELS = "lensfit.inversion.tile_kernels"
LEAST_STEP, FAR = 64, 1e3
"""Numbers of pixels are rounded up to multiples of an eighth of a power of two, or of this one, so that few shapes are
compiled; where the rays that fill up start [arcsec]: off every mesh."""
CHUNK = 56
"""Columns of B that are convolved together where XLA does it."""


@pytree
class Rays:
    """Where rays start and what they are compared with.

    Attributes:
        x, y: (E, Q) sub-pixels [arcsec] of the pixels that the mask or the PSF's reach about it holds, filled up.
        pixels: (E,) these pixels, W row + column of the image (H, W).
        seen: (M,) the pixels with data, the same, filled up.
        inverse_noise: (M,) 1 / sigma, 0 of what fills up.
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

    @property
    def sub_pixels(self) -> int:
        """Rays per pixel and axis."""
        return round(np.sqrt(self.x.shape[1]))

    @classmethod
    def of(
        cls, x: np.ndarray, y: np.ndarray, needed: np.ndarray, inverse_noise: np.ndarray, psf: np.ndarray,
        pixel_scale: float, sub_pixels: int,
    ) -> Rays:
        """For an image of pixel centres x, y, `needed` where rays start, and 1 / sigma, 0 without data: all (H, W).

        What fills up lies at a pixel that neither has.
        """
        free = np.flatnonzero(~needed & ~(inverse_noise > 0))
        more = [_filling(int(np.count_nonzero(used))) if len(free) else 0 for used in (needed, inverse_noise > 0)]
        places = [np.append(axis[needed], np.full(more[0], FAR)) for axis in (x, y)]
        starts = sub_pixel_positions(places[0], places[1], pixel_scale, sub_pixels)

        def filled(indices: np.ndarray, count: int) -> jax.Array:
            return jnp.asarray(np.append(indices, np.full(count, free[0] if count else 0)), jnp.int32)

        return cls(
            x=starts[0],
            y=starts[1],
            pixels=filled(np.flatnonzero(needed), more[0]),
            seen=filled(np.flatnonzero(inverse_noise), more[1]),
            inverse_noise=jnp.asarray(np.append(inverse_noise[inverse_noise > 0], np.zeros(more[1]))),
            psf=jnp.asarray(psf),
            transfer=jnp.asarray(transfer_function(psf, x.shape)),
            shape=(x.shape[0], x.shape[1]),
        )


def _filling(count: int) -> int:
    """How many are added to a number of pixels."""
    return -count % max(LEAST_STEP, 1 << (max(count, 1).bit_length() - 4))


def sub_pixel_positions(
    x: np.ndarray, y: np.ndarray, pixel_scale: float, sub_pixels: int
) -> tuple[jax.Array, jax.Array]:
    """x, y (E, sub_pixels^2) of the sub-pixels of pixels at x, y (E,) [arcsec]."""
    offsets = ((np.arange(sub_pixels) + 0.5) / sub_pixels - 0.5) * pixel_scale
    down, right = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
    return jnp.asarray(x[:, None] + right), jnp.asarray(y[:, None] + down)


def normal(
    rays: Rays, u: jax.Array, v: jax.Array, columns: jax.Array, target: jax.Array, mesh: tuple[int, int],
    engine: Engine, held: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """F (N, N) and D (N,) of rays at mesh positions (u, v), (E, Q) each; columns (K, M) and target (M,) whitened.

    `mesh` is (pixels, order of the spline). Differentiable by reverse mode in u, v, columns and target, the last two
    constants where light is `held`; by the engine "native" nothing of size N x M is kept.
    """
    if held:
        columns, target = lax.stop_gradient((columns, target))
    return _normal(mesh, engine, held, rays, u, v, columns, target)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _normal(
    mesh: tuple[int, int], engine: Engine, held: bool, rays: Rays, u: jax.Array, v: jax.Array, columns: jax.Array,
    target: jax.Array,
) -> Any:
    size = mesh[0] ** 2 + len(columns)
    result = jax.ShapeDtypeStruct((size, size), target.dtype), jax.ShapeDtypeStruct((size,), target.dtype)
    native = lambda *given: tuple(named_kernel(KERNELS, "normal_call")(result, *_flat(rays, mesh, *given)))  # noqa: E731

    def plain(u: jax.Array, v: jax.Array, columns: jax.Array, target: jax.Array) -> Any:
        return _plain_normal(rays, *by_xla(*mesh, u, v), columns, target, mesh[0] ** 2)

    return by_engine(engine, native, plain, u, v, columns, target)


def _flat(rays: Rays, mesh: tuple[int, int], u: Any, v: Any, columns: Any, target: Any) -> tuple[Any, ...]:
    sizes = np.array(rays.shape, np.int32), np.array(mesh, np.int32)
    return u, v, rays.pixels, rays.seen, rays.inverse_noise, rays.psf, columns, target, *sizes


def _forward(mesh: tuple[int, int], engine: Engine, held: bool, *given: Any) -> Any:
    return _normal(mesh, engine, held, *given), given


def _backward(mesh: tuple[int, int], engine: Engine, held: bool, kept: Any, cotangents: Any) -> Any:
    rays, *given = kept
    result = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in given)

    def native(*arrays: jax.Array) -> Any:
        flag = np.array([held], np.int32)
        taken = *_flat(rays, mesh, *arrays[:4]), *arrays[4:], flag
        return tuple(named_kernel(KERNELS, "normal_back_call")(result, *taken))

    def plain(u: jax.Array, v: jax.Array, *others: jax.Array) -> Any:
        weights, back = jax.vjp(lambda u, v: by_xla(*mesh, u, v)[1], u, v)
        bars = _plain_normal_back(rays, by_xla(*mesh, u, v)[0], weights, *others)
        return *back(bars[0]), *bars[1:]

    toward_f, toward_d = cotangents
    return None, *by_engine(engine, native, plain, *given, toward_f + toward_f.T, toward_d)


_normal.defvjp(_forward, _backward)


def _plain_normal(
    rays: Rays, indices: jax.Array, weights: jax.Array, columns: jax.Array, target: jax.Array, sources: int
) -> tuple[jax.Array, jax.Array]:
    """F (N, N) and D (N,) of T's indices and weights (E, B); columns (K, M) and target (M,) are whitened."""
    seen = jnp.concatenate([_seen(sources, rays, indices, weights), columns])
    return seen @ seen.T, seen @ target


def _plain_normal_back(
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
