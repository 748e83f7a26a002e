"""How large a reconstructed source is."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def half_light_radius(brightness: Any, x: Any, y: Any) -> jax.Array:
    """Radius [arcsec] about its centroid that holds half of the positive light of an image (n, n) at nodes x, y (n,).

    Linear between the nodes' distances.
    """
    light = jnp.maximum(jnp.asarray(brightness), 0.0)
    center_x, center_y = jnp.sum(light * x) / jnp.sum(light), jnp.sum(light * y[:, None]) / jnp.sum(light)
    distance = jnp.hypot(x - center_x, y[:, None] - center_y).ravel()
    order = jnp.argsort(distance)
    inside = jnp.cumsum(light.ravel()[order]) / jnp.sum(light)
    return jnp.interp(0.5, inside, distance[order])
