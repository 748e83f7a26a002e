"""What all stages of one fit share."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.datasets import blocks
from lensfit.fitters.lm import Point
from lensfit.fitters.result import Basin
from lensfit.grid import cut
from lensfit.model import LensModel
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.staged.roles import Roles
from lensfit.staged.tally import Tally

Tell = Callable[[str, float, float, Point | None], None]
"""Is told the stage, its chi2 (NaN where unknown), the share of the work that is done, and the best point so far."""
BRIGHT = 256
"""Most pixels that are traced back."""


@dataclasses.dataclass(frozen=True)
class Arcs:
    """Pixels that show lensed light: x, y (P,) [arcsec] and weight (P,), zero-weight entries to fill up."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Arcs:
        """Of at most BRIGHT pixels."""
        return cls(*(np.pad(values, (0, BRIGHT - len(x))) for values in (x, y, weight)))


@dataclasses.dataclass(frozen=True)
class Levels:
    """One likelihood three times: 2x2-binned, full pixels with at most 2x2 sub-pixels, and as given."""

    coarse: Any
    medium: Any
    full: Any

    @classmethod
    def of(cls, likelihood: Any) -> Levels:
        """The levels of a likelihood."""
        medium = replace(likelihood, grid=likelihood.grid.capped(2))
        return cls(coarse=likelihood.coarser(), medium=medium, full=likelihood)

    def binned(self, whitened: np.ndarray) -> np.ndarray:
        """A whitened image (H, W) of the medium level as the coarse one shows it."""
        inverse = np.asarray(self.medium.inverse_noise)
        image = np.where(inverse > 0, whitened / np.where(inverse > 0, inverse, 1.0), 0.0)
        step = 2 * float(self.medium.grid.pixel_scale)
        offset = np.asarray(self.coarse.grid.corner) - np.asarray(self.medium.grid.corner)
        column, row = np.rint(offset / step - 0.25).astype(int)
        rows, columns = self.coarse.shape
        box = slice(row, row + rows), slice(column, column + columns)
        return cut(blocks(image, 2).mean(-1), box, 0.0) * np.asarray(self.coarse.inverse_noise)


@dataclasses.dataclass(frozen=True)
class Found:
    """The end of the stages: the best point at full accuracy, and the basins that came closest, best first."""

    point: Point
    theta: np.ndarray
    basins: tuple[Basin, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """One fit: the model whose amplitudes are solved, its space and roles, the data, and the tally of descents."""

    model: LensModel
    space: Space
    roles: Roles
    levels: Levels
    tally: Tally

    @classmethod
    def of(cls, model: LensModel, likelihood: Any) -> Case:
        """Raises FitError where the model cannot be staged."""
        space = Space.of(model)
        return cls(model, space, Roles.of(space), Levels.of(likelihood), Tally())
