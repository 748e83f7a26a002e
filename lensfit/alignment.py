"""How the frame of a further dataset lies against that of the first: shifted, and turned by an angle."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles.base import parameter
from lensfit.pytree import pytree


@pytree
class Alignment:
    """The frame of a dataset against the frame of the mass: what is at r there, is at R(angle) r + shift here.

    R turns counter-clockwise. Zero where both frames are one.
    """

    shift_x: Any = parameter("arcsec", r"\Delta x", "shift")
    shift_y: Any = parameter("arcsec", r"\Delta y", "shift")
    angle: Any = parameter("deg", r"\phi", "angle")

    def placed(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The points (x, y) [arcsec] of this dataset's frame in the frame of the mass."""
        turn = jnp.asarray(self.angle) * (jnp.pi / 180)
        cos, sin = jnp.cos(turn), jnp.sin(turn)
        dx, dy = x - self.shift_x, y - self.shift_y
        return cos * dx + sin * dy, cos * dy - sin * dx

    def seen(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The points (x, y) [arcsec] of the frame of the mass in this dataset's frame."""
        turn = jnp.asarray(self.angle) * (jnp.pi / 180)
        cos, sin = jnp.cos(turn), jnp.sin(turn)
        return cos * x - sin * y + self.shift_x, sin * x + cos * y + self.shift_y
