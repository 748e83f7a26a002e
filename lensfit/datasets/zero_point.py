"""AB zero points: the magnitude of a datum of 1 in one pixel, as the unit says it or the header of a file."""
from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from astropy import units

from lensfit.datasets.noise import counts_a_second
from lensfit.errors import DataError

STATED = "MAGZERO"
"""The keyword whose number is one (Euclid's MER images, DES)."""
HST = ("PHOTFLAM", "PHOTPLAM")
"""Inverse sensitivity [erg / (s cm2 Angstrom)] of a datum per second, and pivot wavelength [Angstrom]."""


def of_unit(unit: str | None, pixel_scale: float) -> float | None:
    """Of data in a unit, on pixels of so many arcsec; None where it is no flux density."""
    if unit is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)  # units that are written otherwise than FITS has them
        known: Any = units.Unit(unit, parse_strict="silent")  # pyright: ignore[reportCallIssue]
    if isinstance(known, (units.UnrecognizedUnit, units.FunctionUnitBase)):
        return None
    area: Any = ((pixel_scale * units.arcsec) ** 2).to(units.sr)  # pyright: ignore[reportAttributeAccessIssue]
    for one in (1.0 * known, 1.0 * known * area, 1.0 * known * units.pix):
        if one.unit.is_equivalent(units.Jy):
            return _number(float(one.to(units.ABmag).value))
    return None


def of_header(header: Mapping[str, Any], unit: str | None) -> float | None:
    """What a header states, else what HST's sensitivity says of data per second, -2.5 lg PHOTFLAM - 5 lg PHOTPLAM -
    2.408 (ACS Data Handbook, section 5.1); None where it says neither."""
    stated, flux, wavelength = (_number(header.get(key)) for key in (STATED, *HST))
    if stated is not None or not (flux and wavelength and min(flux, wavelength) > 0):
        return stated
    if not counts_a_second(unit or ""):
        return None
    return -2.5 * math.log10(flux) - 5 * math.log10(wavelength) - 2.408


def checked(value: float | None) -> float | None:
    """A zero point that was given.

    Raises:
        DataError: it is no finite number.
    """
    if value is not None and not math.isfinite(value):
        raise DataError(f"zero_point={value}: no finite number; give the AB magnitude of a datum of 1 in one pixel")
    return value


def _number(value: Any) -> float | None:
    wrong = isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)
    return None if wrong else float(value)

