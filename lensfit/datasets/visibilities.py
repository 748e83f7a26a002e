"""A table of visibilities with their noise, in the house's frame, checked once at the door."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from lensfit.datasets.dataset import LARGEST, MASKING_NOISE, Source, place, visible_notes
from lensfit.errors import DataError
from lensfit.names import SIDES, SIGNS, East, Sign
from lensfit.words import counted

NanRows: TypeAlias = Literal["error", "drop"]

ARCSEC = np.pi / 180 / 3600
"""Radians in an arcsec."""
SHORT, LONG = 2e4, 1e11
"""Wavelengths: an array whose longest baseline is shorter cannot resolve a lens of arcsec; none is longer."""
FIELD = 0.3
"""Fringes of the shortest baseline that the field has to hold: half the largest structure it records."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Visibilities:
    """V_k = sum_m I_m exp(-2 pi i (u_k x_m + v_k y_m)) with x to the right, y up, both in radians.

    Made by `from_arrays`; every row is finite and has noise > 0. Arrays (K,) are read-only and native.

    Attributes:
        u, v: baselines in wavelengths.
        values: complex visibilities, Jy.
        sigma_re, sigma_im: standard deviations of their real and imaginary parts, Jy.
        antenna1, antenna2: numbers of the two antennas, None if unknown.
        time: when it was observed, in the file's unit, None if unknown.
        track: number of the observing run, None if unknown.
        notes: what was done to the input, in plain words.
        sources: (role, path, sha256) of each file read.
    """

    u: np.ndarray
    v: np.ndarray
    values: np.ndarray
    sigma_re: np.ndarray
    sigma_im: np.ndarray
    antenna1: np.ndarray | None = None
    antenna2: np.ndarray | None = None
    time: np.ndarray | None = None
    track: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        u: Any,
        v: Any,
        values: Any,
        noise: Any = None,
        *,
        sign: Sign,
        east: East,
        weights: Any = None,
        wavelength: float | None = None,
        flags: Any = None,
        antenna1: Any = None,
        antenna2: Any = None,
        time: Any = None,
        track: Any = None,
        nan: NanRows = "error",
        notes: tuple[str, ...] = (),
        sources: tuple[Source, ...] = (),
    ) -> Self:
        """Check everything, leave out what is flagged or has no weight, and turn u, v into the house's frame.

        Args:
            u, v: (K,) in wavelengths, or in metres where `wavelength` is given; u counts along l (East), v
                along m (North).
            values: (K,) complex or (K, 2) real and imaginary parts, Jy.
            noise: standard deviation of real and imaginary part, Jy: (K,) or one number for both, or (K,)
                complex or (K, 2) for each; >= 1e8 (also inf) means no weight.
            sign: of the data's Fourier kernel, V = sum I exp(sign 2 pi i (u l + v m)): -1 in textbooks,
                UVFITS and PyAutoLens, +1 in CASA's measurement sets and visilens.
            east: the side to which l (East) counts in the image: "left" as the sky is seen with North up,
                "right" where u is to go with x as it stands (PyAutoLens).
            weights: instead of noise, 1/sigma^2 of real and imaginary part alike; <= 0 means no weight.
            wavelength: metres in a wavelength, if u and v are in metres; 1e-3 if they are in kilo-wavelengths.
            flags: (K,) anything but 0 = left out.
            antenna1, antenna2, time, track: (K,), see the class.
            notes, sources: see the class.
            nan: "error" refuses NaN and inf in rows that are not left out, "drop" leaves these rows out.

        Raises:
            DataError: anything that a fit could not trust; the message says what, where and the way on.
        """
        columns = _checked_columns(u, v, values, noise, weights, sources)
        extra = {"antenna1": antenna1, "antenna2": antenna2, "time": time, "track": track}
        labels = _checked_labels(extra, len(columns["u"]), sources)
        keep, remarks = _rows_to_keep(columns, flags, nan, sources)
        factor_u, factor_v, frame = _factors(sign, east, wavelength)
        kept = {name: _kept(column, keep) for name, column in {**columns, **labels}.items()}
        kept["u"] *= factor_u
        kept["v"] *= factor_v
        if np.array_equal(kept["sigma_re"], kept["sigma_im"]):
            kept["sigma_im"] = kept["sigma_re"]
        for column in kept.values():
            column.flags.writeable = False
        return cls(**kept, notes=visible_notes(*notes, *frame, *remarks), sources=sources)

    def __len__(self) -> int:
        return len(self.u)

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'visibility', 'visibilities')} on baselines up to {self.longest:.4g} wavelengths>"

    @property
    def longest(self) -> float:
        """The longest baseline in wavelengths."""
        return float(np.hypot(self.u, self.v).max())

    @property
    def hash(self) -> str:
        """sha256 over u, v, values and noise."""
        digest = hashlib.sha256()
        for column in (self.u, self.v, self.values, self.sigma_re, self.sigma_im):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def _checked_columns(
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


def _checked_labels(
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
                raise DataError(f"{where}: no whole number in {_rows_and_first(~whole)}; give integers")
            column = column.astype(np.int64)
        made[name] = column
    return made


def _rows_to_keep(
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
                f"{where}: NaN or infinite in {_rows_and_first(bad)}; flag these rows, or give nan='drop'"
            )
        _drop(keep, bad, f"{name} NaN or infinite", notes)
        bad = keep & ~(np.real(column) > 0) if name in noises else np.zeros(0, bool)
        if bad.any():
            raise DataError(
                f"{where}: zero or negative in {_rows_and_first(bad)}; flag these rows or give standard "
                "deviations (weights= takes 1/sigma^2)"
            )
        bad = keep & ((column < 1 / LARGEST) if name in noises else np.abs(column) > LARGEST)
        if bad.any():
            raise DataError(
                f"{where}: beyond {LARGEST:g} or its inverse in {_rows_and_first(bad)}, which gives no chi2; flag "
                "these rows, or choose another unit"
            )
    if not keep.any():
        raise DataError(
            f"{place('visibilities', sources)}: all {count} rows are left out ({'; '.join(notes)}); "
            "check flags and weights"
        )
    return keep, notes


def _factors(sign: Sign, east: East, wavelength: float | None) -> tuple[float, float, list[str]]:
    """The factors of u and v into the house's frame, and what to say of them.

    sign (u l + v m) = -(u' x + v' y) with y = m, and x = l where East is to the right, else x = -l.
    """
    if sign not in SIGNS:
        raise DataError(f"sign={sign!r}: give -1 or +1, that of V = sum I exp(sign 2 pi i (u l + v m))")
    if east not in SIDES:
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
    if longest > LONG:
        raise DataError(
            f"{where}: the longest baseline is {longest:.6g} wavelengths, longer than any on Earth or in orbit; give "
            "u and v in wavelengths, or correct wavelength="
        )


def check_pixel(u: np.ndarray, v: np.ndarray, pixel_scale: float) -> None:
    """Raise DataError where a baseline reaches beyond the Nyquist frequency of the pixels."""
    longest = max(np.abs(u).max(), np.abs(v).max())
    largest = 1 / (2 * longest * ARCSEC)
    if pixel_scale > largest:
        raise DataError(
            f"pixel scale of {pixel_scale:.6g} arcsec is too coarse for baselines of {longest:.6g} wavelengths along "
            f"x or y: give at most {largest:.6g}, for full accuracy {0.37 * largest:.4g}"
        )


def check_field(shortest: float, shape: tuple[int, int], pixel_scale: float) -> None:
    """Raise DataError where the field is much smaller than what the shortest baseline records."""
    field, least = min(shape) * pixel_scale, FIELD / shortest / ARCSEC
    if field < least:
        raise DataError(
            f"the field of {field:.4g} arcsec is too small for the shortest baseline of {shortest:.6g} wavelengths, "
            f"which records structure of {2 * least:.4g} arcsec: give at least {least:.4g} arcsec "
            f"(shape >= {np.ceil(least / pixel_scale):.0f}), or check the unit of u and v"
        )


def check_length(length: int, expected: int, where: str) -> None:
    """Raise DataError where a column has another length than the visibilities."""
    if length != expected:
        raise DataError(f"{where}: {length} rows, the visibilities have {expected}; give columns of one table")


def _rows_and_first(bad: np.ndarray) -> str:
    """'3 rows, the first at row 7' of a boolean column."""
    number = int(np.count_nonzero(bad))
    return f"{number} {'row' if number == 1 else 'rows'}, the first at row {np.argmax(bad)} (counted from 0)"


def _kept(column: np.ndarray, keep: np.ndarray) -> np.ndarray:
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
