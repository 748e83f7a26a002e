"""What each group of a UVFITS says of itself: baseline in seconds, antennas and their array, time, source, setup."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.errors import DataError

SOFT = 0.009
"""Spacing of numbers in single precision up to which two decimals of a BASELINE are there."""
WHOLE = ("ANTENNA1", "ANTENNA2", "SUBARRAY", "SOURCE", "FREQSEL")
"""Parameters that are whole numbers."""
LARGEST = 2**31
"""Numbers of antennas, sources and setups are below it."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Columns (G,), one row a group; None where the file has no such parameter.

    u, v: in light seconds. array: number of the AIPS AN table that the antennas are of, from 1 on. time: in JD.
    source: number in the AIPS SU table. setup: number in the AIPS FQ table.
    """

    u: np.ndarray
    v: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    array: np.ndarray
    time: np.ndarray | None
    source: np.ndarray | None
    setup: np.ndarray | None

    @classmethod
    def of(cls, data: Any, bitpix: int, path: Path) -> "Groups":
        """From the parameters of random groups, which are stored in `bitpix` bits.

        Raises:
            DataError: baselines or antennas are missing, or are not what they must be.
        """
        names: dict[str, list[int]] = {}
        for k, name in enumerate(data.parnames):
            if k < len(data.columns) - 1:  # the last column is the data themselves
                names.setdefault(name.split("-")[0].strip(" _").upper(), []).append(k)

        def parameter(name: str) -> np.ndarray | None:
            """Parameters of one name add up: large numbers are split over two."""
            columns = [np.asarray(data.field(k), float) for k in names.get(name, [])]
            return np.sum(columns, axis=0) if columns else None

        u, v = parameter("UU"), parameter("VV")
        if u is None or v is None:
            missing = ", ".join(name for name in ("UU", "VV") if name not in names)
            raise DataError(f"{path}: no parameter {missing} among {', '.join(data.parnames)}")
        if max(np.abs(column).max(initial=0) for column in (u, v)) > 1:
            raise DataError(
                f"{path}: UU, VV beyond one light second; a UVFITS gives baselines in seconds, export it again"
            )
        whole = {name: _whole(parameter(name), name, path) for name in WHOLE}
        first, second, array = _antennas(parameter("BASELINE"), whole, bitpix == -32, path)
        return cls(u=u, v=v, antenna1=first, antenna2=second, array=array, time=parameter("DATE"),
                   source=whole["SOURCE"], setup=whole["FREQSEL"])  # fmt: skip

    def columns(self, rows: np.ndarray, frequencies: np.ndarray) -> dict[str, np.ndarray]:
        """u, v [wavelengths], antennas, time and, of several arrays, track, of the groups `rows` (G,) bool, each
        repeated for every IF and channel of its frequencies (g, IF, FREQ) [Hz]."""
        made = {name: (getattr(self, name)[rows, None, None] * frequencies).ravel() for name in ("u", "v")}
        each = {"antenna1": self.antenna1, "antenna2": self.antenna2}
        if self.time is not None:
            each["time"] = self.time
        if len(np.unique(self.array[rows])) > 1:
            each["track"] = self.array - 1
        count = int(np.prod(frequencies.shape[1:]))
        return made | {name: np.repeat(column[rows], count) for name, column in each.items()}

    def told(self, rows: np.ndarray) -> tuple[str, ...]:
        """A note where the groups `rows` (G,) bool are of several arrays."""
        arrays = np.unique(self.array[rows])
        if len(arrays) < 2:
            return ()
        named = ", ".join(map(str, arrays))
        return (f"{len(arrays)} arrays of antennas (AIPS AN {named}): each is a track with antennas of its own",)


def _antennas(
    baseline: np.ndarray | None, whole: dict[str, np.ndarray | None], single: bool, path: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both antennas and their array, from BASELINE or from the parameters that name them."""
    first, second, array = (whole[name] for name in ("ANTENNA1", "ANTENNA2", "SUBARRAY"))
    if baseline is not None:
        first, second, decimals = _of_baseline(_finite(baseline, "BASELINE", path), single)
    elif first is not None and second is not None:
        decimals = np.ones(len(first), int)
    else:
        raise DataError(f"{path}: neither BASELINE nor ANTENNA1 and ANTENNA2 among its parameters; export it again")
    return first, second, decimals if array is None else array


def _of_baseline(baseline: np.ndarray, single: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both antennas and their array of 256 a + b, or 65536 + 2048 a + b, + (array - 1) / 100.

    single: whether it is stored in single precision, which has no room for the array beside large numbers.
    """
    code = np.floor(baseline + 1e-4).astype(int)
    wide = code >= 65536
    array = np.round(100 * (baseline - code)).astype(int) + 1
    if single:
        array[np.spacing(np.abs(code).astype(np.float32)) > SOFT] = 1
    return np.where(wide, (code - 65536) // 2048, code // 256), np.where(wide, code % 2048, code % 256), array


def _whole(column: np.ndarray | None, name: str, path: Path) -> np.ndarray | None:
    """A parameter as whole numbers."""
    return None if column is None else np.round(_finite(column, name, path)).astype(int)


def _finite(column: np.ndarray, name: str, path: Path) -> np.ndarray:
    bad = ~(np.abs(column) < LARGEST)
    if bad.any():
        raise DataError(f"{path}: {name} of {np.count_nonzero(bad)} rows is no number that it can be, the first at row "
                        f"{np.argmax(bad)} (counted from 0): {column[np.argmax(bad)]}; export it again")  # fmt: skip
    return column
