"""The sky of an image, told from its data alone: how it scatters, how far from zero it is, whether it slopes.

Differences of pixels do not see light that varies smoothly. Those of neighbours are too small where the noise of
neighbours is correlated, as drizzling makes it; those of pixels FAR apart are not.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter

from lensfit.datasets.masks import brightest_place

FAR = 3
"""Pixels apart from which on drizzled noise is uncorrelated."""
WINDOW = 800
"""Side of the largest part of an image, about its middle, whose scatter is taken [pixels]."""
FAINT = 0.5
"""Share of the pixels, the faintest ones after smoothing by two pixels, that are sky."""
FEWEST = 200
"""Pixels of sky from which on its scatter is known."""
SECOND, FOURTH = (1, -2, 1), (1, -4, 6, -4, 1)
"""Weights of the pixels in differences that do not see a slope, and no curvature."""
SMOOTH = 0.15
"""Scatter of FOURTH differences of neighbours over that of pixels FAR apart below which nothing there is noise."""
ROUNDING = 1e-6
"""Scatter over the largest datum that numbers of single precision have from their rounding."""
CORRELATED = 1.25
"""Growth of the noise of a mean from which on correlated noise is seen: that of a few pixels more."""
STRUCTURE = 0.5
"""Rise of the scatter beyond pixels FAR apart over that up to there from which on it is structure, not correlation."""
INNER = 0.6
"""Where the border begins, in units of half a side."""
MOST = 40_000
"""Pixels of the border that are used, at most."""
CLIP = 2.5
"""Deviations from which on a pixel of the border is no sky."""
HALO = (2.0, 2.5, 3.0, 4.0, 6.0)
"""Exponents of the radius by which the light of a lens may fall in the border; the best one is taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sky:
    """Of an image. Made by `of`.

    Attributes:
        data: (h, w) the part of the image that was measured; quiet: (h, w) bool, its pixels that are sky.
        part: where it lies in the image.
        scatter: standard deviation of a pixel, in the unit of the data.
        lag: of the differences that it was taken of: 1 where noise is independent, else FAR.
        correlation: of the noise of neighbouring pixels along rows and columns.
        growth: how many times more the mean of many pixels scatters than if their noise were independent, 1 where
            nothing else is seen.
        level: of the sky below the light of the lens at the image's border, over `scatter`; NaN if unknown.
        slope: change of the sky from one side of the image to the other, over `scatter`; NaN if unknown.
        light: of the lens at the border, typically, over `scatter`; NaN if unknown.
    """

    data: np.ndarray
    quiet: np.ndarray
    part: tuple[slice, slice]
    scatter: float
    lag: int
    correlation: float
    growth: float
    level: float
    slope: float
    light: float

    @classmethod
    def of(cls, data: np.ndarray, holds: np.ndarray) -> Self | None:
        """Of an image (H, W) where it `holds` numbers (H, W); None where no noise is to be seen in its sky."""
        with np.errstate(all="ignore"):  # what overflows is no sky
            return cls._measured(data, holds & ~_filled(data))

    @classmethod
    def _measured(cls, data: np.ndarray, holds: np.ndarray) -> Self | None:
        part = _middle(data.shape)
        window, inside = data[part], holds[part]
        if np.count_nonzero(inside) < FEWEST / FAINT:
            return None
        smooth = smoothed(window, inside)
        quiet = inside & (smooth <= np.quantile(smooth[inside], FAINT))
        rough = deviation(differences(window, quiet, weights=FOURTH))
        correlation, growth = _correlation(window, quiet)
        lag = FAR if growth > 1 else 1
        scatter = deviation(differences(window, quiet, lag))
        if not (scatter > ROUNDING * float(np.max(np.abs(window[inside]))) and rough > SMOOTH * scatter):
            return None
        row, column = (at + span.start for at, span in zip(brightest_place(window, ~inside), part, strict=True))
        rows, columns = (slice(lit[0], lit[-1] + 1) for lit in map(np.flatnonzero, (holds.any(1), holds.any(0))))
        box = np.s_[rows, columns]
        level, slope, light = _border(data[box], holds[box], (row - rows.start, column - columns.start))
        return cls(
            data=window,
            quiet=quiet,
            part=part,
            scatter=scatter,
            lag=lag,
            correlation=correlation,
            growth=growth,
            level=level / scatter,
            slope=slope / scatter,
            light=light / scatter,
        )

    @property
    def count(self) -> int:
        """Pixels of sky that were measured."""
        return int(np.count_nonzero(self.quiet))

    def in_units_of(self, noise: np.ndarray) -> float:
        """The scatter over noise (H, W), pixel by pixel; NaN or infinite where that overflows."""
        with np.errstate(all="ignore"):
            return deviation(differences(self.data, self.quiet, self.lag, noise[self.part]))


def smoothed(values: np.ndarray, used: np.ndarray, width: float = 2.0) -> np.ndarray:
    """Weighted mean of the used pixels of an image (H, W), a Gaussian of `width` pixels the weight."""
    weight = gaussian_filter(used.astype(float), width)
    return gaussian_filter(np.where(used, values, 0.0), width) / np.maximum(weight, 1e-9)


def differences(
    values: np.ndarray,
    used: np.ndarray,
    lag: int = 1,
    noise: np.ndarray | None = None,
    weights: tuple[int, ...] = SECOND,
) -> np.ndarray:
    """Of used pixels `lag` apart in rows and columns, over `noise`, so that white noise keeps its deviation."""
    squares = np.ones_like(values) if noise is None else noise**2
    made = []
    for a, s, u in ((values, squares, used), (values.T, squares.T, used.T)):
        rows = len(a) - lag * (len(weights) - 1)
        spans = [np.s_[k * lag : k * lag + max(rows, 0)] for k in range(len(weights))]
        every = np.logical_and.reduce([u[span] for span in spans])
        change = sum(w * a[span][every] for w, span in zip(weights, spans, strict=True))
        made.append(change / np.sqrt(sum(w**2 * s[span][every] for w, span in zip(weights, spans, strict=True))))
    return np.concatenate(made)


def deviation(values: np.ndarray) -> float:
    """Standard deviation of values, most of them normal; NaN of none."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if len(values) else np.nan


def _correlation(data: np.ndarray, quiet: np.ndarray) -> tuple[float, float]:
    """Of the noise of neighbours, and how many times more the mean of many pixels scatters for it.

    Correlation dies out within pixels FAR apart; the scatter of structure goes on to rise.
    """
    near, next_, far, further = (deviation(differences(data, quiet, lag)) for lag in (1, 2, FAR, FAR + 2))
    if not all(value > 0 for value in (near, next_, far)):
        return 0.0, 1.0
    if (further / far) ** 2 - 1 > STRUCTURE * ((far / near) ** 2 - 1):
        return 0.0, 1.0
    second = 0.75 * (1 - (next_ / far) ** 2)  # a difference has the variance 1 - 4/3 r(lag) + 1/3 r(2 lag)
    first = 0.75 * (1 - (near / far) ** 2 + second / 3)
    growth = 1 + 2 * first + 2 * second  # noise that is alike along rows and columns
    return first, growth if growth > CORRELATED + 5 / np.sqrt(np.count_nonzero(quiet)) else 1.0


def _filled(data: np.ndarray) -> np.ndarray:
    """Pixels that are equal to both their neighbours on one side: a value that stands for none."""
    same = np.zeros(data.shape, dtype=bool)
    same[:-1, :-1] = (data[:-1, :-1] == data[1:, :-1]) & (data[:-1, :-1] == data[:-1, 1:])
    same[1:] |= same[:-1]
    same[:, 1:] |= same[:, :-1]
    return same


def _middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    starts = [max((side - WINDOW) // 2, 0) for side in shape]
    rows, columns = (slice(a, a + min(side, WINDOW)) for a, side in zip(starts, shape, strict=True))
    return rows, columns


def _border(data: np.ndarray, holds: np.ndarray, center: tuple[int, int]) -> tuple[float, float, float]:
    """A constant, its change across the image, and the typical light about a centre, which falls by a power of radius.

    Of an image (H, W) at its border.
    """
    places = np.flatnonzero(holds & _outside(data.shape))
    rows, columns = np.unravel_index(places[:: len(places) // MOST + 1], data.shape)
    if len(rows) < FEWEST:
        return np.nan, np.nan, np.nan
    values = data[rows, columns]
    radius = np.maximum(np.hypot(rows - center[0], columns - center[1]), 1.0) / (0.5 * max(data.shape))
    plane = [np.ones(len(rows)), rows / data.shape[0] - 0.5, columns / data.shape[1] - 0.5]
    columns = [np.stack([*plane, radius**-power], axis=1) for power in HALO]
    kept = _without_peaks(columns[len(HALO) // 2], values)
    fits = [np.linalg.lstsq(every[kept], values[kept]) for every in columns]
    level, up, across, _ = min(fits, key=lambda fit: float(np.sum(fit[1])))[0]
    return float(level), float(np.hypot(up, across)), float(np.median(values[kept]) - level)


def _outside(shape: tuple[int, ...]) -> np.ndarray:
    """The pixels (H, W) of the border."""
    down, across = (np.abs((np.arange(side) + 0.5) / side - 0.5) > INNER / 2 for side in shape)
    return down[:, None] | across


def _without_peaks(columns: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values (K,), as booleans, that a linear fit to most of them holds."""
    kept = np.ones(len(values), dtype=bool)
    for _ in range(20):
        left = values - columns @ np.linalg.lstsq(columns[kept], values[kept])[0]
        new = np.abs(left - np.median(left[kept])) <= CLIP * deviation(left[kept])
        if np.array_equal(new, kept) or np.count_nonzero(new) < FEWEST / 2:
            break
        kept = new
    return kept
