"""The lens equation and its derivatives at points of the image plane, of a model whose leaves are numbers."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.model import LensModel

CHUNK = 8192
"""Points that a compiled function sees at a time: any number of points compiles once."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A square of the image plane: its centre (x, y) and half its side [arcsec]."""

    x: float
    y: float
    half_width: float

    def cells(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """x, y (number, number) of the centres of equal cells [arcsec]."""
        steps = self.half_width * ((np.arange(number) + 0.5) * (2 / number) - 1)
        x, y = np.meshgrid(self.x + steps, self.y + steps)
        return x, y

    @classmethod
    def over(cls, x: np.ndarray, y: np.ndarray) -> Field:
        """About all points of a grid x, y (H, W) [arcsec]."""
        half = 0.5 * max(float(np.ptp(x)), float(np.ptp(y)))
        return cls(float(x.mean()), float(y.mean()), half)


def jacobian(model: LensModel, x: Any, y: Any) -> jax.Array:
    """A (..., 2, 2) at the points x, y (...) [arcsec]; A[..., i, j] = d beta_i / d theta_j."""
    x, y = jnp.asarray(x, float), jnp.asarray(y, float)
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    _, by_x = jax.jvp(model.source_position, (x, y), (one, zero))
    _, by_y = jax.jvp(model.source_position, (x, y), (zero, one))
    return jnp.stack([jnp.stack(by_x, -1), jnp.stack(by_y, -1)], -1)


def magnification(model: LensModel, x: Any, y: Any) -> jax.Array:
    """mu (...) = 1 / det A at the points x, y (...) [arcsec]; its sign is the parity of an image there."""
    return 1 / _determinant(jacobian(model, x, y))


def eigenvalues(a: Any) -> tuple[Any, Any]:
    """Tangential and radial eigenvalue (...) of A (..., 2, 2): 1 - kappa -+ |gamma|."""
    middle = 0.5 * (a[..., 0, 0] + a[..., 1, 1])
    gamma1, gamma2 = 0.5 * (a[..., 0, 0] - a[..., 1, 1]), 0.5 * (a[..., 0, 1] + a[..., 1, 0])
    shear = (gamma1 * gamma1 + gamma2 * gamma2) ** 0.5
    return middle - shear, middle + shear


def in_chunks(function: Callable[..., Any], model: LensModel, x: Any, y: Any) -> Any:
    """function(model, x, y) at points x, y of any shape, called with CHUNK of them at a time.

    The function gives arrays whose first axis is the points; they come back as numpy arrays (..., *rest).
    """
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    fill = CHUNK * max(1, -(-x.size // CHUNK)) - x.size
    parts = [np.concatenate([a.ravel(), np.ones(fill)]).reshape(-1, CHUNK) for a in (x, y)]
    found = [jax.tree.map(np.asarray, function(model, a, b)) for a, b in zip(*parts, strict=True)]

    def joined(*pieces: np.ndarray) -> np.ndarray:
        flat = np.concatenate(pieces)[: x.size]
        return flat.reshape(*x.shape, *flat.shape[1:])

    return jax.tree.map(joined, *found)


def centers(profiles: dict[str, Any]) -> dict[str, np.ndarray]:
    """The centre (2,) [arcsec] of each profile that has one, by its name."""
    found = {}
    for name, profile in sorted(profiles.items()):
        fields = dataclasses.fields(profile)
        roles = {f.metadata.get("role"): getattr(profile, f.name) for f in fields}
        if {"center_x", "center_y"} <= roles.keys():
            found[name] = np.array([roles["center_x"], roles["center_y"]], float)
    return found


def corners(x: np.ndarray, y: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """x, y (N, 4) of the corners of squares of half side `step` about x, y (N,) [arcsec]."""
    return x[:, None] + step * np.array([-1, 1, -1, 1]), y[:, None] + step * np.array([-1, -1, 1, 1])


def _determinant(a: jax.Array) -> jax.Array:
    return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]


@jax.jit
def traced(model: LensModel, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """beta (N, 2) [arcsec] and A (N, 2, 2) at the points x, y (N,)."""
    return jnp.stack(model.source_position(x, y), -1), jacobian(model, x, y)
