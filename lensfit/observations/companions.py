"""Bright companions: light that neither lens nor source explains, found on a fit and left out of the next.

A lensed image is a compact peak too, so a peak of the data says nothing. A companion is a round peak of what
a fit leaves, away from the centres of the lens light, where the fit has hardly any lensed light, and whose
counter-images, which the mass of the fit predicts if it were lensed, are not there. One that the mass images once
cannot have any. What is left at the centre of a lens is its own nucleus, and is not masked with a companion either.
"""
from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum_filter

from lensfit.datasets import Imaging
from lensfit.lensing import centers, in_chunks, traced
from lensfit.model import LensModel
from lensfit.observations.region import add_note, without_discs
from lensfit.plots.scene import model_image
from lensfit.staged.search import floor_weights

SMOOTHING = 1.5
"""Width of the smoothing before peaks are looked for [pixels]."""
FLOOR = 0.03
"""Share of the lens light by which its model may miss it."""
SIGNAL, SCATTER = 15.0, 5.0
"""Least height of a peak, over the noise and over the scatter of what the fit leaves."""
OFF_THE_ARCS = 3.0
"""Least height of a peak in units of the lensed source's there: clumps of a source are below 1."""
ROUND = 0.55
"""Least axis ratio of a peak: what a model misses of an arc is long."""
LARGEST = 0.3
"""Largest diameter at half the height, in units of the field's radius: what is wider is no blob."""
REACH, EDGE = 2.5, 1.0
"""A companion is masked as far as its excess is above this many sigma a pixel, and at most this many times
its radius at half the height."""
COUNTER_IMAGE = 0.35
"""Share of its predicted counter-images that a companion may show."""
SIZES = (0.15, 0.3, 0.5)
"""Sizes of a blob as a source of its own, in units of its radius in the source plane."""
NUCLEUS = 1.0
"""Distance of a blob from the centre of a profile of the lens light or mass, in units of the larger of its own radius
and that of the PSF at half their heights and of a pixel, up to which it is the nucleus of that galaxy."""


@dataclasses.dataclass(frozen=True)
class Companion:
    """Centre (x, y) and radius [arcsec] of a companion, and the height of its peak over the noise."""

    x: float
    y: float
    radius: float
    signal: float

    def __str__(self) -> str:
        return f'({self.x:.2f}", {self.y:.2f}") within {self.radius:.2f}"'


@dataclasses.dataclass(frozen=True, eq=False)
class Left:
    """What a fit leaves, whitened (H, W): `excess` data less model, less where the lens is bright, and smoothed
    like `source`, the lensed source; x, y (H, W) [arcsec] in the frame of the mass, and `used` pixels."""

    x: np.ndarray
    y: np.ndarray
    used: np.ndarray
    inverse_noise: np.ndarray
    excess: np.ndarray
    peaks: np.ndarray
    source: np.ndarray
    pixel: float

    @classmethod
    def of(cls, likelihood: Any, model: LensModel) -> Left:
        """What a model of numbers leaves of the data of a likelihood."""
        x, y = map(np.asarray, model.placed(*likelihood.grid.coordinates()))
        inverse = np.asarray(likelihood.inverse_noise)
        images = (np.asarray(model_image(likelihood, model.only(group))) for group in ("light", "source"))
        light, source = (image * inverse for image in images)
        excess = (np.asarray(likelihood.whitened_data) - light - source) * floor_weights(light, FLOOR)
        unit = 2 * SMOOTHING * np.sqrt(np.pi)  # smoothed white noise times this has deviation 1
        peaks, source = (gaussian_filter(image, SMOOTHING) * unit for image in (excess, source))
        return cls(x, y, inverse > 0, inverse, excess, peaks, source, float(likelihood.grid.pixel_scale))


def find_companions(likelihood: Any, model: LensModel) -> tuple[Companion, ...]:
    """The companions that a fitted model of numbers leaves in the data of its likelihood, brightest first."""
    left = Left.of(likelihood, model)
    scatter = 1.4826 * float(np.median(np.abs(left.peaks[left.used])))
    high = (left.peaks == maximum_filter(left.peaks, 7)) & left.used
    high &= left.peaks > np.maximum(max(SIGNAL, SCATTER * scatter), OFF_THE_ARCS * left.source)
    largest = LARGEST * np.sqrt(np.count_nonzero(left.used) / np.pi)
    places = sorted(np.argwhere(high), key=lambda place: -left.peaks[tuple(place)])
    found: list[Companion] = []
    for place in map(tuple, places):
        blobs: Any = label(left.peaks > 0.5 * left.peaks[place])
        blob = blobs[0] == blobs[0][place]
        companion = _companion(left, blob, float(left.peaks[place]))
        apart = all(np.hypot(companion.x - c.x, companion.y - c.y) > c.radius for c in found)
        small = 2 * _half_radius(blob) < max(largest, 6.0)
        own = _is_nucleus(likelihood, left, model, blob, companion)
        if apart and small and not own and _roundness(left, blob) > ROUND and not _is_lensed(left, model, companion):
            found.append(_beside(companion, model))
    return tuple(found)


def _distances(companion: Companion, model: LensModel) -> list[float]:
    """From a companion to the centre of each galaxy of the lens [arcsec]: of its light and, seen or not, its mass."""
    places = [*centers(model.light).values(), *centers(model.mass).values()]
    return [float(np.hypot(companion.x - x, companion.y - y)) for x, y in places]


def _beside(companion: Companion, model: LensModel) -> Companion:
    """The companion no wider than it is far from the centres of the lens: a nucleus is not masked with it."""
    return dataclasses.replace(companion, radius=min(companion.radius, *_distances(companion, model)))


def _half_radius(blob: np.ndarray) -> float:
    """Radius [pixels] of the disc as large as a blob (H, W)."""
    return float(np.sqrt(np.count_nonzero(blob) / np.pi))


def _is_nucleus(likelihood: Any, left: Left, model: LensModel, blob: np.ndarray, companion: Companion) -> bool:
    """Whether a blob (H, W) is what is left of a galaxy's own centre."""
    psf = np.asarray(likelihood.psf)
    reach = NUCLEUS * left.pixel * max(_half_radius(blob), _half_radius(psf > 0.5 * psf.max()), 1.0)
    return any(distance < reach for distance in _distances(companion, model))


def _companion(left: Left, blob: np.ndarray, signal: float) -> Companion:
    """The companion of a blob (H, W): its centroid, and how far its excess goes on above the noise."""
    weight = left.peaks * blob
    x, y = (float(np.average(a, weights=weight)) for a in (left.x, left.y))
    distance = np.hypot(left.x - x, left.y - y)
    half = _half_radius(blob)
    radius = half
    while radius < REACH * half:
        ring = left.used & (np.abs(distance / left.pixel - radius) < 0.5)
        if not ring.any() or left.excess[ring].mean() < EDGE:
            break
        radius += 0.5
    return Companion(x, y, (radius + 0.5) * left.pixel, signal)


def _roundness(left: Left, blob: np.ndarray) -> float:
    """Axis ratio of the second moments of a blob (H, W)."""
    covariance = np.cov(left.x[blob], left.y[blob], aweights=left.peaks[blob])
    small, large = np.linalg.eigvalsh(covariance)
    return float(np.sqrt(max(small, 0.0) / large))


def _is_lensed(left: Left, model: LensModel, companion: Companion) -> bool:
    """Whether what is left shows the counter-images that the blob would have if it were lensed.

    The blob as a source of its own, a Gaussian of one of a few sizes, is imaged; its amplitude is fitted
    where the blob is, and apart from that everywhere else.
    """
    beta, matrix = in_chunks(traced, model, left.x, left.y)
    distance = np.hypot(left.x - companion.x, left.y - companion.y)
    peak = np.unravel_index(np.argmin(distance), distance.shape)
    away = np.sum((beta - beta[peak]) ** 2, axis=-1)
    shrink = np.sqrt(abs(np.linalg.det(matrix[peak])))
    inside = left.used & (distance < companion.radius)
    for share in SIZES:
        size = np.clip(share * companion.radius * shrink, 0.3 * left.pixel, 0.5 * companion.radius)
        image = gaussian_filter(np.exp(-0.5 * away / size**2), SMOOTHING) * left.inverse_noise
        (here, _), (there, error) = (_amplitude(image, left, some) for some in (inside, left.used & ~inside))
        if there > max(COUNTER_IMAGE * here, 5 * error):
            return True
    return False


def _amplitude(image: np.ndarray, left: Left, where: np.ndarray) -> tuple[float, float]:
    """Amplitude of an image (H, W) in what is left, over some pixels, and its error."""
    weight = float(np.sum(image[where] ** 2)) + 1e-300
    return float(image[where] @ left.excess[where]) / weight, weight**-0.5


def turned(companions: tuple[Companion, ...], angle: float) -> tuple[Companion, ...]:
    """Companions as a frame shows them that is turned by an angle [degrees] about zero."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return tuple(dataclasses.replace(c, x=float(cos * c.x - sin * c.y), y=float(sin * c.x + cos * c.y))
                 for c in companions)  # fmt: skip


def leave_out(imaging: Imaging, companions: tuple[Companion, ...]) -> Imaging:
    """The same data with the companions masked, and a note for each."""
    notes = [
        f"companion masked, light that neither lens nor source explains: {c}, signal/noise {c.signal:.0f}"
        for c in companions
    ]
    return functools.reduce(add_note, notes, without_discs(imaging, ((c.x, c.y, c.radius) for c in companions)))
