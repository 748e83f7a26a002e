"""Mock observations to measure on, Earth-rotation tracks and a lensed source on a mesh, and exact sums over them."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from lensfit.datasets import ARCSEC
from lensfit.errors import DataError
from lensfit.instruments import earth_rotation, spiral

PIXEL_SCALE = 0.1
ANTENNAS, LATITUDE, DECLINATION, HOURS, WAVELENGTH = 30, -23.0, -40.0, (-2.5, 2.5), 1e-3
LONGEST = 0.9
"""Longest baseline as a share of what the pixels can carry."""
OFFSETS, SOURCES = 48, 16
"""Values of w_tilde, and rows and columns of F, that are compared with the exact sum."""


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


def w_tilde_error(tracks: Tracks, result: Any) -> float:
    """Largest difference of w_tilde, over w_tilde(0), at OFFSETS offsets; `result` compact or (M, M).

    The sum is made term by term in extended precision.
    """
    out = np.asarray(result)
    y, x = np.nonzero(tracks.mask)
    random = np.random.default_rng(0)
    m, n = random.integers(0, len(y), (2, OFFSETS))
    j, i = y[m] - y[n], x[m] - x[n]
    compact = out.shape == (2 * tracks.grid - 1, 2 * tracks.grid - 1)
    values = out[j + tracks.grid - 1, i + tracks.grid - 1] if compact else out[m, n]
    turn = 2 * np.arccos(np.longdouble(-1)) * np.longdouble(tracks.radians)
    phase = turn * (i[:, None] * tracks.u.astype(np.longdouble) + j[:, None] * tracks.v.astype(np.longdouble))
    exact = np.cos(phase) @ tracks.weights.astype(np.longdouble)
    return float(np.abs(values - exact).max() / tracks.weights.sum())


def curvature_block(
    tracks: Tracks, indices: np.ndarray, weights: np.ndarray, chosen: np.ndarray, chunk: int = 4096
) -> np.ndarray:
    """F_st = sum_k w_k Re[conj(V_ks) V_kt] of the source pixels `chosen`, V_ks the visibilities of column s of T.

    No w_tilde takes part, so that it checks w_tilde as well.
    """
    columns = np.zeros((len(chosen), len(indices)))
    for row, source in enumerate(chosen):
        columns[row] = np.sum(weights * (indices == source), axis=1)
    seen = columns.any(axis=0)
    y, x = (axis[seen].astype(float) for axis in np.nonzero(tracks.mask))
    turn = 2 * np.pi * tracks.radians
    total = np.zeros((len(chosen), len(chosen)))
    for start in range(0, len(tracks.u), chunk):
        part = slice(start, start + chunk)
        phase = turn * (x[:, None] * tracks.u[part] + y[:, None] * tracks.v[part])
        visibilities = columns[:, seen] @ np.exp(-1j * phase)
        total += (visibilities.conj() * tracks.weights[part] @ visibilities.T).real
    return total
