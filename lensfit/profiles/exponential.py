"""Exponential light: the Sersic profile of index 1."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles._base import LightProfile, parameter
from lensfit.profiles._ellipse import radius_squared
from lensfit.profiles.sersic import CENTER_FLOOR, sersic_b
from lensfit.pytree import pytree


def exponential(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, effective_radius: Any
) -> Any:
    """I / I_e = exp{-b_1 [R / R_e - 1]}, R circularised. Dimensionless."""
    b = sersic_b(1.0)
    square = radius_squared(x, y, center_x, center_y, e1, e2) * (1 / (effective_radius * effective_radius))
    return jnp.exp(b - b * jnp.sqrt(square + CENTER_FLOOR))


@pytree
class Exponential(LightProfile):
    """Elliptical exponential disk; `intensity` is the brightness at the effective radius."""

    formula = staticmethod(exponential)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    intensity: Any = parameter("data unit", r"I_\mathrm{e}", "amplitude")
    effective_radius: Any = parameter("arcsec", r"R_\mathrm{e}", "radius")
