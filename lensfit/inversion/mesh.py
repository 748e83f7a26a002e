"""B-splines on the mesh of a pixelised source: which coefficients a ray sees, and how much of each."""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.inversion._door import call
from lensfit.inversion.routes import on_cpu

BEYOND = 4.0
"""Steps beyond the mesh at which no spline reaches a ray any more."""


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


def entries(
    u: jax.Array, v: jax.Array, pixels: int, order: int, engine: str
) -> tuple[jax.Array, jax.Array]:
    """Indices and weights (M, Q (order + 1)^2) of the mean over Q rays at mesh positions (u, v), (M, Q) each.

    Index pixels * row + column; a node beyond the mesh has weight 0, its coefficient being zero. With the engine
    "native" the entries of one pixel are merged, and those left over have index -1. A ray that is NaN makes a
    weight NaN.
    """
    return _entries(pixels, order, engine, u, v)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _entries(pixels: int, order: int, engine: str, u: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
    shape = (len(u), u.shape[1] * (order + 1) ** 2)
    result = jax.ShapeDtypeStruct(shape, np.int32), jax.ShapeDtypeStruct(shape, u.dtype)

    def native(u: jax.Array, v: jax.Array) -> Any:
        return call("_tile_handlers.entries", result, u, v, np.array([pixels, order], np.int32))

    return on_cpu(engine, native, partial(by_xla, pixels, order), u, v)


def _forward(pixels: int, order: int, engine: str, u: jax.Array, v: jax.Array) -> Any:
    made: Any = _entries(pixels, order, engine, u, v)
    return made, (u, v, made[0])


def _backward(pixels: int, order: int, engine: str, kept: Any, cotangents: Any) -> Any:
    result = jax.ShapeDtypeStruct(kept[0].shape, kept[0].dtype)

    def native(u: jax.Array, v: jax.Array, indices: jax.Array, bar: jax.Array) -> Any:
        numbers = np.array([pixels, order], np.int32)
        return tuple(call("_tile_handlers.entries_back", (result, result), u, v, numbers, indices, bar))

    def plain(u: jax.Array, v: jax.Array, indices: jax.Array, bar: jax.Array) -> Any:
        return jax.vjp(lambda u, v: by_xla(pixels, order, u, v)[1], u, v)[1](bar)

    return on_cpu(engine, native, plain, *kept, cotangents[1])


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
