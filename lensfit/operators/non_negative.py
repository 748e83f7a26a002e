"""The non-negative image that comes nearest to visibilities: where the emission is, before any model is known."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lensfit.operators.toeplitz import WTilde

STEPS = 200


def non_negative_image(w_tilde: WTilde, dirty: jax.Array, steps: int = STEPS) -> jax.Array:
    """Image s >= 0 (H, W) [Jy/pixel] near the least s^T w_tilde s - 2 s^T d.

    So many steps of FISTA (Beck & Teboulle 2009) from zero: stopping early leaves the noise alone.
    """
    slope = 1 / jnp.max(jnp.abs(w_tilde.toeplitz))

    def step(_: int, state: Any) -> Any:
        image, ahead, t = state
        new = jnp.maximum(ahead - slope * (w_tilde.apply(ahead) - dirty), 0.0)
        later = 0.5 * (1 + jnp.sqrt(1 + 4 * t * t))
        return new, new + (t - 1) / later * (new - image), later

    zero = jnp.zeros_like(dirty)
    return lax.fori_loop(0, steps, step, (zero, zero, jnp.ones(())))[0]
