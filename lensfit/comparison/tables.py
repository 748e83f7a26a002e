"""The files of a comparison: plain data, a table, Markdown and a figure."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, Table

from lensfit.comparison.runs import ARRIVED, FAILED, Comparison, Run
from lensfit.errors import DataError
from lensfit.plots import Course, comparison_figure
from lensfit.results.document import plain, write_json
from lensfit.results.files import replacing

FILES = ("compare.ecsv", "compare.md", "compare.png", "compare.json")
COLUMNS = {
    "fitter": ("", "name"),
    "seed": ("", "of the fit"),
    "outcome": ("", "finished, stopped at the budget, or failed"),
    "arrived": ("", f"within {ARRIVED:g} in chi2 of the best known optimum"),
    "arrival": ("s", "CPU time until then, without compilation"),
    "seconds": ("s", "time on the wall"),
    "cpu_seconds": ("s", "CPU time"),
    "compile_seconds": ("s", "CPU time of tracing and compiling, part of cpu_seconds"),
    "evaluations": ("", "calls of the likelihood"),
    "gradients": ("", "calls of its derivatives"),
    "log_likelihood": ("", "best ln L"),
    "gap": ("", "best known ln L less log_likelihood"),
    "effective_samples": ("", "of samplers that finished"),
    "samples_per_second": ("1 / s", "effective samples per CPU second without compilation"),
    "log_evidence": ("", "of nested samplers and importance sampling"),
    "log_evidence_error": ("", "one sigma"),
    "trusted": ("", "whether every check passed; empty where there is no result"),
    "reason": ("", "why it failed"),
}
"""Unit and meaning of each column, one row a run."""
WORDS = {
    "outcome": "outcome", "arrived": "arrived", "arrival": "arrived after [s]", "seconds": "wall [s]",
    "cpu_seconds": "CPU [s]", "compile_seconds": "compiling [s]", "evaluations": "ln L calls",
    "gradients": "gradient calls", "log_likelihood": "best ln L", "gap": "below best", "effective_samples": "ESS",
    "samples_per_second": "ESS per CPU s", "log_evidence": "ln evidence", "trusted": "trusted",
}  # fmt: skip
"""Headings in Markdown, behind fitter and seed."""


def write_comparison(folder: str | Path, comparison: Comparison) -> None:
    """Write compare.ecsv and compare.md (one row a run), compare.png and, last, compare.json with the traces.

    Raises:
        DataError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make it first")
    table, text, figure, document = (folder / name for name in FILES)
    with replacing(table) as path:
        as_table(comparison).write(path, format="ascii.ecsv")
    with replacing(text) as path:
        path.write_text(markdown(comparison), encoding="utf-8")
    with replacing(figure) as path:
        comparison_figure(courses(comparison), ARRIVED / 2).savefig(path)
    with replacing(document) as path:
        write_json(path, as_document(comparison))


def courses(comparison: Comparison) -> list[Course]:
    """The runs as the figure draws them."""
    best = comparison.best
    gaps = [() if best is None else tuple((at, best - value) for at, value in run.trace) for run in comparison.runs]
    return [
        Course(run.fitter, trace, run.working, comparison.arrived(run))
        for run, trace in zip(comparison.runs, gaps, strict=True)
    ]


def as_document(comparison: Comparison) -> dict[str, Any]:
    """The content of compare.json: None where a number is unknown."""
    rows = [_row(comparison, run) | {"trace": run.trace} for run in comparison.runs]
    head = {"schema": "lensfit.compare", "version": 1, "budget": comparison.budget, "best": comparison.best}
    return plain({**head, "within": ARRIVED, "runs": rows})


def as_table(comparison: Comparison) -> Table:
    """One row a run; numbers that are not known are NaN, words that are not known empty."""
    rows = [_row(comparison, run) for run in comparison.runs]
    columns = []
    for name, (unit, words) in COLUMNS.items():
        values = [row[name] for row in rows]
        if name == "trusted":
            values = ["" if value is None else str(value) for value in values]
        elif name not in ("fitter", "seed", "outcome", "arrived", "reason"):
            values = [np.nan if value is None else float(value) for value in values]
        columns.append(Column(values, name, unit=unit or None, description=words))
    return Table(columns, meta={"budget": comparison.budget, "best": comparison.best})


def markdown(comparison: Comparison) -> str:
    """How many runs of each fitter arrived, then every run."""
    best = "none" if comparison.best is None else f"{comparison.best:.2f}"
    head = f"Budget {comparison.budget:g} CPU s a run, compilation not counted; best known ln L {best}."
    return "\n\n".join([head, _summary(comparison), _every_run(comparison), *_reasons(comparison)]) + "\n"


def _row(comparison: Comparison, run: Run) -> dict[str, Any]:
    made = {"arrived": comparison.arrived(run), "arrival": comparison.arrival(run), "gap": comparison.gap(run)}
    return {name: made[name] if name in made else getattr(run, name) for name in COLUMNS}


def _summary(comparison: Comparison) -> str:
    lines = ["| fitter | runs arrived | median CPU s until then | median distance in ln L |", "|---|---|---|---|"]
    for name in dict.fromkeys(run.fitter for run in comparison.runs):
        runs = [run for run in comparison.runs if run.fitter == name]
        times = [at for at in map(comparison.arrival, runs) if at is not None]
        gaps = [gap for gap in map(comparison.gap, runs) if gap is not None]
        middle = [_cell(float(np.median(values))) if values else "-" for values in (times, gaps)]
        arrived = sum(map(comparison.arrived, runs))
        lines.append(f"| {name} | {arrived} of {len(runs)} | {' | '.join(middle)} |")
    return "\n".join(lines)


def _every_run(comparison: Comparison) -> str:
    lines = [f"| fitter | seed | {' | '.join(WORDS.values())} |", "|---" * (2 + len(WORDS)) + "|"]
    for run in comparison.runs:
        row = _row(comparison, run)
        cells = {name: _cell(row[name]) for name in WORDS}
        cells["log_likelihood"] = "-" if run.log_likelihood is None else f"{run.log_likelihood:.2f}"
        if run.log_evidence is not None:
            cells["log_evidence"] = f"{run.log_evidence:.2f} +- {run.log_evidence_error:.2g}"
        lines.append(f"| {run.fitter} | {run.seed} | {' | '.join(cells.values())} |")
    return "\n".join(lines)


def _reasons(comparison: Comparison) -> list[str]:
    return [f"{run.fitter}, seed {run.seed}, failed: {run.reason}" for run in comparison.runs if run.outcome == FAILED]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
