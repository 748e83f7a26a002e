"""The frequency of every IF and channel of a UVFITS, in each of its frequency setups (AIPS memo 117, the FQ table)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.datasets.array_files import check_size
from lensfit.errors import DataError

WIDTH_TOLERANCE = 0.01
"""Relative difference from which on two statements of a channel's width disagree."""

RANGE = (1e6, 1e16)
"""Frequencies [Hz] at which baselines are measured: from long radio waves to visible light."""


@dataclass(frozen=True, kw_only=True)
class FrequencySetups:
    """What the rows of an AIPS FQ table say.

    numbers: (S,) by which the rows of data name them. frequencies: (S, IF, FREQ) in Hz. notes: in plain words.
    """

    numbers: np.ndarray
    frequencies: np.ndarray
    notes: tuple[str, ...] = field(default=())

    def of_groups(self, chosen: np.ndarray | None, used: np.ndarray, path: Path) -> np.ndarray:
        """Which setup (G,) each group has.

        chosen: the FREQSEL of each group, None where the file has none. used: (G,) whether a group has any weight.

        Raises:
            DataError: groups name a setup that the table lacks, or none though there are several.
        """
        if chosen is None:
            if np.ptp(self.frequencies, axis=0).max(initial=0) > 0:
                raise DataError(
                    f"{path}: its AIPS FQ table has {len(self.numbers)} frequency setups, and no FREQSEL says which "
                    "rows have which; export each setup into a file of its own"
                )
            return np.zeros(len(used), int)
        missing = np.unique(chosen[used & ~np.isin(chosen, self.numbers)])
        if missing.size and (len(self.numbers) > 1 or missing.size > 1 or missing[0] > 0):
            raise DataError(
                f"{path}: rows of frequency setup FREQSEL = {', '.join(map(str, missing))}, and its AIPS FQ table has "
                f"{', '.join(map(str, self.numbers))}; export it again with its whole FQ table"
            )
        order = np.argsort(self.numbers, kind="stable")
        place = np.searchsorted(self.numbers[order], chosen)
        return order[np.minimum(place, len(order) - 1)]

    def told(self, setup: np.ndarray) -> tuple[str, ...]:
        """Notes on the setups that these rows (G,) have."""
        present = np.unique(setup)
        if len(present) < 2:
            return self.notes
        spans = [(self.numbers[k], self.frequencies[k] / 1e9) for k in present]
        ranges = ", ".join(f"{number}: {span.min():.4f} to {span.max():.4f} GHz" for number, span in spans)
        note = (
            f"{len(present)} frequency setups (FREQSEL {ranges}), u and v of each row by its own; one brightness is "
            "fitted to all of them"
        )
        return (*self.notes, note)


def read_frequency_setups(hdus: Any, header: Any, axis: int, shape: tuple[int, int], path: Path) -> FrequencySetups:
    """The setups of an open file, the reference frequency being that of its header.

    Args:
        axis: number of the FREQ axis. shape: IFs and channels.

    Raises:
        DataError: the table does not fit the data, or a frequency is none that can be observed.
    """
    reference, pixel, step = (float(header[f"{key}{axis}"]) for key in ("CRVAL", "CRPIX", "CDELT"))
    tables = [hdu for hdu in hdus if hdu.name == "AIPS FQ"]
    count = len(tables[0].data) if tables else 1
    if count == 0:
        raise DataError(f"{path}: its AIPS FQ table has no row; export it again")
    check_size(8 * count * shape[0] * shape[1], f"{path}[AIPS FQ]")
    offsets = _column(tables, "IF FREQ", (count, shape[0]), path)
    if offsets is None:
        if shape[0] > 1:
            raise DataError(f"{path}: {shape[0]} IFs and no AIPS FQ table with their IF FREQ; export it again")
        offsets = np.zeros((count, 1))
    numbers = _column(tables, "FRQSEL", (count, 1), path)
    steps, notes = _steps(tables, (count, *shape), step, path)
    frequencies = reference + offsets[:, :, None] + steps[:, :, None] * (np.arange(shape[1]) + 1 - pixel)
    wrong = ~((frequencies > RANGE[0]) & (frequencies < RANGE[1]))
    if wrong.any():
        raise DataError(
            f"{path}: a frequency of {frequencies[wrong][0]:.6g} Hz by its header and AIPS FQ table; correct CRVAL and "
            "CDELT of the FREQ axis there, or export it again"
        )
    numbers = np.arange(count) + 1 if numbers is None else numbers[:, 0].astype(int)
    return FrequencySetups(numbers=numbers, frequencies=frequencies, notes=notes)


def _steps(
    tables: list[Any], shape: tuple[int, int, int], step: float, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Frequency from channel to channel (S, IF) [Hz], negative in a lower sideband.

    From CH WIDTH, else TOTAL BANDWIDTH over the channels, else the header. Some write a lower sideband as a negative
    width, some as SIDEBAND = -1, some as both.
    """
    count, ifs, channels = shape
    widths = _column(tables, "CH WIDTH", (count, ifs), path)
    totals = _column(tables, "TOTAL BANDWIDTH", (count, ifs), path)
    sides = _column(tables, "SIDEBAND", (count, ifs), path)
    steps = np.full((count, ifs), step)
    for known in (None if totals is None else totals / channels, widths):
        if known is not None:
            steps = np.where(known != 0, known, steps)
    notes = []
    if channels > 1 and abs(steps[0, 0]) > 0 and abs(abs(steps[0, 0]) - abs(step)) > WIDTH_TOLERANCE * abs(step):
        notes.append(
            f"channels of {abs(steps[0, 0]) / 1e6:.6g} MHz by the AIPS FQ table used, CDELT of the FREQ axis says "
            f"{abs(step) / 1e6:.6g} MHz"
        )
    if sides is not None:
        turned = (sides < 0) & (steps > 0)
        if channels > 1 and turned.any():
            notes.append(f"{np.count_nonzero(turned.any(0))} of {ifs} IFs are lower sidebands: frequencies fall there")
        steps = np.where(turned, -steps, steps)
    return steps, tuple(notes)


def _column(tables: list[Any], name: str, shape: tuple[int, int], path: Path) -> np.ndarray | None:
    """A column of the FQ table as (S, IF) floats, None where there is none."""
    if not tables or name not in tables[0].columns.names:
        return None
    column = np.asarray(tables[0].data[name], float)
    if column.size != shape[0] * shape[1]:
        raise DataError(
            f"{path}: {name} of its AIPS FQ table has {column.size // shape[0]} numbers a row, and the data have "
            f"{shape[1]} IFs; export it again"
        )
    return column.reshape(shape)
