"""The elliptical radius in the components of the ellipticity: no angle, hence no singular point at e = 0."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def quadratic_form(e1: Any, e2: Any) -> tuple[Any, Any, Any]:
    """a, b, c of R^2 = a x^2 + b x y + c y^2, equal to q x'^2 + y'^2 / q in the frame of the major axis.

    With q = (1 - e) / (1 + e): R^2 = [(1 + e^2)(x^2 + y^2) - 2 e1 (x^2 - y^2) - 4 e2 x y] / (1 - e^2).
    NaN, with NaN as derivatives, where e >= 1.
    """
    square = e1 * e1 + e2 * e2
    inverse = 1 / jnp.where(square < 1, 1 - square, jnp.nan)
    return (1 + square - 2 * e1) * inverse, -4 * e2 * inverse, (1 + square + 2 * e1) * inverse


def radius_squared(x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any) -> Any:
    """Square of the circularised elliptical radius about the centre [arcsec^2]."""
    a, b, c = quadratic_form(e1, e2)
    dx, dy = x - center_x, y - center_y
    return (a * dx + b * dy) * dx + c * dy * dy
