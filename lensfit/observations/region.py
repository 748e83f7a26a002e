"""The mask of an image, read off the data: where the lens is and how far its arcs reach."""
from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.ndimage import gaussian_filter

from lensfit.datasets import Imaging, brightest_place, disc

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
