"""The measured rows as a figure: CPU time beside error."""
from __future__ import annotations

from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lensfit.bench.rows import OURS, Row, ratio_text

COLOURS = {"numpy": "#4878a8", "numba": "#d98b3a", "jax": "#6aa36f", OURS: "#a83c5a"}
"""Of a bar, by the word with which the implementation's name begins."""


def picture(rows: Sequence[Row], title: str) -> Figure:
    """Bars of CPU time on a logarithmic axis, with ratio and error; what was not run has its reason."""
    figure = Figure(figsize=(8.5, 1.2 + 0.38 * len(rows)), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown = [row.seconds for row in rows if row.seconds is not None]
    axes.set_xscale("log")
    axes.set_xlim(min(shown) / 3, (max(shown) / min(shown)) ** 0.7 * 10 * max(shown))  # room for the labels
    axes.set_ylim(-0.6, len(rows) - 0.4)
    for place, row in enumerate(rows):
        kind = row.implementation.split("_")[0]
        if row.seconds is None:
            axes.text(min(shown) / 2.5, place, row.remark, va="center", fontsize=8, color="0.4", style="italic")
            continue
        measured = not row.remark
        axes.barh(place, row.seconds, color=COLOURS[kind], alpha=1 if measured else 0.45, height=0.7)
        axes.text(row.seconds * 1.15, place, _label(row), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row.implementation for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("CPU time of one call [s], one core, float64")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label(row: Row) -> str:
    words = [f"{'~' if row.remark else ''}{ratio_text(row.ratio)} x", f"error {row.error:.0e}"]
    return ", ".join([*words, row.remark] if row.remark else words)
