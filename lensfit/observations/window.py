"""The image grid of visibilities, read off the data: a square about the emission that one lens can make.

A lens shows as knots and arcs on a circle. They may lie apart, by as much as two Einstein radii, so that no level of
brightness joins them: groups of emission are joined by how near they are to each other.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import find_objects, gaussian_filter, label

from lensfit.datasets import Interferometer, least_field
from lensfit.errors import DataError
from lensfit.likelihood.calibration import Observations
from lensfit.observations.elsewhere import fit_unlensed, take_out
from lensfit.staged.visibility_stages import align, bright_image

WIDE, FINE = 0.5, 0.36
"""Pixels of the image that is searched for the lens, and of the window, in units of the largest one allowed."""
LARGEST = 512
"""Most pixels along a side of the image that is searched."""
STEPS = 60
"""Of the image in which the lens is looked for: enough to tell where emission is, a third of those of a sharp one."""
SMOOTHING = 1.0
"""Width of the smoothing before groups are told apart, in units of the largest pixel allowed: about the beam."""
LEVEL = 0.1
"""Share of the peak of the smoothed image from which on emission is a group."""
LINK = 3.2
"""Largest gap [arcsec] between groups of one lens: the images of a galaxy as a lens lie nearer than that. Of several
lots of groups the lens is that of the most flux times radius: what is not lensed is bright, but small."""
SHARE = 0.2
"""Share of the peak of its group down to which a pixel belongs to the circle."""
WINDOW_MARGIN = 1.7
"""Half the side of the window in units of the circle's radius."""


@dataclasses.dataclass(frozen=True)
class Emission:
    """The smallest circle about what one lens may show: centre (x, y) and radius `reach` [arcsec]; the share of all
    flux that is in it; the image (H, W) of that alone; and where the rest is (x, y) [arcsec]."""

    x: float
    y: float
    reach: float
    inside: float
    lens: np.ndarray
    elsewhere: tuple[tuple[float, float], ...]


def choose_window(datasets: Sequence[Interferometer]) -> list[Interferometer]:
    """All datasets on one grid: a square about the emission of the lens, fine enough for a fit.

    It is searched for in the largest field of the datasets. What is too far off to be lensed is taken out of the
    visibilities. The notes say what was chosen.

    Raises:
        DataError: the image made of the visibilities is dark.
    """
    nyquist = min(data.nyquist for data in datasets)
    side = max(min(data.shape) * data.pixel_scale for data in datasets)
    wide, found, scatter = _find_emission(datasets, side, datasets[0].origin)
    unlensed = [fit_unlensed(data, found.lens, found.elsewhere, scatter) for data in wide]
    if any(unlensed):  # the faint images of the lens show better without them
        wide = [take_out(data, some) for data, some in zip(wide, unlensed, strict=True)]
        wide, found, _ = _find_emission(wide, side, datasets[0].origin)
    least = max(least_field(d.visibilities) for d in datasets)
    half = max(WINDOW_MARGIN * found.reach + nyquist, 0.5 * least)
    pixel = FINE * nyquist
    count = 16 * int(np.ceil(2 * half / pixel / 16))
    note = (
        f"window chosen from the data: {count} x {count} pixels of {pixel:.4g} arcsec about ({found.x:.3f}, "
        f"{found.y:.3f}), with {100 * found.inside:.0f} % of the positive emission"
    )
    grid = {"pixel_scale": pixel, "shape": (count, count), "origin": (found.x, found.y)}
    return [_with(data.regridded(**grid), found, note) for data in wide]


def look_at_window(datasets: Sequence[Interferometer]) -> list[Interferometer]:
    """The datasets on their own grid, with the circle about what of the emission in it is the lens's."""
    first = datasets[0]
    _, found, _ = _find_emission(datasets, max(first.shape) * first.pixel_scale, first.origin)
    return [_with(data, found) for data in datasets]


def _with(data: Interferometer, found: Emission, *notes: str) -> Interferometer:
    return dataclasses.replace(data, emission=(found.x, found.y, found.reach), notes=(*data.notes, *notes))


def _find_emission(
    datasets: Sequence[Interferometer], side: float, origin: tuple[float, float]
) -> tuple[list[Interferometer], Emission, float]:
    """The datasets on a square field of this side [arcsec] about a place (x, y), what a lens may show there, and the
    scatter of the dirty image without it over its noise."""
    nyquist = min(data.nyquist for data in datasets)
    count = min(2 * int(np.ceil(side / (WIDE * nyquist) / 2)), LARGEST)
    wide = [d.regridded(pixel_scale=WIDE * nyquist, shape=(count, count), origin=origin) for d in datasets]
    likelihood = align(Observations.of(wide)).likelihood()
    found = emission_of(bright_image(likelihood, STEPS), wide[0].x, wide[0].y, SMOOTHING * nyquist)
    left = np.abs(np.asarray(likelihood.dirty_residual(jnp.asarray(found.lens))))
    return wide, found, 1.4826 * float(np.median(left))


def emission_of(image: np.ndarray, x: np.ndarray, y: np.ndarray, smoothing: float) -> Emission:
    """The same of a non-negative image (H, W) with pixels at x, y (H, W) [arcsec].

    Raises:
        DataError: the image is dark.
    """
    if not image.any():
        raise DataError("no emission in the field: the image made of the visibilities is dark; check sign and units")
    smooth = gaussian_filter(image, smoothing / abs(float(x[0, 1] - x[0, 0])), mode="constant")
    numbers, count = label(smooth > LEVEL * smooth.max())  # pyright: ignore[reportGeneralTypeIssues]
    groups = [_Group.of(np.where(numbers[box] == k, image[box], 0.0), x[box], y[box], k)
              for k, box in enumerate(find_objects(numbers, count), 1)]  # fmt: skip
    clusters = _clusters([group for group in groups if group.flux > 0])
    circles = [smallest_circle(np.concatenate([group.places for group in cluster])) for cluster in clusters]
    fluxes = np.array([sum(group.flux for group in cluster) for cluster in clusters])
    lens = int(np.argmax(fluxes * np.array([radius for *_, radius in circles])))
    own = np.where(np.isin(numbers, [group.number for group in clusters[lens]]), image, 0.0)
    others = tuple((x, y) for k, (x, y, _) in enumerate(circles) if k != lens)
    return Emission(*circles[lens], float(own.sum() / image.sum()), own, others)


@dataclasses.dataclass(frozen=True, eq=False)
class _Group:
    """Emission that hangs together: the places (P, 2) of its bright pixels, its flux, and its number."""

    places: np.ndarray
    flux: float
    number: int

    @classmethod
    def of(cls, image: np.ndarray, x: np.ndarray, y: np.ndarray, number: int) -> _Group:
        used = image > SHARE * image.max()
        return cls(np.stack([x[used], y[used]], -1), float(image.sum()), number)

    def gap(self, other: _Group) -> float:
        """Least distance between their places [arcsec]."""
        return float(np.min(np.hypot(*(self.places[:, None] - other.places[None]).T)))


def _clusters(groups: list[_Group]) -> list[list[_Group]]:
    """The groups, those with a gap below LINK together."""
    clusters: list[list[_Group]] = []
    for group in groups:
        near = [cluster for cluster in clusters if any(group.gap(one) < LINK for one in cluster)]
        clusters = [c for c in clusters if c not in near] + [[group, *(one for c in near for one in c)]]
    return clusters


def smallest_circle(places: np.ndarray) -> tuple[float, float, float]:
    """Centre x, y and radius of the smallest circle about places (P, 2), to one part in a thousand.

    The centre goes towards the farthest place by ever smaller shares of the way (Badoiu & Clarkson 2003).
    """
    center = places.mean(0)
    for k in range(1, 1000):
        far = places[np.argmax(np.hypot(*(places - center).T))]
        center = center + (far - center) / (k + 1)
    return float(center[0]), float(center[1]), float(np.hypot(*(places - center).T).max())
