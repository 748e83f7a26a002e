"""The non-negative image that comes nearest to visibilities: where the emission is, before any model is known."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lensfit.operators.toeplitz import WTilde

STEPS = 200
FAINT = 0.1
"""Share of the dirty image's peak that is taken for noise and sidelobes where a lens is looked for."""


def non_negative_image(w_tilde: WTilde, dirty: jax.Array, response: jax.Array, share: float) -> jax.Array:
    """Image s >= 0 (H, W) [Jy/pixel] near the least s^T w_tilde s - 2 s^T (d - p), as the antennas see it.

    The price p of flux is `share` of the peak of d over the `response` (H, W), the primary beam: it keeps noise
    and sidelobes dark. STEPS of FISTA (Beck & Teboulle 2009) from zero; stopping early leaves the noise alone.
    """
    response = response / jnp.max(response)
    left = dirty - share * jnp.max(dirty * response) / jnp.maximum(response, 0.01)
    slope = 1 / jnp.max(jnp.abs(w_tilde.toeplitz))

    def step(_: int, state: Any) -> Any:
        image, ahead, t = state
        new = jnp.maximum(ahead - slope * (w_tilde.apply(ahead) - left), 0.0)
        later = 0.5 * (1 + jnp.sqrt(1 + 4 * t * t))
        return new, new + (t - 1) / later * (new - image), later

    zero = jnp.zeros_like(dirty)
    return lax.fori_loop(0, STEPS, step, (zero, zero, jnp.ones(())))[0]
