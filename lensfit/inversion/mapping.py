"""The mapping matrix T of a pixelised source: sparse, M image pixels by S coefficients of B-splines on its mesh."""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lensfit.errors import ModelError
from lensfit.native import Engine, by_engine, named_kernel
from lensfit.pytree import pytree, static

BEYOND = 4.0
"""Steps beyond the mesh at which no spline reaches a ray any more."""
KERNELS = "lensfit.inversion.ray_kernels"


@pytree
class MappingMatrix:
    """T[m, s] = sum of weights[m, b] over the b with indices[m, b] = s.

    Attributes:
        indices: (M, B) source pixels, 0 to S - 1; or -1 for an entry of weight 0 whose derivative nobody asks for.
        weights: (M, B) interpolation weights; 0 where an entry is not used. Repeated indices add up.
        pixels: (M,) image pixels, Nx row + column, ascending.
        source_pixels: S.
        shape: (Ny, Nx) of the image.
    """

    indices: jax.Array
    weights: jax.Array
    pixels: jax.Array
    source_pixels: int = static()
    shape: tuple[int, int] = static()

    @classmethod
    def of(
        cls, indices: jax.Array | np.ndarray, weights: jax.Array | np.ndarray, mask: np.ndarray, source_pixels: int
    ) -> MappingMatrix:
        """T of the M pixels where `mask` (Ny, Nx) is True, row by row. Indices and weights may be traced.

        Raises:
            ModelError: shapes do not fit together, or an index is no source pixel. Of traced indices that
                cannot be said here: F comes out NaN.
        """
        pixels = np.flatnonzero(mask)
        wanted = (len(pixels), *indices.shape[1:])
        if indices.ndim != 2 or indices.shape != wanted or weights.shape != wanted:
            raise ModelError(
                f"mapping matrix: indices {indices.shape} and weights {weights.shape} must both be "
                f"(M, B), with M = {len(pixels)}, the pixels of the mask"
            )
        if not isinstance(indices, Tracer):
            wrong = np.argwhere((np.asarray(indices) < 0) | (np.asarray(indices) >= source_pixels))
            if len(wrong):
                raise ModelError(
                    f"mapping matrix: {len(wrong)} indices are no source pixel 0 to {source_pixels - 1}, the first "
                    f"at {tuple(wrong[0].tolist())}; give an entry that is not used any of them, and weight 0"
                )
        return cls(
            indices=jnp.asarray(indices, jnp.int32),
            weights=jnp.asarray(weights),
            pixels=jnp.asarray(pixels, jnp.int32),
            source_pixels=source_pixels,
            shape=(mask.shape[0], mask.shape[1]),
        )

    def image(self, source: jax.Array) -> jax.Array:
        """T s of a source (S,) as an image (Ny, Nx), 0 outside the mask."""
        values = jnp.sum(self.weights * source[self.indices], axis=1)
        flat = jnp.zeros(self.shape[0] * self.shape[1]).at[self.pixels].set(values)
        return flat.reshape(self.shape)

    def data_vector(self, dirty: jax.Array) -> jax.Array:
        """D = T^T d (S,) of the noise-weighted dirty image d (Ny, Nx) (Warren & Dye 2003)."""
        products = self.weights * jnp.ravel(dirty)[self.pixels][:, None]
        return jnp.zeros(self.source_pixels).at[self.indices].add(products)


def spline(u: jax.Array, order: int) -> tuple[jax.Array, jax.Array]:
    """First of the order + 1 nodes (...,) that see positions u (...,), and their weights (..., order + 1).

    Cardinal B-splines (Unser 1999, eq. 6 to 8), centred on the nodes 0, 1, 2, ...; the weights sum to 1.
    """
    first = jnp.floor(u + (0.5 if order == 2 else 0.0))
    t = u - first
    if order == 1:
        weights = [1 - t, t]
    elif order == 2:
        weights = [0.5 * (0.5 - t) ** 2, 0.75 - t * t, 0.5 * (0.5 + t) ** 2]
    else:
        m, square = 1 - t, t * t
        inner = [(3 * t * square - 6 * square + 4) / 6, (3 * m * m * m - 6 * m * m + 4) / 6]
        weights = [m * m * m / 6, *inner, t * square / 6]
    return first.astype(jnp.int32) - order // 2, jnp.stack(weights, -1)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def interpolated(order: int, coefficients: jax.Array, u: jax.Array, v: jax.Array) -> jax.Array:
    """Brightness at mesh positions u, v (...,) of the splines with coefficients (n, n), zero beyond the mesh.

    Its slopes in u and v are taken once, however many directions they are asked in.
    """
    return _weighed(order, coefficients, u, v)[0]


@interpolated.defjvp
def _interpolated_slopes(order: int, given: Any, tangents: Any) -> Any:
    coefficients, u, v = given
    toward, du, dv = tangents
    value, along_u, along_v = _weighed(order, coefficients, u, v)
    return value, along_u * du + along_v * dv + _weighed(order, toward, u, v)[0]


def _weighed(order: int, coefficients: jax.Array, u: jax.Array, v: jax.Array) -> tuple[jax.Array, ...]:
    """Value and slopes in u and v (...,)."""
    pixels = coefficients.shape[0]
    (left, across, uphill), (low, up, upward) = (
        _spline_and_slope(jnp.clip(w, -BEYOND, pixels + BEYOND), order) for w in (u, v)
    )
    nodes = jnp.arange(order + 1)
    column, row = left[..., None, None] + nodes, low[..., None, None] + nodes[:, None]
    inside = (column >= 0) & (column < pixels) & (row >= 0) & (row < pixels)
    met = jnp.where(inside, coefficients[jnp.where(inside, row, 0), jnp.where(inside, column, 0)], 0.0)
    rows, leaning = (jnp.sum(met * weights[..., None, :], -1) for weights in (across, uphill))
    return jnp.sum(rows * up, -1), jnp.sum(leaning * up, -1), jnp.sum(rows * upward, -1)


def _spline_and_slope(u: jax.Array, order: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`spline`, and the slopes (..., order + 1) of its weights."""
    (first, weights), (_, slopes) = jax.jvp(partial(spline, order=order), (u,), (jnp.ones_like(u),))
    return first, weights, slopes


def entries(
    u: jax.Array, v: jax.Array, pixels: int, order: int, engine: Engine
) -> tuple[jax.Array, jax.Array]:
    """Indices and weights (M, Q (order + 1)^2) of the mean over Q rays at mesh positions (u, v), (M, Q) each.

    Index pixels * row + column; a node beyond the mesh has weight 0, its coefficient being zero. With the engine
    "native" the entries of one pixel are merged, and those left over have index -1. A ray that is NaN makes a
    weight NaN.
    """
    return _entries(pixels, order, engine, u, v)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _entries(pixels: int, order: int, engine: Engine, u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    shape = (len(u), u.shape[1] * (order + 1) ** 2)
    result = jax.ShapeDtypeStruct(shape, np.int32), jax.ShapeDtypeStruct(shape, u.dtype)

    def native(u: jax.Array, v: jax.Array) -> Any:
        return named_kernel(KERNELS, "entries_call")(result, u, v, np.array([pixels, order], np.int32))

    return by_engine(engine, native, partial(by_xla, pixels, order), u, v)


def _forward(pixels: int, order: int, engine: Engine, u: jax.Array, v: jax.Array) -> Any:
    made: Any = _entries(pixels, order, engine, u, v)
    return made, (u, v, made[0])


def _backward(pixels: int, order: int, engine: Engine, kept: Any, cotangents: Any) -> Any:
    result = jax.ShapeDtypeStruct(kept[0].shape, kept[0].dtype)

    def native(u: jax.Array, v: jax.Array, indices: jax.Array, bar: jax.Array) -> Any:
        numbers = np.array([pixels, order], np.int32)
        return tuple(named_kernel(KERNELS, "entries_back_call")((result, result), u, v, numbers, indices, bar))

    def plain(u: jax.Array, v: jax.Array, indices: jax.Array, bar: jax.Array) -> Any:
        return jax.vjp(lambda u, v: by_xla(pixels, order, u, v)[1], u, v)[1](bar)

    return by_engine(engine, native, plain, *kept, cotangents[1])


_entries.defvjp(_forward, _backward)


def by_xla(pixels: int, order: int, u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`entries` of every ray, not merged."""
    (left, across), (low, up) = (spline(jnp.clip(w, -BEYOND, pixels + BEYOND), order) for w in (u, v))
    nodes = jnp.arange(order + 1)
    column, row = left[..., None, None] + nodes, low[..., None, None] + nodes[:, None]
    weights = up[..., :, None] * across[..., None, :] / u.shape[1]
    inside = (column >= 0) & (column < pixels) & (row >= 0) & (row < pixels)
    indices = jnp.where(inside, pixels * row + column, 0).astype(jnp.int32)
    weights = jnp.where(inside | jnp.isnan(weights), weights, 0.0)
    return indices.reshape(len(u), -1), weights.reshape(len(u), -1)
