"""The images of a point of the source plane."""
from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial import KDTree

from lensfit.lensing.local import Field, corners, in_chunks, traced
from lensfit.model import LensModel

CELLS = 100
"""Cells along a side of the field that are mapped to the source plane first."""
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
        beta, a = in_chunks(traced, model, points[moving, 0], points[moving, 1])
        step = (np.linalg.pinv(a) @ (beta - source)[..., None])[..., 0]
        length = np.linalg.norm(step, axis=1)
        points[moving] -= step * np.minimum(1, 0.2 * reach / np.maximum(length, STILL))[:, None]
        moving = moving[length > STILL]
    beta, _ = in_chunks(traced, model, points[:, 0], points[:, 1])
    back = np.linalg.norm(beta - source, axis=1) < EXACT
    near = np.linalg.norm(points - starts, axis=1) < reach
    found = points[back & near]
    twice = KDTree(found).query_pairs(APART, output_type="ndarray")[:, 1]
    return np.delete(found, twice, axis=0)


def _images(model: LensModel, points: np.ndarray) -> list[Image]:
    _, a = in_chunks(traced, model, points[:, 0], points[:, 1])
    with np.errstate(divide="ignore"):
        mu = 1 / np.linalg.det(a)
    return [Image(*map(float, (*p, m))) for p, m in zip(points, mu, strict=True) if abs(m) > FAINTEST]
