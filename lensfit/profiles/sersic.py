"""Sersic light, and the exponential: that of index 1."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles.base import LightProfile, parameter
from lensfit.profiles.shared_formulae import log, radius_squared
from lensfit.pytree import pytree

CENTER_FLOOR = 1e-16
"""Added to (R / R_e)^2: keeps value and derivatives finite at the centre, where the profile has a cusp. A cusp
of less than 1e-8 R_e has no light, and a ray that hits it must not drown the slopes of all others."""


def sersic_b(n: Any) -> Any:
    """b_n: half of the light lies inside R_e. Ciotti & Bertin 1999, eq. 18; for n > 0.36."""
    i = 1 / n
    series = 4 / 405 + i * (46 / 25515 + i * (131 / 1148175 - i * (2194697 / 30690717750)))
    return 2 * n - 1 / 3 + i * series


def sersic(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, effective_radius: Any, sersic_index: Any
) -> Any:
    """I / I_e = exp{-b_n [(R / R_e)^(1/n) - 1]} (Sersic 1963), R circularised. Dimensionless."""
    square = radius_squared(x, y, center_x, center_y, e1, e2) * (1 / (effective_radius * effective_radius))
    b = sersic_b(sersic_index)
    return jnp.exp(b - b * jnp.exp((0.5 / sersic_index) * log(square + CENTER_FLOOR)))


def exponential(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, effective_radius: Any
) -> Any:
    """I / I_e = exp{-b_1 [R / R_e - 1]}, R circularised. Dimensionless."""
    b = sersic_b(1.0)
    square = radius_squared(x, y, center_x, center_y, e1, e2) * (1 / (effective_radius * effective_radius))
    return jnp.exp(b - b * jnp.sqrt(square + CENTER_FLOOR))


@pytree
class Sersic(LightProfile):
    """Elliptical Sersic profile; `intensity` is the brightness at the effective radius, n > 0.36."""

    formula = staticmethod(sersic)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    intensity: Any = parameter("data unit", r"I_\mathrm{e}", "amplitude")
    effective_radius: Any = parameter("arcsec", r"R_\mathrm{e}", "radius")
    sersic_index: Any = parameter("", "n", above=0.36)


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
