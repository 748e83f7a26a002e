"""Mock observations to measure on: Earth-rotation tracks, and a lensed source on a mesh."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree

from lensfit.errors import DataError
from lensfit.operators.nufft import ARCSEC
from lensfit.tracks import earth_rotation, spiral

PIXEL_SCALE = 0.1
ANTENNAS, LATITUDE, DECLINATION, HOURS, WAVELENGTH = 30, -23.0, -40.0, (-2.5, 2.5), 1e-3
LONGEST = 0.9
"""Longest baseline as a share of what the pixels can carry."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracks:
    """K visibilities of an array that the Earth turns, for an image of N x N pixels of PIXEL_SCALE arcsec.

    Attributes:
        u, v: (K,) baselines in wavelengths.
        weights: (K,) 1/sigma^2, of noise that differs by a factor of two between visibilities.
        mask: (N, N), True inside the circle that fills the image.
    """

    u: np.ndarray
    v: np.ndarray
    weights: np.ndarray
    grid: int

    @classmethod
    def of(cls, grid: int, visibilities: int, seed: int = 1) -> Tracks:
        """Tracks of ANTENNAS antennas in HOURS of hour angle, as many times as K visibilities ask for."""
        if grid < 2 or visibilities < 1:
            raise DataError(f"tracks: {grid} pixels a side and {visibilities} visibilities; give at least 2 and 1")
        random = np.random.default_rng(seed)
        times = -(-visibilities // (ANTENNAS * (ANTENNAS - 1) // 2))
        longest = LONGEST * WAVELENGTH / (2 * PIXEL_SCALE * ARCSEC)
        made = earth_rotation(
            spiral(ANTENNAS, longest), latitude=LATITUDE, declination=DECLINATION,
            hour_angles=np.linspace(*HOURS, times), wavelength=WAVELENGTH, noise=1.0,
        )
        keep = np.sort(random.permutation(len(made.u))[:visibilities])
        weights = random.uniform(1.0, 2.0, visibilities) ** -2.0
        return cls(u=made.u[keep], v=made.v[keep], weights=weights, grid=grid)

    def first(self, count: int) -> Tracks:
        """The same with `count` visibilities only, taken at even distances."""
        keep = np.linspace(0, len(self.u) - 1, count).astype(int)
        return Tracks(u=self.u[keep], v=self.v[keep], weights=self.weights[keep], grid=self.grid)

    @cached_property
    def mask(self) -> np.ndarray:
        """Pixels of the image that are used."""
        y, x = np.indices((self.grid, self.grid)) - (self.grid - 1) / 2
        return x**2 + y**2 <= (self.grid / 2) ** 2

    @property
    def radians(self) -> float:
        """The side of a pixel."""
        return PIXEL_SCALE * ARCSEC


def lensed_mapping(mask: np.ndarray, source_pixels: int, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and weights (M, B) of pixels traced through an isothermal lens with shear to a mesh of S points.

    Every pixel takes its B nearest points, weighted by inverse distance.
    """
    if not 1 <= neighbours <= source_pixels:
        raise DataError(f"{neighbours} weights a pixel of {source_pixels} source pixels; give 1 to S of them")
    half = mask.shape[0] / 2
    y, x = ((axis - (mask.shape[0] - 1) / 2) / half for axis in np.nonzero(mask))
    radius = np.hypot(x, y) + 1e-6
    traced = np.stack([x - 0.5 * x / radius - 0.03 * x, y - 0.5 * y / radius + 0.03 * y], 1)
    turn = np.arange(source_pixels)
    distance = 0.5 * np.sqrt((turn + 0.5) / source_pixels)
    golden = np.pi * (3 - np.sqrt(5))
    mesh = np.stack([distance * np.cos(golden * turn), distance * np.sin(golden * turn)], 1)
    found = KDTree(mesh).query(traced, k=neighbours)
    away, indices = (np.reshape(part, (len(traced), neighbours)) for part in found)
    weights = 1 / (away + 1e-3)
    return indices.astype(np.int64), weights / weights.sum(1, keepdims=True)
