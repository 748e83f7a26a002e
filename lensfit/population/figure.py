"""The figure of a population: each lens with its error, and what the trusted ones and all say of mean and scatter."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from lensfit.plots import new_figure
from lensfit.population.inference import Population

COLOURS = {"trusted": "#0072b2", "all": "#d55e00"}
MARKS = {True: ("o", "#0072b2", "trusted"), False: ("s", "#b0b0b0", "not trusted")}
BINS = 60
LEVELS = (0.95, 0.68)
ROOM = 1.3
"""Of the axis of scatters over the largest ones drawn: the legend stands above."""


def population_figure(found: Mapping[str, Population]) -> Figure:
    """Left the lenses in the order of their values, right the hyperparameters."""
    figure = new_figure(9.6, 4.2)
    left, right = figure.subplots(1, 2)
    draw_lenses(left, found)
    draw_hyperparameters(right, found)
    return figure


def draw_lenses(axes: Axes, found: Mapping[str, Population]) -> None:
    """Values with total errors, the population's mean and scatter as a band."""
    widest = max(found.values(), key=lambda one: len(one.lenses))
    lenses = sorted(widest.lenses, key=lambda lens: lens.value)
    for trusted, (mark, colour, word) in MARKS.items():
        rows = [(k, lens.value, lens.error) for k, lens in enumerate(lenses) if lens.trusted == trusted]
        if rows:
            place, value, error = zip(*rows, strict=True)
            axes.errorbar(place, value, error, fmt=mark, ms=3, lw=0.7, color=colour, label=f"{word} ({len(rows)})")
    shown = found.get("trusted", widest)
    middle, width = shown.mean.median, shown.scatter.median
    axes.axhspan(middle - width, middle + width, color="#009e73", alpha=0.18, lw=0, label="mean, intrinsic scatter")
    axes.axhline(middle, color="#009e73", lw=1.2)
    axes.set_xlabel("lenses, in the order of their values", fontsize=9)
    axes.set_ylabel(shown.parameter, fontsize=9)
    axes.tick_params(labelsize=8, direction="in")
    axes.legend(fontsize=7, loc="upper left")


def draw_hyperparameters(axes: Axes, found: Mapping[str, Population]) -> None:
    """68 and 95 % of mean and scatter, of the trusted lenses and of all."""
    for word, one in found.items():
        mean, scatter, _ = one.draws.T
        counts, x, y = np.histogram2d(mean, scatter, BINS)
        smooth = gaussian_filter(counts, 2.0)
        order = np.sort(smooth.ravel())[::-1]
        shares = np.cumsum(order) / order.sum()
        levels = sorted({float(order[np.searchsorted(shares, level)]) for level in LEVELS})
        middle = [0.5 * (edges[1:] + edges[:-1]) for edges in (x, y)]
        axes.contour(*middle, smooth.T, levels=levels, colors=COLOURS.get(word, "k"), linewidths=1.2)
        axes.plot([], [], color=COLOURS.get(word, "k"), label=f"{word}, {len(one.lenses)}: {one.mean}; {one.scatter}")
    axes.set_xlabel("mean", fontsize=9)
    axes.set_ylabel("intrinsic scatter", fontsize=9)
    axes.set_ylim(0, ROOM * max(float(np.percentile(one.draws[:, 1], 99.5)) for one in found.values()))
    axes.tick_params(labelsize=8, direction="in")
    axes.legend(fontsize=7, loc="upper right", title="mean; scatter", title_fontsize=7)
