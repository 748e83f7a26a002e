"""The table of a survey: a row a lens in the catalogue's order, the same bit for bit whoever fitted it and when.

What differs from run to run, CPU seconds and hosts, is in costs.ecsv.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from lensfit.errors import DataError
from lensfit.results.derived import WORDS as DERIVED
from lensfit.survey.catalogue import Lens
from lensfit.survey.outcome import Outcome, State
from lensfit.whole_files import replacing, unwritable

ECSV, PARQUET, COSTS = "lenses.ecsv", "lenses.parquet", "costs.ecsv"
NUMBERS = ("error", "spread", "total")
"""Of a quantity, beside its value: columns NAME_error, NAME_spread and NAME_total."""
LIST = "; "
"""Between texts of a list in one cell."""
WORDS = {
    "name": "as in the catalogue; the run folder is lenses/NAME",
    "state": "done, failed or waiting",
    "reason": "why the fit failed",
    "verdict": "TRUSTED, NOT TRUSTED or UNCHECKED; empty: no fit",
    "trusted": "whether every check was made and passed",
    "reasons": "findings of the checks that failed or could not be made",
    "einstein_radius": "of the critical curve: sqrt(area / pi)",
    "signal_to_noise": "of the lensed source, over all data",
    "chi2": "of the best fit",
    "data_count": "number of data that chi2 sums over",
    "log_evidence": "ln evidence, where the fitter gives one",
    "notes": "on the fit, then on what was done to the data",
    "data_hash": "sha256 of the arrays",
}
"""Descriptions of columns."""


class Columns:
    """Cells by column as they come in, columns in the order in which they first appear."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.cells: dict[str, list[Any]] = {}
        self.units: dict[str, str] = {}

    def put(self, row: int, name: str, value: Any) -> None:
        """A value: a quantity is several cells, a list is one text."""
        if isinstance(value, dict):
            self._cell(row, name, value.get("value"))
            for part in NUMBERS:
                if part in value:
                    self._cell(row, f"{name}_{part}", value[part])
            self.units |= {name: value.get("unit") or "",
                           **{f"{name}_{part}": value.get("unit") or "" for part in NUMBERS}}  # fmt: skip
        elif isinstance(value, list):
            self._cell(row, name, LIST.join(str(item) for item in value))
        else:
            self._cell(row, name, value)

    def _cell(self, row: int, name: str, value: Any) -> None:
        self.cells.setdefault(name, [None] * self.count)[row] = value

    def table(self) -> Table:
        """Numbers that are not known are NaN, texts empty, and other values masked."""
        return Table([_column(name, cells, self.units.get(name, "")) for name, cells in self.cells.items()])


def _column(name: str, cells: list[Any], unit: str) -> Any:
    kinds = {type(cell) for cell in cells if cell is not None}
    quantity = next((name.removesuffix(f"_{part}") for part in NUMBERS if name.endswith(f"_{part}")), name)
    words = WORDS.get(quantity) or DERIVED.get(quantity.rpartition(".")[2], ("", ""))[1]
    about: dict[str, Any] = {"description": words or None, "unit": unit if unit and _known(unit) else None}
    whole = None not in cells
    if kinds == {bool}:
        mask = [cell is None for cell in cells]
        filled = [bool(cell) for cell in cells]
        return Column(filled, name, **about) if whole else MaskedColumn(filled, name, mask=mask, **about)
    if kinds <= {int} and whole:
        return Column(np.array(cells, np.int64), name, **about)
    if kinds <= {int, float}:
        return Column(np.array([np.nan if cell is None else cell for cell in cells], float), name, **about)
    return Column(["" if cell is None else str(cell) for cell in cells], name, **about)


def _known(unit: str) -> bool:
    from astropy.units import Unit

    try:
        Unit(unit)
    except ValueError:
        return False
    return True


def survey_table(lenses: Sequence[Lens], outcomes: Iterable[Outcome]) -> Table:
    """The table of the lenses, and of what is known of those that have ended; both in the order of the catalogue."""
    rows = {lens.name: number for number, lens in enumerate(lenses)}
    columns = Columns(len(lenses))
    for lens, row in zip(lenses, rows.values(), strict=True):
        for name, value in {"name": lens.name, "state": str(State.WAITING), "reason": "", **lens.columns}.items():
            columns.put(row, name, value)
    taken = {*columns.cells}  # a column of the catalogue stays what it is
    for outcome in outcomes:
        row = rows[outcome.name]
        columns.put(row, "state", str(outcome.state))
        columns.put(row, "reason", outcome.reason)
        for name, value in outcome.found.items():
            columns.put(row, name if name not in taken else f"fitted {name}", value)
    return columns.table()


def costs_table(lenses: Sequence[Lens], outcomes: Iterable[Outcome]) -> Table:
    """What each lens took, in the order of the catalogue."""
    rows = {lens.name: number for number, lens in enumerate(lenses)}
    columns = Columns(len(lenses))
    for name, row in rows.items():
        columns.put(row, "name", name)
    for outcome in outcomes:
        for name, value in outcome.cost.items():
            columns.put(rows[outcome.name], name, value)
    return columns.table()


def write_tables(out: Path, lenses: Sequence[Lens], outcomes: Callable[[], Iterable[Outcome]]) -> Table:
    """Write lenses.ecsv, lenses.parquet and costs.ecsv; the table is given back.

    Raises:
        DataError: one cannot be written.
    """
    table = survey_table(lenses, outcomes())
    made = ((ECSV, "ascii.ecsv", table), (PARQUET, "parquet", table),
            (COSTS, "ascii.ecsv", costs_table(lenses, outcomes())))  # fmt: skip
    for name, kind, content in made:
        try:
            with replacing(out / name) as path:
                content.write(path, format=kind)
        except ImportError as error:
            raise DataError(f"{out / name}: cannot be written without pyarrow; pip install 'lensfit[many]'") from error
        except OSError as error:
            raise unwritable(out / name, error) from error
    return table
