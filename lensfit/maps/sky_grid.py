"""A grid of pixels on the sky other than that of the data, with the celestial coordinates that go with it."""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import local_partial_pixel_derivatives

from lensfit.datasets.cutout import Frame
from lensfit.datasets.dataset import checked_number, checked_origin
from lensfit.errors import DataError

MOST_PIXELS = 20_000
"""Along a side of a map."""


def on_grid(
    frame: Frame, shape: Any = None, pixel_scale: float | None = None, center: tuple[float, float] | None = None
) -> Frame:
    """The grid that is asked for, of the same sky as `frame`.

    Args:
        frame: what is not asked for is as in it.
        shape: (H, W), or a number for both; without it as many pixels as cover the frame.
        pixel_scale: arcsec per pixel.
        center: (x, y) of the middle of the grid [arcsec].

    Raises:
        DataError: the shape is no two positive whole numbers, the scale not positive, the centre no place.
    """
    if shape is None and pixel_scale is None and center is None:
        return frame
    scale = frame.pixel_scale if pixel_scale is None else checked_number(pixel_scale, "pixel_scale", "arcsec per pixel")
    if shape is None:
        shape = tuple(max(1, round(side * frame.pixel_scale / scale)) for side in frame.shape)
    middle = frame.origin if center is None else checked_origin(center)
    made = Frame(shape=_checked_shape(shape), pixel_scale=scale, origin=middle, wcs=None)
    return made if frame.wcs is None else dataclasses.replace(made, wcs=_coordinates(frame, frame.wcs, made))


def _checked_shape(shape: Any) -> tuple[int, int]:
    sides = np.asarray(shape if np.ndim(shape) else (shape, shape))
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or (sides < 1).any() or (sides > MOST_PIXELS).any():
        raise DataError(f"shape={shape!r}: give (H, W), rows and columns, whole numbers from 1 to {MOST_PIXELS}")
    return int(sides[0]), int(sides[1])


def _coordinates(frame: Frame, wcs: WCS, made: Frame) -> WCS:
    """The celestial coordinates of a frame on other pixels.

    Exact where they are free of distortion; else those of the tangent plane in the middle of the new grid.
    """
    ratio = made.pixel_scale / frame.pixel_scale
    if wcs.has_distortion:
        return _tangent(wcs, frame.pixel(made.origin), ratio, made)
    moved: Any = wcs.deepcopy()
    moved.wcs.crpix = [(value - 1 - at) / ratio + (side + 1) / 2 for value, at, side in
                       zip(wcs.wcs.crpix, frame.pixel(made.origin), made.shape[::-1], strict=True)]  # fmt: skip
    if wcs.wcs.has_cd():
        moved.wcs.cd = wcs.wcs.cd * ratio
    else:
        moved.wcs.cdelt = wcs.wcs.cdelt * ratio
    moved.pixel_shape = made.shape[::-1]
    moved.wcs.set()
    return moved


def _tangent(wcs: Any, pixel: tuple[float, float], ratio: float, made: Frame) -> WCS:
    place = wcs.pixel_to_world_values(*pixel)
    lon, lat = wcs.wcs.lng, wcs.wcs.lat
    matrix = ratio * local_partial_pixel_derivatives(wcs, *pixel)
    matrix[lon] *= np.cos(np.radians(place[lat]))
    flat: Any = WCS(naxis=2)
    flat.wcs.ctype = [_tan(kind) for kind in wcs.wcs.ctype]
    flat.wcs.crval, flat.wcs.cd = [float(value) for value in place], matrix
    flat.wcs.crpix = [(side + 1) / 2 for side in made.shape[::-1]]
    flat.wcs.radesys, flat.wcs.cunit = wcs.wcs.radesys, ["deg", "deg"]
    flat.pixel_shape = made.shape[::-1]
    flat.wcs.set()
    return flat


def _tan(kind: str) -> str:
    """CTYPE of an axis in a tangent projection, as DEC--TAN of DEC--TAN-SIP."""
    return f"{kind.split('-')[0]:-<4}-TAN"
