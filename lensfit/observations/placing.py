"""Images of one lens in several bands on one frame of the sky: which leads, where the others lie, and one region."""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter, map_coordinates

from lensfit.datasets import Imaging, arcs_signal, fine_image
from lensfit.datasets.noise import smoothed_noise
from lensfit.errors import DataError
from lensfit.observations.region import add_note, coarsened, lens_center, see_field

FARTHEST = 0.5
"""Largest shift [arcsec] that is looked for where celestial coordinates, or the lens's centres, place two images."""
STRETCH = 3.0
"""Signal over noise from which on light counts by its logarithm when images are correlated."""
WIDTH = 2.0
"""Distance from the lens, in units of the outer radius of its arcs, within which images are compared."""
FAINTEST = 5.0
"""Signal over noise, after smoothing, that the brightest place of the region must have."""
SMOOTHING = 1.5
"""Width of that smoothing [pixels]."""
SCALES = 0.02
"""Relative difference of the pixel scale that is stated from that of the celestial coordinates up to which both hold."""
COVERED = 0.5
"""Least share of the region that an image must show."""
HOLE = 0.5
"""Distance from the lens, in units of the arcs' mean radius, within which light is the lens's own."""
TURNED, ALIKE, UNLIKE = 0.1, 0.45, 0.2
"""Correlation of the arcs of two images: by how much more it is, and how much at least, if one of them is turned; and
below which it is told. Bands of the COSMOS-Web Ring have 0.51, and at most 0.38 turned; two lenses 0.02 to 0.46."""


class Placed(NamedTuple):
    """An image whose coordinates are those of the reference but for a turn by `angle` [degrees] about zero."""

    imaging: Imaging
    angle: float


def leading(images: Mapping[str, Imaging]) -> str:
    """The name of the image whose arcs stand out of the noise most; of the light where no arcs are seen in any."""
    signals = {}
    for name, imaging in images.items():
        coarse = coarsened(imaging)
        table = see_field(imaging)
        signals[name] = (arcs_signal(coarse, table), _peak(coarse))
    return max(signals, key=lambda name: signals[name])


def place(reference: Imaging, imaging: Imaging, name: str, other: str) -> Placed:
    """An image in the frame of the reference, of the name `other`: by celestial coordinates where both have them, else
    by the centres of the lens; then by correlation.

    Raises:
        DataError: the image shows nothing, shows the sky mirrored or at another scale, or the lens in another
            orientation than the reference without saying so.
    """
    if _peak(imaging) < FAINTEST:
        raise DataError(f"{name}: nothing stands out of the noise; leave this band out")
    known = reference.wcs is not None and imaging.wcs is not None
    if known:
        angle, origin = _by_sky(reference, imaging, name, other)
    else:
        here, there = (lens_center(one, see_field(one)) for one in (imaging, reference))
        angle, origin = 0.0, tuple(o - a + b for o, a, b in zip(imaging.origin, here, there, strict=True))
    begun = moved(imaging, origin)
    shift = _correlated(reference, begun, angle)
    told = () if known else _check_orientation(reference, begun, name, other)
    placed = moved(begun, (begun.origin[0] - shift[0], begun.origin[1] - shift[1]))
    how = "celestial coordinates" if known else "the centres of the lens"
    note = f'placed on {other} by {how} and, by ({shift[0]:.3f}", {shift[1]:.3f}"), by correlation'
    if angle:
        note += f"; turned by {angle:.2f} degrees against it"
    return Placed(functools.reduce(add_note, (note, *told), placed), angle)


def on_region(reference: Imaging, placed: Placed, name: str, other: str) -> Imaging:
    """A placed image masked where the reference is, or shows nothing.

    Raises:
        DataError: it shows less than half of what the reference's mask leaves.
    """
    imaging = placed.imaging
    x, y = _turned(imaging.x, imaging.y, -placed.angle)
    column, row = (np.rint(a).astype(int) for a in _pixels(reference, x, y))
    inside = (row >= 0) & (row < reference.shape[0]) & (column >= 0) & (column < reference.shape[1])
    mask = np.ones(imaging.shape, bool)
    mask[inside] = reference.mask[row[inside], column[inside]]
    shown = np.count_nonzero(~mask) * imaging.pixel_scale**2
    whole = np.count_nonzero(~reference.mask) * reference.pixel_scale**2
    if shown < COVERED * whole:
        raise DataError(
            f"{name}: shows {100 * shown / whole:.0f} % of the region in which {other} shows the lens; give images of "
            "one lens, or their places as center="
        )
    return add_note(imaging.with_mask(mask), f"mask: the region of {other}")


def _peak(imaging: Imaging) -> float:
    """Signal over noise of the brightest place, smoothed."""
    good = ~imaging.mask
    smooth = gaussian_filter(np.where(good, imaging.data, 0.0), SMOOTHING)
    return float(np.max(smooth[good] / smoothed_noise(imaging.noise, good, SMOOTHING)[good]))


def moved(imaging: Imaging, origin: Sequence[float]) -> Imaging:
    """The image with the middle of its array elsewhere; the place of the lens that was stated goes along."""
    x, y = (float(value) for value in origin)
    center = imaging.center
    if center is not None:
        center = (center[0] + x - imaging.origin[0], center[1] + y - imaging.origin[1])
    return dataclasses.replace(imaging, origin=(x, y), center=center)


def _by_sky(reference: Imaging, imaging: Imaging, name: str, other: str) -> tuple[float, tuple[float, float]]:
    """The angle [degrees] by which an image is turned against the reference, and the place of the middle of its array
    in the reference's frame, turned by that."""
    middle = np.array([(side - 1) / 2 for side in imaging.shape[::-1]])
    columns, rows = (middle[:, None] + np.array([[0, 1, 0], [0, 0, 1]])).tolist()
    sky = imaging.wcs.pixel_to_world(columns, rows)  # pyright: ignore[reportOptionalMemberAccess]
    there = np.array(reference.wcs.world_to_pixel(sky))  # pyright: ignore[reportOptionalMemberAccess]
    center = np.array([(side - 1) / 2 for side in reference.shape[::-1]])[:, None]
    x, y = (there - center) * reference.pixel_scale + np.array(reference.origin)[:, None]
    matrix = np.array([[x[1] - x[0], x[2] - x[0]], [y[1] - y[0], y[2] - y[0]]]) / imaging.pixel_scale
    determinant = float(np.linalg.det(matrix))
    if determinant < 0:
        raise DataError(f"{name}: its celestial coordinates are mirrored against those of {other}; flip one of both")
    if not abs(np.sqrt(determinant) - 1) < SCALES:
        raise DataError(
            f"{name}: by its celestial coordinates its pixels are {np.sqrt(determinant):.4g} times as large as stated, "
            f"against {other}; give pixel_scale= as the coordinates have it"
        )
    angle = float(np.degrees(np.arctan2(-matrix[1, 0], matrix[0, 0])))
    angle = 0.0 if abs(angle) < 1e-3 else angle
    turned = _turned(x[0], y[0], angle)
    return angle, (float(turned[0]), float(turned[1]))


def _turned(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return cos * x - sin * y, sin * x + cos * y


def _pixels(imaging: Imaging, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of places (x, y) [arcsec]."""
    column = (x - imaging.origin[0]) / imaging.pixel_scale + (imaging.shape[1] - 1) / 2
    return column, (y - imaging.origin[1]) / imaging.pixel_scale + (imaging.shape[0] - 1) / 2


def _sampled(imaging: Imaging, x: np.ndarray, y: np.ndarray, step: float) -> np.ndarray:
    """The light at places x, y (H, W) that lie `step` apart [arcsec], over its noise and stretched; 0 beyond."""
    good = ~imaging.mask
    width = 0.5 * step / imaging.pixel_scale + 0.5
    smooth = gaussian_filter(np.where(good, imaging.data, 0.0), width)
    signal = smooth / float(np.median(smoothed_noise(imaging.noise, good, width)[good]))
    column, row = _pixels(imaging, x, y)
    return map_coordinates(np.arcsinh(signal / STRETCH), [row, column], order=1, cval=0.0)


def _correlated(reference: Imaging, imaging: Imaging, angle: float) -> tuple[float, float]:
    """By how much (x, y) [arcsec] light is further along in the image than in the reference."""
    step = max(reference.pixel_scale, imaging.pixel_scale)
    x, y = _common(reference, imaging, step)
    first = _sampled(reference, x, y, step)
    return _peak_of(first, _sampled(imaging, *_turned(x, y, angle), step), step)[0]


def _common(reference: Imaging, imaging: Imaging, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, n) about the lens of the reference that both images may show."""
    half = 0.5 * min(min(one.shape) * one.pixel_scale for one in (reference, imaging))
    table = see_field(reference)
    x, y = lens_center(reference, table)
    count = int(min(half, WIDTH * table.reach or half) / step)
    steps = step * np.arange(-count, count + 1)
    across, up = np.meshgrid(x + steps, y + steps)
    return across, up


def _peak_of(first: np.ndarray, second: np.ndarray, step: float) -> tuple[tuple[float, float], float]:
    """Place (x, y) [arcsec] and height of the peak of the correlation of two images (n, n), within FARTHEST."""
    first, second = (image - image.mean() for image in (first, second))
    norm = np.sqrt(np.sum(first**2) * np.sum(second**2))
    if not norm > 0:
        return (0.0, 0.0), 0.0
    size = next_fast_len(2 * len(first), real=True)
    shape = (size, size)
    product = np.asarray(irfft2(np.conj(rfft2(first, shape)) * rfft2(second, shape), shape)) / norm
    reach = max(int(FARTHEST / step), 2)
    near = np.roll(product, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    row, column = np.unravel_index(np.argmax(near), near.shape)
    height = float(near[row, column])
    offsets = []
    for line, at in ((near[row], int(column)), (near[:, column], int(row))):
        inner = 0 < at < 2 * reach
        low, mid, high = line[at - 1 : at + 2] if inner else (0.0, 1.0, 0.0)
        offsets.append(step * (at - reach + 0.5 * (low - high) / min(low - 2 * mid + high, -1e-12)))
    return (float(offsets[0]), float(offsets[1])), height


def _arcs(imaging: Imaging, x: np.ndarray, y: np.ndarray, step: float, hole: np.ndarray) -> np.ndarray:
    """What is fine of the light at places x, y (H, W), over its noise and stretched; 0 in the hole (H, W)."""
    fine, noise = fine_image(imaging)
    column, row = _pixels(imaging, x, y)
    values = np.arcsinh(np.maximum(fine / np.where(np.isfinite(noise), noise, np.inf), 0.0) / STRETCH)
    return np.where(hole, 0.0, map_coordinates(values, [row, column], order=1, cval=0.0))


def _check_orientation(reference: Imaging, imaging: Imaging, name: str, other: str) -> tuple[str, ...]:
    """A note where the arcs of an image are little like those of the reference.

    Raises:
        DataError: they are far more like them if the image is turned.
    """
    table = see_field(reference)
    if not table.radius:
        return ()
    step = max(reference.pixel_scale, imaging.pixel_scale)
    x, y = _common(reference, imaging, step)
    center = lens_center(reference, table)
    hole = np.hypot(x - center[0], y - center[1]) < HOLE * table.radius
    first, second = (_arcs(one, x, y, step, hole) for one in (reference, imaging))
    likeness = _peak_of(first, second, step)[1]
    turns = [(f"turned by {90 * k} degrees{' and mirrored' * flip}", np.rot90(second[:, ::-1] if flip else second, k))
             for flip in (False, True) for k in range(4) if flip or k]  # fmt: skip
    said, best = max(((words, _peak_of(first, image, step)[1]) for words, image in turns), key=lambda one: one[1])
    if best > max(likeness + TURNED, ALIKE):
        raise DataError(
            f"{name}: its arcs are far more like those of {other} if it is {said} ({best:.2f}, as it is "
            f"{likeness:.2f}); turn its image, noise, PSF and mask, give files with celestial coordinates, or leave it "
            "out if it is of another lens"
        )
    if likeness < UNLIKE:
        return (f"its arcs are little like those of {other} (correlation {likeness:.2f}): look whether it is one lens",)
    return ()
