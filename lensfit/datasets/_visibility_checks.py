"""The checks at the door of visibilities: raw columns in, trusted columns out, or a `DataError`."""

from typing import Any, Literal, TypeAlias

import numpy as np

from lensfit.datasets._checks import MASKING_NOISE, Source, place
from lensfit.errors import DataError

Sign: TypeAlias = Literal[-1, 1]
East: TypeAlias = Literal["left", "right"]
NanRows: TypeAlias = Literal["error", "drop"]

ARCSEC = np.pi / 180 / 3600
SHORT = 2e4
"""Wavelengths: an array whose longest baseline is shorter cannot resolve a lens of arcsec."""
FIELD = 0.3
"""Fringes of the shortest baseline that the field has to hold: half the largest structure it records."""


def columns(
    u: Any, v: Any, values: Any, noise: Any, weights: Any, sources: tuple[Source, ...]
) -> dict[str, np.ndarray]:
    """u, v, values, sigma_re and sigma_im as fresh native columns of one length."""
    made = {name: _column(column, place(name, sources), float) for name, column in (("u", u), ("v", v))}
    made["values"] = _column(values, place("visibilities", sources), complex)
    count = len(made["values"])
    if (noise is None) == (weights is None):
        raise DataError("give either noise= (standard deviations) or weights= (1/sigma^2), one of the two")
    if noise is None:
        where = place("weights", sources)
        given = _column(_filled(weights, count), where, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            noise = np.where(given <= 0, np.inf, 1 / np.sqrt(given))
    where = place("noise", sources)
    noise = _filled(noise, count)
    re, im = noise.T if _pairs(noise) else (np.real(noise), np.imag(noise) if np.iscomplexobj(noise) else None)
    made["sigma_re"] = _column(re, where, float)
    made["sigma_im"] = made["sigma_re"] if im is None else _column(im, where, float)
    for name, column in made.items():
        check_length(len(column), count, place("noise" if name.startswith("sigma") else name, sources))
    return made


def labels(
    extra: dict[str, Any], count: int, sources: tuple[Source, ...]
) -> dict[str, np.ndarray]:
    """The columns given among antenna1, antenna2 (both or none), time and track."""
    if (extra["antenna1"] is None) != (extra["antenna2"] is None):
        raise DataError("one of antenna1 and antenna2 is missing; give both or neither")
    made = {}
    for name, given in extra.items():
        if given is None:
            continue
        where = place(name, sources)
        column = _column(given, where, float)
        check_length(len(column), count, where)
        if name != "time":
            whole = np.isfinite(column) & (column == np.round(column))
            if not whole.all():
                raise DataError(f"{where}: no whole number in {rows_and_first(~whole)}; give integers")
            column = column.astype(np.int64)
        made[name] = column
    return made


def rows_to_keep(
    given: dict[str, np.ndarray], flags: Any, nan: NanRows, sources: tuple[Source, ...]
) -> tuple[np.ndarray, list[str]]:
    """Which rows are used (K,), with a note for each reason to leave some out."""
    if nan not in ("error", "drop"):
        raise DataError(f"nan={nan!r} is not known; give 'error' or 'drop'")
    count = len(given["u"])
    keep, notes = np.ones(count, bool), []
    if count == 0:
        raise DataError(f"{place('visibilities', sources)}: no visibility; give at least one")
    if flags is not None:
        flagged = _column(flags, place("flags", sources), float)
        check_length(len(flagged), count, place("flags", sources))
        _drop(keep, flagged != 0, "flagged", notes)
    noises = {"sigma_re": given["sigma_re"], "sigma_im": given["sigma_im"]}
    weightless = np.logical_or.reduce([sigma >= MASKING_NOISE for sigma in noises.values()])
    _drop(keep, weightless, f"zero or negative weight, or noise >= {MASKING_NOISE:.0e}", notes)
    for name, column in given.items():
        where = place("noise" if name in noises else name, sources)
        bad = ~np.isfinite(column) & keep
        if bad.any() and nan == "error":
            raise DataError(
                f"{where}: NaN or infinite in {rows_and_first(bad)}; flag these rows, or give nan='drop'"
            )
        _drop(keep, bad, f"{name} NaN or infinite", notes)
        bad = keep & ~(np.real(column) > 0) if name in noises else np.zeros(0, bool)
        if bad.any():
            raise DataError(
                f"{where}: zero or negative in {rows_and_first(bad)}; flag these rows or give standard "
                "deviations (weights= takes 1/sigma^2)"
            )
    if not keep.any():
        raise DataError(
            f"{place('visibilities', sources)}: all {count} rows are left out ({'; '.join(notes)}); "
            "check flags and weights"
        )
    return keep, notes


def frame(sign: Sign, east: East, wavelength: float | None) -> tuple[float, float, list[str]]:
    """The factors of u and v into the house's frame, and what to say of them.

    sign (u l + v m) = -(u' x + v' y) with y = m, and x = l where East is to the right, else x = -l.
    """
    if sign not in (-1, 1):
        raise DataError(f"sign={sign!r}: give -1 or +1, that of V = sum I exp(sign 2 pi i (u l + v m))")
    if east not in ("left", "right"):
        raise DataError(f"east={east!r}: give 'left' or 'right', the side to which l (East) counts")
    notes = [f"read as V = sum I exp({'+' if sign > 0 else '-'}2 pi i (u l + v m)) with l (East) to the {east}"]
    scale = 1.0
    if wavelength is not None:
        if not (np.isfinite(wavelength) and wavelength > 0):
            raise DataError(f"wavelength={wavelength}: give metres, a positive number")
        scale = 1 / wavelength
        notes.append(f"u and v divided by the wavelength {wavelength:.8g}")
    return -sign * (1 if east == "right" else -1) * scale, -sign * scale, notes


def check_units(longest: float, where: str) -> None:
    """Raise DataError where u and v cannot be in wavelengths."""
    if longest < SHORT:
        raise DataError(
            f"{where}: the longest baseline is {longest:.6g}, too short to be in wavelengths for a lens; u and v "
            "look like metres (give wavelength= in metres) or kilo-wavelengths (give wavelength=1e-3)"
        )


def check_pixel(u: np.ndarray, v: np.ndarray, pixel_scale: float) -> None:
    """Raise DataError where a baseline reaches beyond the Nyquist frequency of the pixels."""
    longest = max(np.abs(u).max(), np.abs(v).max())
    largest = 1 / (2 * longest * ARCSEC)
    if pixel_scale > largest:
        raise DataError(
            f"pixel_scale {pixel_scale:.6g} arcsec is too coarse for baselines of {longest:.6g} wavelengths along "
            f"x or y: give at most {largest:.6g}, for full accuracy {0.37 * largest:.4g}"
        )


def check_field(shortest: float, shape: tuple[int, int], pixel_scale: float) -> None:
    """Raise DataError where the field is much smaller than what the shortest baseline records."""
    field, least = min(shape) * pixel_scale, FIELD / shortest / ARCSEC
    if field < least:
        raise DataError(
            f"the field of {field:.4g} arcsec is too small for the shortest baseline of {shortest:.6g} wavelengths, "
            f"which records structure of {2 * least:.4g} arcsec: give at least {least:.4g} arcsec "
            f"(shape >= {int(np.ceil(least / pixel_scale))}), or check the unit of u and v"
        )


def check_length(length: int, expected: int, where: str) -> None:
    """Raise DataError where a column has another length than the visibilities."""
    if length != expected:
        raise DataError(f"{where}: {length} rows, the visibilities have {expected}; give columns of one table")


def rows_and_first(bad: np.ndarray) -> str:
    """'3 rows, the first at row 7' of a boolean column."""
    number = int(np.count_nonzero(bad))
    return f"{number} {'row' if number == 1 else 'rows'}, the first at row {np.argmax(bad)} (counted from 0)"


def kept(column: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The rows kept; no copy where all are."""
    return column if keep.all() else column[keep]


def _drop(keep: np.ndarray, bad: np.ndarray, reason: str, notes: list[str]) -> None:
    new = bad & keep
    if new.any():
        notes.append(f"{np.count_nonzero(new)} of {len(keep)} visibilities left out: {reason}")
        keep &= ~bad


def _pairs(values: np.ndarray) -> bool:
    """Whether they are (K, 2) numbers: real and imaginary parts."""
    return values.ndim == 2 and values.shape[1] == 2 and values.dtype.kind in "iuf"


def _filled(values: Any, count: int) -> np.ndarray:
    """One number as a column."""
    values = np.asanyarray(values)  # a masked array is one for `_column` to refuse
    return np.broadcast_to(values, count) if values.ndim == 0 else values


def _column(values: Any, where: str, kind: type) -> np.ndarray:
    """A fresh column (K,) of the given kind; complex ones also from (K, 2)."""
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{where}: numpy masked array; give its .data, and its .mask as flags=")
    values = np.asarray(values)
    if kind is complex and _pairs(values):
        return np.array(values, float, order="C").view(complex)[:, 0]
    if values.dtype.kind not in ("biuf" if kind is float else "iufc"):
        wanted = "real" if kind is float else "complex"
        raise DataError(f"{where}: values of type {values.dtype}; give {wanted} numbers")
    if values.ndim != 1:
        raise DataError(f"{where}: shape {values.shape}, a column of visibilities has one axis; give (K,)")
    return np.array(values, kind)
