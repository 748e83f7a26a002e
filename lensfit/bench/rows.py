"""Measured rows: how long each implementation takes, how far it is off an exact sum, and what memory it needs.

They are told as a table and as a picture.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Case = TypeVar("Case")
OURS = "lensfit"
PATIENCE = 8.0
"""CPU seconds that one call may take; beyond, it is run on fewer visibilities, or not at all."""
REPEATS, ENOUGH = 15, 2.0
"""Calls whose median counts, or as many as fit into ENOUGH seconds."""
GIB = 2.0**30
COLOURS = {"numpy": "#4878a8", "numba": "#d98b3a", "jax": "#6aa36f", OURS: "#a83c5a"}
"""Of a bar, by the word with which the implementation's name begins."""


@dataclass(frozen=True)
class Implementation(Generic[Case]):
    """One way to compute: `prepare(case)` gives the call that is timed.

    `memory(case)` is the bytes of its large arrays; `work(case)` operations at about `rate` a second say
    whether it can be run at all.
    """

    name: str
    prepare: Callable[[Case], Callable[[], Any]]
    memory: Callable[[Case], float]
    work: Callable[[Case], float]
    rate: float

    def seconds(self, case: Case) -> float:
        """About how long a call takes."""
        return self.work(case) / self.rate


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        seconds: CPU seconds of a call, median; None where it was not run.
        ratio: seconds over those of lensfit's own.
        error: largest difference from an exact sum, over the largest value.
        memory: GiB of its large arrays, from their sizes.
        remark: why it was not run, or on how many visibilities.
    """

    implementation: str
    seconds: float | None
    ratio: float | None
    error: float | None
    memory: float
    remark: str = ""


def measure(
    case: Case,
    implementations: Sequence[Implementation[Case]],
    error: Callable[[Case, Any], float],
    most_memory: float,
    shorten: Callable[[Case, float], tuple[Case, float, str]],
) -> list[Row]:
    """One row for each implementation; those that need more than `most_memory` GiB are listed and not run.

    `shorten(case, share)` gives a smaller case of about that share of the work, the exact share and a remark.
    A share of 0 says that the case cannot be made smaller.
    """
    rows = [_row(case, one, error, most_memory, shorten) for one in implementations]
    ours = next(row.seconds for row in rows if row.implementation == OURS)
    if ours is None:
        return rows
    return [replace(row, ratio=None if row.seconds is None else row.seconds / ours) for row in rows]


def _row(case: Any, one: Implementation, error: Any, most_memory: float, shorten: Any) -> Row:
    used, share, remark = case, 1.0, ""
    memory = one.memory(case) / GIB
    if memory > most_memory:
        return Row(implementation=one.name, seconds=None, ratio=None, error=None, memory=memory,
                   remark=f"needs {_memory(memory)}")
    wanted = PATIENCE / one.seconds(case)
    if wanted < 1:
        used, share, remark = shorten(case, wanted)
    if share == 0:
        return Row(implementation=one.name, seconds=None, ratio=None, error=None, memory=memory,
                   remark=f"needs about {one.seconds(case):.0f} s")
    call = one.prepare(used)
    off = error(used, call())
    return Row(implementation=one.name, seconds=cpu_seconds(call) / share, ratio=None, error=off, memory=memory,
               remark=remark)


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Median CPU seconds of a call that has run before."""
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH:
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def table(rows: Sequence[Row]) -> str:
    """The rows as text, a line each."""
    lines = [f"{'implementation':30s} {'CPU time':>11s} {'ratio':>10s} {'error':>8s} {'memory':>11s}"]
    for row in rows:
        cells, mark = ["-", "-", "-"], "~" if row.remark else ""
        if row.seconds is not None:
            cells = [mark + _time(row.seconds), mark + _ratio(row.ratio), f"{row.error:.0e}"]
        cells.append(_memory(row.memory))
        line = "{:30s} {:>11s} {:>10s} {:>8s} {:>11s}  {}".format(row.implementation, *cells, row.remark)
        lines.append(line.rstrip())
    return "\n".join(lines)


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
    words = [f"{'~' if row.remark else ''}{_ratio(row.ratio)} x", f"error {row.error:.0e}"]
    return ", ".join([*words, row.remark] if row.remark else words)


def _time(seconds: float) -> str:
    return f"{float(f'{seconds:.3g}'):g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def _ratio(ratio: float | None) -> str:
    """Three digits, without an exponent."""
    if ratio is None:
        return "-"
    return f"{ratio:.3g}" if ratio < 100 else f"{float(f'{ratio:.3g}'):,.0f}"


def _memory(gib: float) -> str:
    return f"{float(f'{gib:.3g}'):g} GiB" if gib >= 1 else f"{1024 * gib:.3g} MiB"
