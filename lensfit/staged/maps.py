"""The maps between z and theta, compiled once for a structure of model."""
from __future__ import annotations

import jax
import numpy as np

from lensfit.space import Space

CHUNK = 64
"""Points that the compiled map sees at a time: any number of points compiles once."""


@jax.jit
def to_z(space: Space, theta: jax.Array) -> jax.Array:
    """z (n,) of theta (n,)."""
    return space.to_z(theta)


def to_theta(space: Space, z: np.ndarray) -> np.ndarray:
    """theta (..., n) of z (..., n)."""
    flat = z.reshape(-1, space.ndim)
    filled = np.concatenate([flat, np.zeros((-len(flat) % CHUNK, space.ndim))])
    parts = [np.asarray(_to_theta(space, part)) for part in filled.reshape(-1, CHUNK, space.ndim)]
    return np.concatenate(parts)[: len(flat)].reshape(z.shape)


@jax.jit
def _to_theta(space: Space, z: jax.Array) -> jax.Array:
    return jax.vmap(space.to_theta)(z)
