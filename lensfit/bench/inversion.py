"""The case on which ways to F = T^T w_tilde T are measured, and the check of their results."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lensfit.bench.exact import SOURCES, curvature_block
from lensfit.bench.mock import PIXEL_SCALE, Tracks, lensed_mapping
from lensfit.operators.w_tilde import w_compact


@dataclass(frozen=True, kw_only=True, eq=False)
class Inversion:
    """A case: tracks and a mapping matrix; w_tilde is made once, before anything is timed."""

    tracks: Tracks
    source_pixels: int
    neighbours: int

    @cached_property
    def mapping(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices and weights (M, B)."""
        return lensed_mapping(self.tracks.mask, self.source_pixels, self.neighbours)

    @cached_property
    def compact(self) -> np.ndarray:
        """w_compact (2N - 1, 2N - 1)."""
        t = self.tracks
        return np.ascontiguousarray(w_compact(t.u, t.v, t.weights, (t.grid, t.grid), PIXEL_SCALE))

    @cached_property
    def pixels(self) -> np.ndarray:
        """Row and column (M, 2) of the pixels."""
        return np.argwhere(self.tracks.mask)

    @cached_property
    def dense(self) -> np.ndarray:
        """w_tilde (M, M)."""
        offset = self.pixels[:, None] - self.pixels[None] + self.tracks.grid - 1
        return self.compact[offset[..., 0], offset[..., 1]]

    @cached_property
    def exact(self) -> tuple[np.ndarray, np.ndarray]:
        """Source pixels, and F between them by a sum over visibilities."""
        chosen = np.unique(np.linspace(0, self.source_pixels - 1, SOURCES).astype(int))
        return chosen, curvature_block(self.tracks, *self.mapping, chosen)

    @property
    def pairs(self) -> float:
        """M^2."""
        return float(np.count_nonzero(self.tracks.mask)) ** 2

    @property
    def columns(self) -> float:
        """M S."""
        return float(np.count_nonzero(self.tracks.mask) * self.source_pixels)


def error(case: Inversion, result: Any) -> float:
    """Largest difference of F from the exact sum, over its largest value."""
    chosen, exact = case.exact
    return float(np.abs(np.asarray(result)[np.ix_(chosen, chosen)] - exact).max() / np.abs(exact).max())
