"""Baselines of an array of antennas while the Earth turns it under a source."""
from __future__ import annotations

from typing import Any

import numpy as np

from lensfit.datasets import Visibilities
from lensfit.errors import DataError


def earth_rotation(
    antennas: Any,
    *,
    latitude: float,
    declination: float,
    hour_angles: Any,
    wavelength: float,
    noise: float,
    track: int = 0,
) -> Visibilities:
    """Visibilities of zero with the baselines of one run, to be filled by `simulate_interferometer`.

    u = sin H X + cos H Y, v = sin d (sin H Y - cos H X) + cos d Z, over the wavelength, with (X, Y, Z) the
    baseline towards (hour angle 0, East, pole) (Thompson, Moran & Swenson 2017, eq. 4.1). East is to the left.

    Args:
        antennas: (A, 3) positions East, North, up in metres.
        latitude: of the array, degrees.
        declination: of the phase centre, degrees.
        hour_angles: (T,) hours.
        wavelength: metres.
        noise: standard deviation of real and imaginary part of one visibility, Jy.
        track: number of the run.

    Raises:
        DataError: fewer than two antennas, or the source is below the horizon.
    """
    antennas = np.asarray(antennas, float)
    if antennas.ndim != 2 or antennas.shape[1] != 3 or len(antennas) < 2:
        raise DataError(f"antennas of shape {antennas.shape}; give (A, 3) with A >= 2: East, North, up in metres")
    hours = np.atleast_1d(np.asarray(hour_angles, float))
    angle, north, dec = hours[:, None] * np.pi / 12, np.deg2rad(latitude), np.deg2rad(declination)
    altitude = np.sin(north) * np.sin(dec) + np.cos(north) * np.cos(dec) * np.cos(angle[:, 0])
    if (altitude <= 0).any():
        raise DataError(f"the source is below the horizon at hour angle {hours[np.argmin(altitude)]:g}; leave it out")
    first, second = np.triu_indices(len(antennas), 1)
    u, v = _projected(antennas[first] - antennas[second], north, dec, angle)
    count = len(hours)
    return Visibilities.from_arrays(
        u.ravel(),
        v.ravel(),
        np.zeros(u.size),
        noise,
        sign=-1,
        east="left",
        wavelength=wavelength,
        antenna1=np.tile(first, count),
        antenna2=np.tile(second, count),
        time=np.repeat(hours, len(first)),
        track=np.full(u.size, track),
    )


def _projected(separations: np.ndarray, latitude: float, declination: float, angle: Any) -> tuple[Any, Any]:
    """u, v (T, B) in metres of separations (B, 3) East, North, up, at hour angles (T, 1); all angles in radians."""
    east, north, up = separations.T
    x = np.cos(latitude) * up - np.sin(latitude) * north
    z = np.sin(latitude) * up + np.cos(latitude) * north
    u = np.sin(angle) * x + np.cos(angle) * east
    v = np.sin(declination) * (np.sin(angle) * east - np.cos(angle) * x) + np.cos(declination) * z
    return u, v


def spiral(count: int, longest: float) -> np.ndarray:
    """(count, 3) antennas in metres on three arms that wind outwards, as ALMA's configurations do roughly.

    longest: the longest baseline in metres.
    """
    step = np.arange(count)
    radius = 0.06 ** (1 - step / (count - 1))
    angle = step * (2 * np.pi / 3) + 1.3 * np.log(radius)
    east, north = radius * np.cos(angle), radius * np.sin(angle)
    reach = np.hypot(east[:, None] - east, north[:, None] - north).max()
    return np.stack([east, north, 0 * east], 1) * (longest / reach)
