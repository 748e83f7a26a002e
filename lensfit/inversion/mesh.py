"""B-splines on the mesh of a pixelised source: which coefficients a ray sees, and how much of each."""
from __future__ import annotations

import jax
import jax.numpy as jnp


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


def entries(u: jax.Array, v: jax.Array, pixels: int, order: int) -> tuple[jax.Array, jax.Array]:
    """Indices and weights (M, Q (order + 1)^2) of the mean over Q rays at mesh positions (u, v), (M, Q) each.

    Index pixels * row + column; a node beyond the mesh has index 0 and weight 0, its coefficient being zero.
    """
    (left, across), (low, up) = spline(u, order), spline(v, order)
    nodes = jnp.arange(order + 1)
    column, row = left[..., None, None] + nodes, low[..., None, None] + nodes[:, None]
    weights = up[..., :, None] * across[..., None, :] / u.shape[1]
    inside = (column >= 0) & (column < pixels) & (row >= 0) & (row < pixels)
    kept = inside | jnp.isnan(weights)
    indices = jnp.where(inside, pixels * row + column, 0)
    return indices.reshape(len(u), -1), jnp.where(kept, weights, 0.0).reshape(len(u), -1)
