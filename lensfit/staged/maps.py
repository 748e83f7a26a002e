"""The maps between z and theta, compiled once for a structure of model."""
from __future__ import annotations

import jax

from lensfit.space import Space


@jax.jit
def to_z(space: Space, theta: jax.Array) -> jax.Array:
    """z (n,) of theta (n,)."""
    return space.to_z(theta)


@jax.jit
def to_theta(space: Space, z: jax.Array) -> jax.Array:
    """theta (n,) of z (n,)."""
    return space.to_theta(z)


@jax.jit
def many_to_theta(space: Space, z: jax.Array) -> jax.Array:
    """theta (D, n) of z (D, n)."""
    return jax.vmap(space.to_theta)(z)
