"""What part of the sky is fitted, read off the data: the mask of an image, the image grid of visibilities.

An image: where the lens is and how far its arcs reach. Visibilities: where the emission is.
"""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, label

from lensfit.datasets import Imaging, Interferometer, brightest_place, disc, least_field
from lensfit.errors import DataError
from lensfit.likelihood.calibration import Observations
from lensfit.staged.visibility_stages import align, bright_image

SMOOTHING = 1.5
"""Width of the smoothing before structure is looked for [pixels]."""
SIGNIFICANT = 8.0
"""Least signal over noise of structure, after smoothing."""
PROMINENT = 0.12
"""Least share of the light that structure has."""
LARGEST_IMAGE = 1500
"""Most pixels along a side of the image in which the lens and its arcs are looked for."""
LEVEL = 35
"""Percentile of the light in a ring above which it is structure."""
COVERED = 0.1
"""Share of a ring that structure must cover for the ring to belong to the arcs."""
MASK_MARGIN = 1.15
"""The mask's radius in units of the outermost such ring."""
WIDE, FINE = 0.5, 0.36
"""Pixels of the image that is searched for the lens, and of the window, in units of the largest one allowed."""
LARGEST = 512
"""Most pixels along a side of the image that is searched."""
SHARE = 0.2
"""Share of the peak of the smoothed image down to which emission belongs to the lens."""
WINDOW_MARGIN = 1.7
"""Half the side of the window in units of the distance to which that reaches."""


def choose_mask(imaging: Imaging) -> Imaging:
    """Leave out all but a circle about the lens that holds its arcs, and say so in the notes.

    Where the arcs do not end within the image it is the largest circle of the image, about its middle unless the
    place of the lens was stated: one about the brightest place could cut what belongs to the lens.
    """
    coarse = coarsened(imaging)
    x, y = lens_center(coarse)
    largest = 0.5 * min(imaging.shape) * imaging.pixel_scale
    wanted = MASK_MARGIN * arc_radius(coarse, (x, y)) + 2 * imaging.pixel_scale
    radius = min(wanted, largest)
    if wanted >= largest and imaging.center is None:
        x, y = imaging.origin
    note = f'mask chosen from the data: a circle of radius {radius:.2f}" about ({x:.2f}", {y:.2f}")'
    if wanted >= largest:
        note += (
            ", as large as the image allows: where the arcs end could not be told from the data; mask_radius= says it, "
            "and center= where the lens is"
        )
    outside, told = disc(imaging.frame, radius, (x, y))
    chosen = add_note(imaging.with_mask(outside), note)
    return chosen if wanted >= largest else functools.reduce(add_note, told, chosen)


def coarsened(imaging: Imaging) -> Imaging:
    """The image in which the lens is looked for: a very large one on coarser pixels."""
    factor = -(-max(imaging.shape) // LARGEST_IMAGE)
    return imaging if factor == 1 else dataclasses.replace(imaging, wcs=None).binned(factor)


def add_note(imaging: Imaging, note: str) -> Imaging:
    """The same data with one more note of what was done to them."""
    return dataclasses.replace(imaging, notes=(*imaging.notes, note))


def lens_center(imaging: Imaging) -> tuple[float, float]:
    """(x, y) [arcsec] of the lens as it was stated, or of the brightest place within the middle half of the image."""
    if imaging.center is not None:
        return imaging.center
    row, column = brightest_place(imaging.data, imaging.mask)
    return float(imaging.x[row, column]), float(imaging.y[row, column])


def arc_radius(imaging: Imaging, center: tuple[float, float]) -> float:
    """Outer radius [arcsec] of the rings about the lens that structure beyond a round galaxy covers.

    Structure is light above the percentile LEVEL of its ring. The rings must hang together; of several sets
    those count that hold at least a third of what the richest one holds.
    """
    width = 2 * imaging.pixel_scale
    count = int(0.5 * min(imaging.shape) * imaging.pixel_scale / width) + 1
    ring = (np.hypot(imaging.x - center[0], imaging.y - center[1]) / width).astype(np.int32)
    used = np.flatnonzero(~imaging.mask & (ring < count))
    used = used[np.argsort(ring.flat[used], kind="stable")]
    edges = np.searchsorted(ring.flat[used], np.arange(1, count))
    inside = np.split(imaging.data.flat[used], edges)
    level = np.zeros(ring.max() + 1)
    level[:count] = [np.percentile(values, LEVEL) if values.size else 0.0 for values in inside]
    flags = _structure(imaging, np.where(imaging.mask, 0.0, imaging.data - level[ring]))
    covered = np.array([part.mean() if part.size else 0.0 for part in np.split(flags.flat[used], edges)])
    runs = _runs(covered > COVERED, first=2)
    if not runs:
        return count * width
    weight = [covered[a:b].sum() for a, b in runs]
    return max(b for (_, b), w in zip(runs, weight, strict=True) if w >= 0.3 * max(weight)) * width


def _structure(imaging: Imaging, excess: np.ndarray) -> np.ndarray:
    """Where the excess (H, W) is significant and a good share of the light."""
    good = ~imaging.mask
    smooth = gaussian_filter(excess, SMOOTHING)
    variance = gaussian_filter(np.where(good, imaging.noise, 0.0) ** 2, SMOOTHING)
    noise = np.sqrt(variance) / (2 * SMOOTHING * np.sqrt(np.pi))
    light = np.maximum(gaussian_filter(np.where(good, imaging.data, 0.0), SMOOTHING), 0)
    return (smooth > SIGNIFICANT * noise) & (smooth > PROMINENT * light) & good


def _runs(flags: np.ndarray, first: int) -> list[tuple[int, int]]:
    """[start, stop) of the runs of True from index `first` on."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags[first:], [False]]).astype(int)))
    return [(int(a) + first, int(b) + first) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def choose_window(datasets: Sequence[Interferometer]) -> list[Interferometer]:
    """All datasets on one grid: a square about the brightest group of emission, fine enough for a fit.

    It is searched for in the largest field of the datasets. The notes say what was chosen, and what emission
    lies outside and is not modelled.
    """
    nyquist = min(data.nyquist for data in datasets)
    side = max(min(data.shape) * data.pixel_scale for data in datasets)
    count = min(2 * int(np.ceil(side / (WIDE * nyquist) / 2)), LARGEST)
    first = datasets[0]
    wide = [d.regridded(pixel_scale=WIDE * nyquist, shape=(count, count), origin=first.origin) for d in datasets]
    likelihood = align(Observations.of(wide)).likelihood()
    image = bright_image(likelihood)
    x, y, reach, inside = emission(wide[0], image, nyquist)
    least = max(least_field(d.visibilities) for d in datasets)
    half = max(WINDOW_MARGIN * reach + nyquist, 0.5 * least)
    pixel = FINE * nyquist
    count = 16 * int(np.ceil(2 * half / pixel / 16))
    note = (
        f"window chosen from the data: {count} x {count} pixels of {pixel:.4g} arcsec about ({x:.3f}, {y:.3f}), "
        f"with {100 * inside:.0f} % of the positive emission"
    )
    made = [d.regridded(pixel_scale=pixel, shape=(count, count), origin=(x, y)) for d in datasets]
    return [dataclasses.replace(d, notes=(*d.notes, note)) for d in made]


def emission(data: Interferometer, image: np.ndarray, nyquist: float) -> tuple[float, float, float, float]:
    """Centre (x, y) and reach [arcsec] of the brightest group in an image (H, W), and its share of the flux.

    Raises:
        DataError: the image is dark.
    """
    if not image.any():
        raise DataError("no emission in the field: the image made of the visibilities is dark; check sign and units")
    smooth = gaussian_filter(image, 2 * nyquist / data.pixel_scale, mode="constant")
    peak = np.argmax(smooth)
    groups, _ = label(smooth > SHARE * smooth.flat[peak])  # pyright: ignore[reportGeneralTypeIssues]
    group = np.where(groups == groups.flat[peak], image, 0.0)
    x, y = (float(np.average(a, weights=group)) for a in (data.x, data.y))
    used = group > SHARE * group.max()
    reach = np.hypot(data.x[used] - x, data.y[used] - y).max()
    return x, y, float(reach), float(group.sum() / image.sum())
