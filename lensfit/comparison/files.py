"""The files of a comparison."""
from __future__ import annotations

from pathlib import Path

from lensfit.comparison.runs import ARRIVED, Comparison
from lensfit.comparison.tables import as_document, as_table, markdown
from lensfit.errors import DataError
from lensfit.plots import Course, comparison_figure
from lensfit.results.document import write_json
from lensfit.results.files import replacing

FILES = ("compare.ecsv", "compare.md", "compare.png", "compare.json")


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
