"""The lens equation of a model of numbers: its derivatives at points of the image plane, and the images of a point."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.datasets import Dataset
from lensfit.grid import Grid
from lensfit.model import LensModel
from lensfit.start_up import check_precision

CHUNK = 8192
"""Points that a compiled function sees at a time: any number of points compiles once."""
CELLS = 100
"""Cells along a side of the field that are mapped to the source plane first, where images are looked for."""
HALVINGS = 5
"""How often the cells near an image are halved before Newton's method starts from them."""
FAINTEST = 1e-6
"""|mu| below which an image at the centre of a singular mass is none."""
STEPS = 40
"""Steps of Newton's method."""
EXACT = 1e-9
"""How near to the source an image must come back [arcsec]."""
APART = 3e-6
"""How far apart two images must be to be two [arcsec]."""
STILL = 1e-13
"""Length of a step below which a point has arrived [arcsec]."""


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

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """x of the left and right edge, y of the lower and upper one [arcsec]."""
        return self.x - self.half_width, self.x + self.half_width, self.y - self.half_width, self.y + self.half_width


def unmasked_field(data: Dataset) -> Field:
    """The smallest square about the unmasked pixels, and a little more where the image goes on."""
    good, pixel = ~data.mask, data.pixel_scale
    places = [axis[good] for axis in (data.x, data.y)]
    x, y = (0.5 * float(p.min() + p.max()) for p in places)
    edge = max(np.abs(data.x - x).max(), np.abs(data.y - y).max()) + 0.5 * pixel
    return Field(x, y, float(min(0.5 * max(map(np.ptp, places)) + 2 * pixel, edge)))


def whole_field(grid: Grid) -> Field:
    """The smallest square about all points of a grid."""
    x, y = grid.coordinates()
    return Field(float(x.mean()), float(y.mean()), 0.5 * max(float(np.ptp(x)), float(np.ptp(y))))


def jacobian(model: LensModel, x: Any, y: Any) -> jax.Array:
    """A (..., 2, 2) at the points x, y (...) [arcsec]; A[..., i, j] = d beta_i / d theta_j.

    Raises ModelError where JAX is set to single precision.
    """
    check_precision()
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
    return {name: np.array(p.center, float) for name, p in sorted(profiles.items()) if p.center is not None}


def main_center(masses: dict[str, Any]) -> np.ndarray | None:
    """The centre (2,) [arcsec] of the mass with the largest Einstein radius, or of the first where none has one; None
    where none has a place."""
    placed = [p for _, p in sorted(masses.items()) if p.center is not None]
    if not placed:
        return None
    return np.array(max(placed, key=lambda p: float(getattr(p, "einstein_radius", -np.inf))).center, float)


def corners(x: np.ndarray, y: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """x, y (N, 4) of the corners of squares of half side `step` about x, y (N,) [arcsec]."""
    return x[:, None] + step * np.array([-1, 1, -1, 1]), y[:, None] + step * np.array([-1, -1, 1, 1])


@compiled
def traced(model: LensModel, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """beta (N, 2) [arcsec] and A (N, 2, 2) at the points x, y (N,)."""
    return jnp.stack(model.source_position(x, y), -1), jacobian(model, x, y)


@dataclasses.dataclass(frozen=True)
class Image:
    """An image of a point: its place (x, y) [arcsec], its signed magnification and its parity, +1 or -1."""

    x: float
    y: float
    magnification: float

    @property
    def parity(self) -> int:
        return 1 if self.magnification > 0 else -1


def image_positions(model: LensModel, source_x: float, source_y: float, field: Field) -> list[Image]:
    """All images in the field of the point (source_x, source_y) [arcsec], brightest first.

    Cells whose map comes near the source are halved again and again; Newton's method goes on from each.
    """
    source = np.array([source_x, source_y])
    x, y = (a.ravel() for a in field.cells(CELLS))
    half = field.half_width / CELLS
    for _ in range(HALVINGS):
        half = half / 2
        x, y = (a.ravel() for a in corners(*_near(model, x, y, 2 * half, source), half))
    starts = np.stack(_near(model, x, y, half, source), -1)
    found = _solve(model, starts, source, 20 * half)
    inside = np.abs(found - [field.x, field.y]).max(axis=1, initial=0.0) <= field.half_width
    return sorted(_images(model, found[inside]), key=lambda image: -abs(image.magnification))


def _near(
    model: LensModel, x: np.ndarray, y: np.ndarray, half: float, source: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The cells about x, y (N,) whose corners, mapped, lie about the source or at most their size away."""
    beta, _ = in_chunks(traced, model, *corners(x, y, half))
    low, high = beta.min(axis=1), beta.max(axis=1)
    margin = (high - low).max(axis=1, keepdims=True)
    near = np.all((source > low - margin) & (source < high + margin), axis=1)
    return x[near], y[near]


def _solve(model: LensModel, starts: np.ndarray, source: np.ndarray, reach: float) -> np.ndarray:
    """The solutions (M, 2) of the lens equation that Newton's method finds near starts (N, 2), each once."""
    points, moving = starts.copy(), np.arange(len(starts))
    for _ in range(STEPS):
        if not len(moving):
            break
        beta, a = in_chunks(traced, model, points[moving, 0], points[moving, 1])
        step = (np.linalg.pinv(a) @ (beta - source)[..., None])[..., 0]
        length = np.linalg.norm(step, axis=1)
        points[moving] -= step * np.minimum(1, 0.2 * reach / np.maximum(length, STILL))[:, None]
        moving = moving[length > STILL]
    beta, _ = in_chunks(traced, model, points[:, 0], points[:, 1])
    back = np.linalg.norm(beta - source, axis=1) < EXACT
    near = np.linalg.norm(points - starts, axis=1) < reach
    found = points[back & near]
    apart = np.linalg.norm(found[:, None] - found[None], axis=-1)
    twice = np.unique(np.nonzero(np.triu(apart <= APART, 1))[1])
    return np.delete(found, twice, axis=0)


def _images(model: LensModel, points: np.ndarray) -> list[Image]:
    _, a = in_chunks(traced, model, points[:, 0], points[:, 1])
    with np.errstate(divide="ignore"):
        mu = 1 / np.linalg.det(a)
    return [Image(*map(float, (*p, m))) for p, m in zip(points, mu, strict=True) if abs(m) > FAINTEST]


def _determinant(a: jax.Array) -> jax.Array:
    return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
