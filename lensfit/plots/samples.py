"""Corner and trace of the parameters of the mass: of posterior samples, and of the normal posterior of any fit."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from lensfit.fitters.result import FitResult
from lensfit.plots.panels import new_figure
from lensfit.words import number_text

MOST = 8
"""Parameters that a figure shows at most."""
BINS = 40
SMOOTHING = 1.5
"""Width of the kernel that smooths two-dimensional histograms [bins]."""
INSIDE = (0.95, 0.68)
"""Shares of the posterior inside the two contours."""
COLOUR, BEST, OTHER = "#0072b2", "#d55e00", "#009e73"
DRAWS = 50_000
"""Draws from the normal distribution of a fit without samples."""
FILLS = ["#cfe2ef", "#8fbddb"]


def corner_figure(result: FitResult, names: Sequence[str] = ()) -> Figure:
    """One- and two-dimensional posteriors of parameters, their medians with intervals of 68 percent above them.

    Best values are marked, and so are the neighbouring models where names are given. A fit without samples is shown as
    the normal distribution of its covariance.

    Args:
        names: of the parameters that are shown, or of one; by default those of the mass, at most MOST.

    Raises:
        KeyError: a name that no parameter has.
    """
    names = (names,) if isinstance(names, str) else names
    chosen = [result.index(name) for name in names] or _shown(result)
    samples, weights = _samples(result, chosen)
    marks = [[v.values.get(n, np.nan) for n in names] for v in result.variants[1:] if v.counts] if names else []
    beside = np.array(marks).reshape(-1, len(chosen))
    limits = [_limits(samples[:, k], weights, beside[:, k]) for k in range(len(chosen))]
    size = len(chosen)
    figure = new_figure(1.35 * size + 0.8, 1.35 * size + 0.8)
    grid = figure.subplots(size, size, squeeze=False)
    for row in range(size):
        for column in range(size):
            axes = grid[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            if column == row:
                _histogram(axes, samples[:, row], weights, limits[row])
                axes.set_title(_interval(result, chosen[row], samples[:, row], weights), fontsize=7)
            else:
                _contours(axes, samples[:, [column, row]], weights, (limits[column], limits[row]))
                axes.axhline(result.theta[chosen[row]], color=BEST, lw=0.7)
                axes.plot(beside[:, column], beside[:, row], "x", color=OTHER, ms=5)
                axes.set_ylim(*limits[row])
            axes.axvline(result.theta[chosen[column]], color=BEST, lw=0.7)
            axes.set_xlim(*limits[column])
            _label(axes, result, chosen[column], chosen[row], row == size - 1, column == 0 and row > 0)
    return figure


def _interval(result: FitResult, k: int, values: np.ndarray, weights: np.ndarray) -> str:
    """The median of a parameter's samples, and how far from there 68 percent of them reach on each side."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84], weights=weights, method="inverted_cdf")
    least = min(high - middle, middle - low)
    digits = [number_text(float(number), float(least)) for number in (middle, high - middle, middle - low)]
    return f"${result.symbols[k]} = {digits[0]}^{{+{digits[1]}}}_{{-{digits[2]}}}$"


def trace_figure(result: FitResult) -> Figure:
    """The parameters of the mass along the chains, one colour each; of weighted samples the weight is the size.

    Raises:
        ValueError: the fit has no samples.
    """
    if result.samples is None or result.weights is None:
        raise ValueError(f"{result.fitter}: this fit has no samples")
    chosen, weights = _shown(result), result.weights
    samples = result.samples[:, chosen]
    figure = new_figure(8.5, 1.15 * len(chosen) + 0.9)
    chains = 1 if result.diagnostics is None else result.diagnostics.chains
    equal = bool(np.ptp(weights) < 1e-9 * weights.max())
    column = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    for k, axes in enumerate(column):
        values = samples[:, k]
        if equal:
            for number, chain in enumerate(values.reshape(chains, -1)):
                axes.plot(chain, lw=0.5, alpha=0.8, color=f"C{number}")
        else:
            axes.scatter(np.arange(len(values)), values, s=20 * weights / weights.max(), lw=0, color=COLOUR)
        axes.axhline(result.theta[chosen[k]], color=BEST, lw=0.8)
        axes.set_ylim(*_limits(values, weights))
        axes.set_ylabel(_words(result, chosen[k]), fontsize=8)
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
        axes.tick_params(labelsize=7, direction="in")
    column[-1].set_xlabel("sample of each chain" if equal else "weighted sample", fontsize=9)
    return figure


SAMPLE_FIGURES: dict[str, Callable[[FitResult], Figure]] = {"corner": corner_figure, "trace": trace_figure}
"""Every figure of a fit that has samples, by the name of its file."""


def _shown(result: FitResult) -> list[int]:
    """Which parameters are shown where nobody says."""
    mass = [k for k, name in enumerate(result.names) if name.startswith("mass.")]
    return (mass or list(range(len(result.names))))[:MOST]


def _samples(result: FitResult, chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Samples (S, k) of the parameters chosen and their weights (S,); of a fit that has none, draws from the normal
    distribution of its covariance, zero where that is not known."""
    if result.samples is not None and result.weights is not None:
        return result.samples[:, chosen], result.weights
    inner = np.nan_to_num(result.covariance[np.ix_(chosen, chosen)])
    drawn = np.random.default_rng(0).multivariate_normal(np.zeros(len(chosen)), inner, DRAWS, check_valid="ignore")
    return result.theta[chosen] + drawn, np.ones(DRAWS)


def _limits(values: np.ndarray, weights: np.ndarray, beside: Any = ()) -> tuple[float, float]:
    """Four standard deviations about the mean, and what lies beside that with a margin of one."""
    mean = float(np.average(values, weights=weights))
    sigma = float(np.sqrt(np.average((values - mean) ** 2, weights=weights))) or 0.25
    known = np.asarray(beside, float)[np.isfinite(beside)]
    ends = np.array([mean - 3 * sigma, mean + 3 * sigma, *known])
    return float(ends.min() - sigma), float(ends.max() + sigma)


def _histogram(axes: Axes, values: np.ndarray, weights: np.ndarray, limits: tuple[float, float]) -> None:
    axes.hist(values, BINS, range=limits, weights=weights, histtype="stepfilled", color=COLOUR, alpha=0.35)
    axes.hist(values, BINS, range=limits, weights=weights, histtype="step", color=COLOUR, lw=1.0)
    axes.set_yticks([])


def _contours(
    axes: Axes, pair: np.ndarray, weights: np.ndarray, limits: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    """Contours that hold 68 and 95 % of the samples; the histogram is smoothed."""
    density, x, y = np.histogram2d(pair[:, 0], pair[:, 1], BINS, limits, weights=weights)
    density = gaussian_filter(density, SMOOTHING)
    ordered = np.sort(density.ravel())[::-1]
    inside = np.cumsum(ordered) / ordered.sum()
    levels = np.unique([ordered[np.searchsorted(inside, share)] for share in INSIDE])
    middle = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
    axes.contourf(*middle, density.T, levels=[*levels, 1.01 * ordered[0]], colors=FILLS[-len(levels) :])
    axes.contour(*middle, density.T, levels=levels, colors=COLOUR, linewidths=0.9)


def _label(axes: Axes, result: FitResult, column: int, row: int, below: bool, left: bool) -> None:
    """Symbols at the lower and left edge of the corner alone."""
    axes.tick_params(labelsize=6, direction="in", labelbottom=below, labelleft=left, labelrotation=45)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")  # an offset's text lies on the label
    axes.locator_params(axis="x", nbins=3)
    if row != column:
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
        axes.locator_params(axis="y", nbins=3)
    if below:
        axes.set_xlabel(_words(result, column), fontsize=8)
    if left:
        axes.set_ylabel(_words(result, row), fontsize=8)


def _words(result: FitResult, k: int) -> str:
    unit = f" [{result.units[k]}]" if result.units[k] else ""
    owner = result.names[k].rpartition(".")[0].rpartition(".")[2]
    return f"{owner}\n${result.symbols[k]}${unit}"
