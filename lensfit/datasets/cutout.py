"""What part of an image is used: the place of the lens, a square cut out about it, a disc, and what a mask leaves."""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from lensfit.datasets.dataset import Dataset, Source, check_shapes, circular_mask, native, pixel_axes, place
from lensfit.datasets.masks import USED_AS_IT_IS, asked_about, leaves_a_region, left_out
from lensfit.datasets.noise import standard_deviations
from lensfit.datasets.sky import deviation, differences
from lensfit.errors import DataError
from lensfit.names import MaskIs, NoiseIs

Place = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for: the lens at `center` (x, y) in arcsec, or at `center_sky` (right ascension, declination) in
    degrees; the pixels within `cutout` arcsec of it along both axes; the disc of `mask_radius` arcsec about it.

    Without a centre square and disc are about (0, 0). None = not asked for.
    """

    center: Place | None = None
    center_sky: Place | None = None
    cutout: float | None = None
    mask_radius: float | None = None

    def check(self) -> None:
        """Raise DataError where one of them is no place or length, or the lens is at two places."""
        if self.center is not None and self.center_sky is not None:
            raise DataError("center= and center_sky= both say where the lens is; give one of them")
        for name in ("center", "center_sky"):
            given = getattr(self, name)
            if given is not None and not _finite(given, (2,)):
                raise DataError(f"{name}={given} is no place; give two finite numbers")
        for name, what in (("cutout", "cutout"), ("mask_radius", "mask")):
            given = getattr(self, name)
            if given is not None and not (_finite(given, ()) and given > 0):
                raise DataError(f"a {what} of {name}={given} arcsec keeps no pixel; give a length above 0")


def _finite(given: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is finite numbers of that shape."""
    try:
        values = np.asarray(given, float)
    except (TypeError, ValueError):
        return False
    return values.shape == shape and bool(np.isfinite(values).all())


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where the pixels of an image lie: shape (H, W), arcsec per pixel, (x, y) of the middle, celestial coordinates."""

    shape: tuple[int, int]
    pixel_scale: float
    origin: Place
    wcs: WCS | None

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """x (W,) of the columns and y (H,) of the rows [arcsec]."""
        return pixel_axes(self.shape, self.pixel_scale, self.origin)

    def place(self, column: float, row: float) -> Place:
        """(x, y) [arcsec] of the place that many columns and rows from the first pixel's centre."""
        x, y = (
            (value - (side - 1) / 2) * self.pixel_scale + middle
            for value, side, middle in zip((column, row), self.shape[::-1], self.origin, strict=True)
        )
        return x, y

    def pixel(self, place: Place) -> tuple[float, float]:
        """Column and row of a place (x, y) [arcsec], which may lie between pixels or outside."""
        column, row = (
            (value - middle) / self.pixel_scale + (side - 1) / 2
            for value, side, middle in zip(place, self.shape[::-1], self.origin, strict=True)
        )
        return column, row

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """x of the left and right edge, y of the lower and upper one."""
        across, up = (0.5 * side * self.pixel_scale for side in self.shape[::-1])
        x, y = self.origin
        return x - across, x + across, y - up, y + up

    def room(self, place: Place) -> float:
        """Distance of a place from the nearest edge, negative beyond it."""
        left, right, low, high = self.extent
        return min(place[0] - left, right - place[0], place[1] - low, high - place[1])

    def cut(self, part: tuple[slice, slice]) -> Frame:
        """That of the pixels of a part."""
        y, x = ((span.start + span.stop - side) / 2 for span, side in zip(part, self.shape, strict=True))
        return replace(
            self,
            shape=(part[0].stop - part[0].start, part[1].stop - part[1].start),
            origin=(self.origin[0] + x * self.pixel_scale, self.origin[1] + y * self.pixel_scale),
            wcs=None if self.wcs is None else self.wcs.slice(part),
        )


def frame_of(data: Dataset) -> Frame:
    """Where the pixels of a dataset's image grid lie."""
    return Frame(shape=data.shape, pixel_scale=data.pixel_scale, origin=data.origin, wcs=data.wcs)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """data, noise and mask (H, W) that are used, where they lie, the place of the lens if it is known, and notes.

    settled: whether the mask is used as it is, a disc being asked for or a region cut out of that which it leaves.
    """

    data: np.ndarray
    noise: np.ndarray
    mask: np.ndarray
    frame: Frame
    center: Place | None
    settled: bool
    notes: tuple[str, ...]


def select(
    data: Any, noise: Any, mask: Any, cut: Cut, wanted: Wanted, mask_is: MaskIs | None,
    noise_is: NoiseIs, sources: tuple[Source, ...]
) -> Selection:
    """What is used of data and noise (H, W) of the part that was cut out, and of the mask of the whole image.

    Nothing was asked of other pixels before: what lies outside may be as bad as it likes.

    Raises:
        DataError: the arrays are of several grids, or the mask leaves out the lens.
    """
    for role, values in (("noise", noise), ("mask", mask)):
        if values is not None:
            check_shapes(np.shape(values), cut.whole if role == "mask" else cut.frame.shape, place(role, sources))
    where, settled = place("mask", sources), wanted.mask_radius is not None
    whole = mask
    mask, notes = left_out(None if mask is None else mask[cut.part], mask_is, cut.frame.shape, where)
    if whole is not None:
        whole = (np.asarray(whole) != 0) ^ (mask_is == "used")
        if wanted.cutout is not None and not settled and leaves_a_region(whole):
            settled, notes = True, [*notes, USED_AS_IT_IS]
    if mask_is is None and whole is not None and mask.any():
        light, given = (native(values, place(role, sources)) for role, values in (("data", data), ("noise", noise)))
        notes += asked_about(light, _deviations(light, given, noise_is), whole, cut.part, where)
    if wanted.mask_radius is not None:
        outside, told = disc(cut.frame, wanted.mask_radius, cut.center or (0.0, 0.0))
        mask, notes = mask | outside, notes + told
    return Selection(
        data=data,
        noise=noise,
        mask=mask,
        frame=cut.frame,
        center=cut.center,
        settled=settled,
        notes=(*cut.notes, *notes),
    )


def _deviations(data: np.ndarray, noise: np.ndarray, noise_is: NoiseIs) -> np.ndarray:
    """Standard deviations (H, W) of the data, for exposure times those of neighbours."""
    if noise_is != "exposure":
        return standard_deviations(noise, noise_is)
    scatter = deviation(differences(data, np.isfinite(data) & (noise > 0)))
    return np.where(noise > 0, scatter, np.nan)


class Cut(NamedTuple):
    """The part (rows, columns) of an image of shape `whole` that is used, its frame, the place of the lens, notes."""

    whole: tuple[int, int]
    part: tuple[slice, slice]
    frame: Frame
    center: Place | None
    notes: list[str]


def cut_out(frame: Frame, wanted: Wanted, where: str) -> Cut:
    """The part that is wanted of an image.

    Raises:
        DataError: the lens lies outside the image, or on an unknown sky.
    """
    wanted.check()
    center, notes = wanted.center, []
    if wanted.center_sky is not None:
        center = _on_image(frame, wanted.center_sky, where)
        ra, dec = wanted.center_sky
        notes.append(f'right ascension {ra:.7g}, declination {dec:.7g} is at ({center[0]:.3f}", {center[1]:.3f}")')
    if center is not None and frame.room(center) < 0:
        left, right, low, high = frame.extent
        raise DataError(
            f"{where}: the centre ({center[0]:.6g}, {center[1]:.6g}) arcsec lies outside the image, whose x runs from "
            f"{left:.6g} to {right:.6g} and y from {low:.6g} to {high:.6g}; check center= or center_sky="
        )
    if wanted.cutout is None:
        return Cut(frame.shape, np.s_[0 : frame.shape[0], 0 : frame.shape[1]], frame, center, notes)
    part = window(frame, wanted.cutout, center or (0.0, 0.0))
    return Cut(frame.shape, part, frame.cut(part), center, [*notes, cut_note(part)])


def window(frame: Frame, half_width: float, center: Place) -> tuple[slice, slice]:
    """The rows and columns of the pixels within `half_width` arcsec of `center` (x, y) along both axes.

    Raises:
        DataError: there are none.
    """
    spans = []
    for values, middle in zip(frame.axes()[::-1], center[::-1], strict=True):
        near = np.flatnonzero(np.abs(values - middle) <= half_width)
        if not len(near):
            left, right, low, high = frame.extent
            raise DataError(
                f"cutout of half width {half_width:g} arcsec about {center} holds no pixel of the image; "
                f"its x runs from {left:.3f} to {right:.3f} and its y from {low:.3f} to {high:.3f} arcsec"
            )
        spans.append(slice(int(near[0]), int(near[-1]) + 1))
    return spans[0], spans[1]


def cut_note(part: tuple[slice, slice]) -> str:
    """What was cut out, in words."""
    rows, columns = part
    return f"cut out rows {rows.start}:{rows.stop} and columns {columns.start}:{columns.stop}"


def disc(frame: Frame, radius: float, center: Place) -> tuple[np.ndarray, list[str]]:
    """The mask (H, W), True = left out, that keeps a disc, and a note where it reaches beyond the image."""
    x, y = frame.axes()
    return circular_mask(x, y[:, None], radius, center), edge_note(frame, radius, center)


def edge_note(frame: Frame, radius: float, center: Place) -> list[str]:
    """A note where a disc reaches the edge of the image."""
    room = frame.room(center)
    if radius < room:
        return []
    return [
        f'the disc of radius {radius:.2f}" about ({center[0]:.2f}", {center[1]:.2f}") reaches the edge of the image, '
        f'{max(room, 0.0):.2f}" away: check that the lens and all its arcs are in it (center=, mask_radius=)'
    ]


def _on_image(frame: Frame, sky: Place, where: str) -> Place:
    """(x, y) in arcsec of a place on the sky."""
    if frame.wcs is None:
        raise DataError(f"{where}: no celestial coordinates in its header; give center= in arcsec, not center_sky=")
    try:
        there = SkyCoord(*sky, unit="deg", frame="icrs")
        column, row = (float(value) for value in frame.wcs.world_to_pixel(there))
    except Exception as error:  # astropy has many kinds for what is off the sky, or off the projection
        raise DataError(f"{where}: center_sky={sky} is no place of its image ({error}); give degrees") from error
    if not (math.isfinite(column) and math.isfinite(row)):
        raise DataError(f"{where}: center_sky={sky} is no place of its image; give right ascension and declination")
    return frame.place(column, row)
