"""Figure of fitters measured against each other: distance to the best known optimum over CPU time."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lensfit.plots.panels import new_figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which the colour-blind tell apart."""
MARKERS, DASHES = "osD^vP*hXp<", ("-", "--", ":")
FLOOR = 0.1
"""Distance in ln L below which all is drawn as one."""
EARLIEST = 1e-3
"""The shortest time shown [s]: what is left of a run that compiles may be nothing."""
ABOVE = 30.0
"""What is shown above the worst end, as a factor: first draws of the prior may be 1e14 away."""


@dataclasses.dataclass(frozen=True)
class Course:
    """One run of a fitter: (CPU seconds, distance in ln L) at each gain, when it ended [s], whether it arrived."""

    fitter: str
    trace: tuple[tuple[float, float], ...]
    end: float
    arrived: bool


def comparison_figure(courses: Sequence[Course], near: float) -> Figure:
    """A line for each run, its end marked: filled where it arrived, within `near` of the best ln L."""
    figure = new_figure(8.6, 5.0)
    axes = figure.subplots()
    names = list(dict.fromkeys(course.fitter for course in courses))
    axes.axhspan(FLOOR / 2, near, color="#ececec", lw=0, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = [course.trace[-1][1] for course in courses if course.trace]
    axes.set_ylim(FLOOR / 1.6, ABOVE * max([near, *ends]))
    times = np.maximum([at for c in courses for at in (*(t for t, _ in c.trace), c.end)] or [1.0], EARLIEST)
    axes.set_xlim(times.min() / 1.5, times.max() * 1.5)
    for course in courses:
        _draw(axes, course, names.index(course.fitter))
    axes.text(0.01, FLOOR / 1.05, f"{FLOOR:g} and less", fontsize=8, color="0.3", va="bottom",
              transform=axes.get_yaxis_transform())
    axes.text(0.01, near / 1.3, f"arrived: $\\Delta\\chi^2 \\leq$ {2 * near:g}", fontsize=9, color="0.3", va="top",
              transform=axes.get_yaxis_transform())
    axes.set_xlabel("CPU time without compilation [s]", fontsize=10)
    axes.set_ylabel(r"best known $\ln L$ $-$ best $\ln L$ so far", fontsize=10)
    axes.tick_params(labelsize=9)
    axes.grid(which="major", color="0.92", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(handles=[*(_entry(names, k, courses) for k in range(len(names))), *_ends()], fontsize=9,
                loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def _draw(axes: Axes, course: Course, k: int) -> None:
    """One run; a distance below FLOOR is drawn at FLOOR, a time below EARLIEST there."""
    if not course.trace:
        return
    at, gap = np.array(course.trace).T
    at = np.maximum(np.append(at, max(course.end, at[-1])), EARLIEST)
    gap = np.maximum(np.append(gap, gap[-1]), FLOOR)
    colour = COLOURS[k % len(COLOURS)]
    top = axes.get_ylim()[1]
    axes.vlines(at[0], min(gap[0], top), top, color=colour, lw=1.2, ls=":")  # nothing was known of it before
    axes.plot(at, gap, _dash(k), color=colour, lw=1.4, drawstyle="steps-post", alpha=0.85)
    face = colour if course.arrived else "white"
    axes.plot(at[-1:], gap[-1:], MARKERS[k % len(MARKERS)], color=colour, ms=7, mfc=face, mew=1.4, clip_on=False)


def _entry(names: Sequence[str], k: int, courses: Sequence[Course]) -> Line2D:
    """Of the legend: a fitter and how many of its runs arrived."""
    runs = [course.arrived for course in courses if course.fitter == names[k]]
    colour = COLOURS[k % len(COLOURS)]
    label = f"{names[k]} ({sum(runs)} of {len(runs)} arrived)"
    return Line2D([], [], ls=_dash(k), color=colour, marker=MARKERS[k % len(MARKERS)], mfc="white", label=label)


def _ends() -> list[Line2D]:
    words = {"0.4": "filled: arrived", "white": "open: ended elsewhere or stopped"}
    return [Line2D([], [], ls="", color="0.4", marker="o", mfc=face, label=word) for face, word in words.items()]


def _dash(k: int) -> str:
    return DASHES[k // len(COLOURS) % len(DASHES)]
