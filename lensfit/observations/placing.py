"""Images of one lens in several bands on one frame of the sky: which leads, where the others lie, and one region."""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from scipy.optimize import minimize

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
"""Relative difference of the stated pixel scale from that of the celestial coordinates up to which both hold."""
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


@dataclasses.dataclass(frozen=True, eq=False)
class _Stretched:
    """The light of an image over its noise, smoothed and stretched, as splines that are read anywhere."""

    imaging: Imaging
    splines: np.ndarray

    @classmethod
    def of(cls, imaging: Imaging, step: float) -> _Stretched:
        """Smoothed as for places that lie `step` apart [arcsec]."""
        good = ~imaging.mask
        width = step / imaging.pixel_scale + 0.5
        smooth = gaussian_filter(np.where(good, imaging.data, 0.0), width)
        signal = smooth / float(np.median(smoothed_noise(imaging.noise, good, width)[good]))
        return cls(imaging, spline_filter(np.arcsinh(signal / STRETCH)))

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """At places x, y (P,) [arcsec], 0 beyond the image, less the mean."""
        column, row = _pixels(self.imaging, x, y)
        values = map_coordinates(self.splines, [row, column], prefilter=False, cval=0.0)
        return values - values.mean()


def _correlated(reference: Imaging, imaging: Imaging, angle: float) -> tuple[float, float]:
    """By how much (x, y) [arcsec] light is further along in the image than in the reference, turned by that angle.

    Where the correlation of both is highest: looked for on a grid first, within FARTHEST. The image is read anew at
    every shift: a product of transforms loses light at its edges, and is drawn to no shift. It is good to about
    0.01 arcsec, as arcs stand out against the lens more in one band than in another; the fit tells the rest.
    """
    step = 0.5 * max(reference.pixel_scale, imaging.pixel_scale)
    x, y = _common(reference, imaging, step)
    disc = np.hypot(x - x.mean(), y - y.mean()) < min(0.5 * np.ptp(x), _room(reference, imaging) - 4 * step)
    x, y = x[disc], y[disc]
    first, second = _Stretched.of(reference, step).at(x, y), _Stretched.of(imaging, step)
    x, y = _turned(x, y, angle)

    def unlike(shift: np.ndarray) -> float:
        other = second.at(x + shift[0], y + shift[1])
        return -float(np.sum(first * other)) / max(float(np.sqrt(np.sum(other**2))), 1e-300)

    steps = 4 * step * np.arange(-int(FARTHEST / step / 4), int(FARTHEST / step / 4) + 1)
    start = min(((dx, dy) for dx in steps for dy in steps), key=lambda shift: unlike(np.array(shift)))
    found = minimize(unlike, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6,
                     "initial_simplex": np.array(start) + 2 * step * np.array([[0, 0], [1, 0], [0, 1]])})  # fmt: skip
    return float(found.x[0]), float(found.x[1])


def _room(reference: Imaging, imaging: Imaging) -> float:
    """Half the smallest side of both images [arcsec]."""
    return 0.5 * min(min(one.shape) * one.pixel_scale for one in (reference, imaging))


def _common(reference: Imaging, imaging: Imaging, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, n) about the lens of the reference that both images may show."""
    half, table = _room(reference, imaging), see_field(reference)
    x, y = lens_center(reference, table)
    count = int(min(half, WIDTH * table.reach or half) / step)
    steps = step * np.arange(-count, count + 1)
    across, up = np.meshgrid(x + steps, y + steps)
    return across, up


def _likeness(first: np.ndarray, second: np.ndarray, step: float) -> float:
    """The highest correlation of two images (n, n) within FARTHEST of each other."""
    first, second = (image - image.mean() for image in (first, second))
    norm = np.sqrt(np.sum(first**2) * np.sum(second**2))
    if not norm > 0:
        return 0.0
    size = next_fast_len(2 * len(first), real=True)
    shape = (size, size)
    one, other = (np.asarray(rfft2(image, shape)) for image in (first, second))
    product = np.asarray(irfft2(one.conj() * other, shape)) / norm
    reach = max(int(FARTHEST / step), 2)
    return float(np.roll(product, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1].max())


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
    step = 0.5 * max(reference.pixel_scale, imaging.pixel_scale)
    x, y = _common(reference, imaging, step)
    center = lens_center(reference, table)
    hole = np.hypot(x - center[0], y - center[1]) < HOLE * table.radius
    first, second = (_arcs(one, x, y, step, hole) for one in (reference, imaging))
    likeness = _likeness(first, second, step)
    turns = [(f"turned by {90 * k} degrees{' and mirrored' * flip}", np.rot90(second[:, ::-1] if flip else second, k))
             for flip in (False, True) for k in range(4) if flip or k]  # fmt: skip
    said, best = max(((words, _likeness(first, image, step)) for words, image in turns), key=lambda one: one[1])
    if best > max(likeness + TURNED, ALIKE):
        raise DataError(
            f"{name}: its arcs are far more like those of {other} if it is {said} ({best:.2f}, as it is "
            f"{likeness:.2f}); turn its image, noise, PSF and mask, give files with celestial coordinates, or leave it "
            "out if it is of another lens"
        )
    if likeness < UNLIKE:
        return (f"its arcs are little like those of {other} (correlation {likeness:.2f}): look whether it is one lens",)
    return ()
