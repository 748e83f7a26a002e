"""The pixel scale and the celestial coordinates that a header states, and which statement counts."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_scales

from lensfit.errors import DataError


class Scale(NamedTuple):
    """Pixel sides along columns and rows in arcsec, and who states them."""

    where: str
    x: float
    y: float


TOLERANCE = 0.01
"""Relative difference from which on two pixel scales disagree."""


def celestial_wcs(header: fits.Header, hdus: fits.HDUList) -> WCS | None:
    """The celestial WCS with a scale of its own, None where the header has none.

    Without CD and CDELT the scale would silently be one degree per pixel.
    """
    if "CDELT1" not in header and not any(f"CD{i}_{j}" in header for i in (1, 2) for j in (1, 2)):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)  # old spellings that astropy reads correctly
        wcs = WCS(header, fobj=hdus)
    return wcs.celestial if wcs.has_celestial else None


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
