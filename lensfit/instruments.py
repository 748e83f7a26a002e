"""Instruments for simulations: cameras with their point-spread function, sky and noise; arrays of antennas with the
baselines that they have while the Earth turns them under a source."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from lensfit.datasets import ARCSEC, Visibilities
from lensfit.errors import DataError

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian of sigma 1."""
FINE = 8
"""Samples of the diffraction pattern per pixel and axis."""
SAMPLES = 640
"""Samples of an aperture per axis; its edges are smoothed over one sample, so that areas are exact."""

LARGEST_PSF = 1001
"""Pixels per side of the largest PSF that is made."""

SEGMENT, GAP, STRUT = 1.32, 0.007, 0.10
"""JWST: flat-to-flat size of a segment, gap between segments, width of a strut [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Aperture:
    """Transmission (N, N) of an entrance pupil, 0 to 1, sampled every `step` metres about its centre."""

    transmission: np.ndarray
    step: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Instrument:
    """What turns the brightness of the sky into an image with noise.

    Attributes:
        pixel_scale: arcsec per pixel.
        psf: (h, w) point-spread function on these pixels, odd-sided, sum 1.
        exposure_time: seconds.
        gain: counts per data unit and second.
        sky: brightness of the sky in data units, subtracted from simulated data but not its noise.
        read_noise: standard deviation in counts per pixel, of the whole exposure.
        unit: the data unit, as FITS writes it.
        notes: what was done to the PSF when it was read, which simulated data tell too.
    """

    pixel_scale: float
    psf: np.ndarray
    exposure_time: float
    gain: float
    sky: float
    read_noise: float
    unit: str
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> float:
        """Counts per data unit in the whole exposure."""
        return self.exposure_time * self.gain

    def noise(self, brightness: np.ndarray | float) -> np.ndarray:
        """Standard deviation, in data units, of pixels whose true brightness over the sky is given:
        Poisson noise of light and sky, and read noise."""
        return np.sqrt((brightness + self.sky) * self.counts + self.read_noise**2) / self.counts


def jwst_f150w() -> Instrument:
    """Like JWST/NIRCam F150W: 1000 s, electrons per second, pixels of 0.031 arcsec, a PSF of 21 x 21."""
    wavelengths = np.linspace(1.33e-6, 1.67e-6, 7)
    return Instrument(
        pixel_scale=0.031,
        psf=diffraction_psf(segmented_aperture(), wavelengths, 0.031, 21, jitter=0.007),
        exposure_time=1000.0,
        gain=1.0,
        sky=0.10,
        read_noise=6.0,
        unit="electron/s",
    )


def segmented_aperture(struts: Sequence[float] = (90.0, 240.0, 300.0)) -> Aperture:
    """Like JWST: 18 hexagons in two rings about a missing one, edges at the top and at the bottom.

    The struts that hold the secondary mirror run outwards at these position angles [degrees].
    """
    pitch = SEGMENT + GAP
    x, y, step = _plane(5 * pitch)
    transmission = np.zeros_like(x)
    across, up = pitch * np.array([np.sqrt(0.75), 0.5]), pitch * np.array([0.0, 1.0])
    for i in range(-2, 3):
        for j in range(-2, 3):
            if 1 <= max(abs(i), abs(j), abs(i + j)) <= 2:
                center = i * across + j * up
                transmission += _covered(_inside_hexagon(x - center[0], y - center[1]), step)
    for angle in np.deg2rad(struts):
        along, beside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        transmission *= 1 - _covered(np.minimum(STRUT / 2 - np.abs(beside), along), step)
    return Aperture(transmission=transmission, step=step)


def diffraction_psf(
    aperture: Aperture,
    wavelengths: Sequence[float] | np.ndarray,
    pixel_scale: float,
    size: int,
    *,
    jitter: float = 0.0,
) -> np.ndarray:
    """Fraunhofer diffraction averaged over wavelengths, blurred, summed over pixels: (size, size), sum 1.

    Intensity = |integral of transmission(r) exp(-2 pi i theta.r / lambda) d^2r / lambda|^2 (Goodman 2005,
    sec. 4.3), which has the same energy at every wavelength.

    Args:
        aperture: the entrance pupil.
        wavelengths: metres.
        pixel_scale: arcsec per pixel.
        size: pixels per side, odd.
        jitter: standard deviation of a Gaussian blur, of pointing and of the charge [arcsec].

    Raises:
        DataError: the size is not odd.
    """
    n = _checked_size(size) * FINE
    theta = (np.arange(n) - (n - 1) / 2) * pixel_scale / FINE * ARCSEC
    side = len(aperture.transmission)
    r = (np.arange(side) - (side - 1) / 2) * aperture.step
    intensity = np.zeros((n, n))
    for wavelength in wavelengths:
        wave = np.exp((-2j * np.pi / wavelength) * theta[:, None] * r)
        intensity += np.abs(wave @ aperture.transmission @ wave.T / wavelength) ** 2
    intensity = gaussian_filter(intensity, jitter / pixel_scale * FINE, mode="nearest")
    return _normalised(intensity.reshape(size, FINE, size, FINE).sum((1, 3)))


def gaussian_psf(fwhm: float, pixel_scale: float, size: int) -> np.ndarray:
    """Round Gaussian integrated over pixels: (size, size), sum 1.

    Args:
        fwhm: full width at half maximum, arcsec.
        pixel_scale: arcsec per pixel.
        size: pixels per side, odd.

    Raises:
        DataError: the size is not odd or beyond `LARGEST_PSF`, or a number is not positive.
    """
    if not 0 < fwhm < np.inf or not 0 < pixel_scale < np.inf:
        raise DataError(f"PSF of FWHM {fwhm:g} on pixels of {pixel_scale:g} arcsec; give positive numbers")
    edges = (np.arange(_checked_size(size) + 1) - size / 2) * pixel_scale
    share = np.diff(erf(edges * FWHM / (fwhm * np.sqrt(2))))
    return _normalised(np.outer(share, share))


def _plane(width: float) -> tuple[np.ndarray, np.ndarray, float]:
    """x, y (SAMPLES, SAMPLES) of a plane that holds a width with a sample to spare, and their step [m]."""
    step = width / (SAMPLES - 2)
    side = (np.arange(SAMPLES) - (SAMPLES - 1) / 2) * step
    x, y = np.meshgrid(side, side)
    return x, y, step


def _covered(inside: np.ndarray, step: float) -> np.ndarray:
    """Share of each sample within an edge; `inside` is the distance of its centre from the edge, inwards."""
    return np.clip(inside / step + 0.5, 0.0, 1.0)


def _inside_hexagon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance inwards from the nearest edge line of a segment about the origin [m]."""
    slanted = np.sqrt(0.75) * np.abs(x) + 0.5 * np.abs(y)
    return SEGMENT / 2 - np.maximum(np.abs(y), slanted)


def _checked_size(size: int) -> int:
    if size < 1 or size % 2 == 0:
        raise DataError(f"PSF of {size} pixels per side has no central pixel; give an odd size")
    if size > LARGEST_PSF:
        raise DataError(f"PSF of {size} pixels per side; give at most {LARGEST_PSF}")
    return size


def _normalised(psf: np.ndarray) -> np.ndarray:
    """Sum 1, after rounding to single precision: other processors then give the same PSF to the last bit."""
    psf = np.float32(psf / psf.sum()).astype(float)
    return psf / psf.sum()


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
