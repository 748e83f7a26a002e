"""Flux of a model over the sky, how much the lens adds to that of its source; size and images of a source on pixels."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.grid import Grid
from lensfit.lensing.lens_equation import Field, corners, in_chunks, traced
from lensfit.likelihood.reconstruction import Reconstruction, brightness_of
from lensfit.model import LensModel
from lensfit.pytree import replace

CELLS, SHARE = 200, 1e-4
"""Cells along a side of the field to begin with, and the share of the flux above which one is cut into four."""
HALVINGS = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """Squares that tile a field: centres x, y (N,) [arcsec] and area (N,) [arcsec^2]."""

    x: np.ndarray
    y: np.ndarray
    area: np.ndarray


def brightness_at(model: LensModel, x: Any, y: Any) -> np.ndarray:
    """Brightness (...) of a model of numbers, without sky and PSF, at the points x, y (...) [arcsec]."""
    return in_chunks(_brightness, model, x, y)


def flux(model: LensModel, cells: Cells) -> float:
    """Integral of the brightness over the cells [data unit times arcsec^2]."""
    return float(np.sum(brightness_at(model, cells.x, cells.y) * cells.area))


def unlensed(model: LensModel) -> LensModel:
    """The source of a model as it would look without a lens, in the frame of the mass."""
    return replace(model.only("source"), mass={}, alignment=None)


def bright_cells(model: LensModel, field: Field, number: int = CELLS, share: float = SHARE) -> Cells:
    """Cells over a field, small where the model is bright: each holds a small share of the flux.

    Args:
        number: cells along a side of the field to begin with.
        share: share of the flux above which a cell is cut into four, `HALVINGS` times at most.
    """
    x, y = (a.ravel() for a in field.cells(number))
    half, area = field.half_width / number, (2 * field.half_width / number) ** 2
    done: list[tuple[Any, Any, Any]] = []
    rest = 0.0
    for _ in range(HALVINGS):
        light = np.abs(brightness_at(model, x, y)) * area
        split = light > share * (rest + light.sum())
        rest += light[~split].sum()
        done.append((x[~split], y[~split], np.full((~split).sum(), area)))
        half, area = half / 2, area / 4
        x, y = (a.ravel() for a in corners(x[split], y[split], half))
    done.append((x, y, np.full(x.size, area)))
    x, y, areas = (np.concatenate(some) for some in zip(*done, strict=True))
    return Cells(x, y, areas)


def source_magnification(model: LensModel, field: Field) -> float:
    """Flux of the lensed source over that of the source itself, both inside the field."""
    lensed, bare = model.only("source"), unlensed(model)
    return flux(lensed, bright_cells(lensed, field)) / flux(bare, bright_cells(bare, field))


_brightness = compiled(LensModel.brightness)
brightness_on_mesh = compiled(brightness_of)
"""`brightness_of`, at points of the source plane."""


FINE = 4
"""Rays along a side of an image pixel, for counting images."""
FAINTEST = 0.1
"""Magnification below which an image is not counted: the centre of a lens has one of zero for any source."""


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


def mean_images(found: Reconstruction, grid: Grid) -> float:
    """How many images the source has in the first dataset, on `grid`: the mean over its parts.

    A part counts by its brightness squared, as noise about the source should not, and only where it is positive:

        sum over image pixels of max(S, 0)^2 / |mu|  over  sum over the source of max(S, 0)^2,

    areas included, S the source's brightness at the end of a ray.
    """
    across = (np.arange(FINE) - (FINE - 1) / 2) * (grid.pixel_scale / FINE)
    used, places, brightness = (np.asarray(a) for a in (found.seen[0].used, found.x, found.brightness))
    x, y = (np.asarray(a)[used][:, None, None] for a in grid.coordinates())
    seen, determinant = in_chunks(partial(_traced, found), found.model, x + across, y + across[:, None])
    light = np.maximum(seen, 0.0) ** 2 * np.abs(determinant)
    counted = np.abs(determinant) < 1 / FAINTEST
    area, step = float(grid.pixel_scale / FINE) ** 2, float(places[1] - places[0])
    whole = float(np.sum(np.maximum(brightness, 0.0) ** 2)) * step**2
    return float(np.sum(light[counted])) * area / max(whole, 1e-300)


def _traced(found: Reconstruction, model: LensModel, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """Brightness of the source and det A at points (N,) of the image plane [arcsec]."""
    beta, a = map(np.asarray, traced(model, x, y))
    return brightness_on_mesh(found.source, found.coefficients, beta[:, 0], beta[:, 1]), np.linalg.det(a)
