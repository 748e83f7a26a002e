"""What files say of the size of their pixels: every statement of it, the one that counts, and those at odds with it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from astropy import units
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from lensfit.datasets.dataset import ARGUMENT, check_usual, checked_scale, is_usual
from lensfit.errors import DataError

TOLERANCE = 0.01
"""Relative difference from which on two pixel scales disagree."""
FINEST = 100
"""Most pixels of a PSF to one of the detector's along an axis that are believed."""


class Scale(NamedTuple):
    """Pixel sides along columns and rows in arcsec, and who states them."""

    where: str
    x: float
    y: float


def header_scales(header: Mapping[str, Any], wcs: WCS | None, where: str) -> tuple[Scale, ...]:
    """Every statement of the pixel scale in a header, the most trustworthy first."""
    scales = []
    if wcs is not None:
        sides = proj_plane_pixel_scales(wcs) * 3600
        scales.append(Scale(f"the WCS of {where}", float(sides[0]), float(sides[1])))
    elif {"CDELT1", "CDELT2", "CUNIT1", "CUNIT2"} <= set(header.keys()):
        sides = [abs(header[f"CDELT{i}"]) * _arcsec(header[f"CUNIT{i}"]) for i in (1, 2)]
        if all(sides):
            scales.append(Scale(f"CDELT of {where}", *sides))
    if header.get("PIXAR_A2"):
        side = float(np.sqrt(header["PIXAR_A2"]))
        scales.append(Scale(f"PIXAR_A2 of {where}", side, side))
    for key_x, key_y in (("PIXSCAX", "PIXSCAY"), ("PIXSCALE", "PIXSCALE"), ("PIXELSCL", "PIXELSCL")):
        if key_x in header and key_y in header:
            scales.append(Scale(f"{key_x} of {where}", float(header[key_x]), float(header[key_y])))
    return tuple(scales)


def oversampling_of(header: Mapping[str, Any], where: str) -> Scale | None:
    """The pixels of the PSF to one of the detector, along an axis, and who states them.

    Raises:
        DataError: what is stated is no whole number from 1 to FINEST.
    """
    for key in ("OVERSAMP", "DET_SAMP"):
        if key in header:
            value = header[key]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 1 <= value <= FINEST and value == int(value)):
                raise DataError(f"{where}: {key} is {value!r}; write a whole number from 1 to {FINEST}, or remove it")
            return Scale(f"{key} of {where}", value, value)
    return None


def resolved_scale(scales: tuple[Scale, ...], where: str) -> tuple[float, list[str]]:
    """The first statement, in arcsec per pixel, and a note for each later one that disagrees.

    Raises:
        DataError: there is none, or the first one's pixels are not square.
    """
    if not scales:
        raise DataError(f"{where}: states no pixel scale; give pixel_scale= in arcsec per pixel")
    first = scales[0]
    if not abs(first.x - first.y) <= TOLERANCE * abs(first.x):
        raise DataError(
            f"{where}: {first.where} says pixels of {first.x:.6g} x {first.y:.6g} arcsec; resample to square "
            "pixels, or give pixel_scale= if that statement is wrong"
        )
    used = (first.x + first.y) / 2
    return used, disagreements(scales[1:], used, first.where)


def stated_by(scales: tuple[Scale, ...], used: float) -> str:
    """Who says the pixel scale in use: of an unusual one, both the argument and the file.

    Raises:
        DataError: an unusual one is not said by both.
    """
    first, *others = scales
    checked_scale(used)
    if is_usual(used):
        return first.where
    second = [scale.where for scale in others if not disagreements((scale,), used, "")]
    if first.where != ARGUMENT or not second:
        check_usual(used, first.where)
    return f"{first.where} and {second[0]}"


def disagreements(scales: tuple[Scale, ...], used: float, used_from: str) -> list[str]:
    """Notes on the statements that are more than TOLERANCE away from the pixel scale in use."""
    return [
        f"pixel scale {used:.6g} from {used_from} used, {scale.where} says {scale.x:.6g} x {scale.y:.6g}"
        for scale in scales
        if max(abs(scale.x - used), abs(scale.y - used)) > TOLERANCE * abs(used)
    ]


def _arcsec(unit: str) -> float:
    """Arcsec in one of a header's CUNIT, 0 where it is no angle."""
    try:
        return float(units.Unit(unit).to(units.arcsec))  # pyright: ignore[reportArgumentType]
    except (ValueError, units.UnitConversionError):
        return 0.0
