"""Flux of a model over the sky, and how much the lens adds to that of its source."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from lensfit.lensing.lens_equation import Field, corners, in_chunks
from lensfit.model import LensModel
from lensfit.pytree import replace

CELLS = 200
"""Cells along a side of the field to begin with."""
HALVINGS = 6
SHARE = 1e-4
"""Share of the flux above which a cell is cut into four."""


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
    """The source of a model as it would look without a lens."""
    return replace(model.only("source"), mass={})


def bright_cells(model: LensModel, field: Field) -> Cells:
    """Cells over a field, small where the model is bright: each holds a small share of the flux."""
    x, y = (a.ravel() for a in field.cells(CELLS))
    half, area = field.half_width / CELLS, (2 * field.half_width / CELLS) ** 2
    done: list[tuple[Any, Any, Any]] = []
    rest = 0.0
    for _ in range(HALVINGS):
        light = np.abs(brightness_at(model, x, y)) * area
        split = light > SHARE * (rest + light.sum())
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


_brightness = jax.jit(LensModel.brightness)
