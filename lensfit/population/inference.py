"""Mean, scatter and outliers of a population, by importance reweighting of the lenses' own posteriors.

The likelihood of hyperparameters is, for each lens, the mean over its posterior of the population's density over the
prior that its fit had (Hogg, Myers & Bovy 2010). Three hyperparameters are integrated on a grid that is drawn together
about where the posterior is: nothing is sampled.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lensfit.errors import FitError
from lensfit.population.posteriors import LensPosterior

NODES = (41, 61, 17)
"""Of the grid in mean, scatter and outlier share."""
REFINED = 2
"""How often the grid is drawn together."""
REACH = 8.0
"""Half the grid, once drawn together, in standard deviations."""
MOST_OUTLIERS = 0.5
DRAWS = 4000
"""Of the hyperparameters, for figures and intervals of one's own."""


@dataclasses.dataclass(frozen=True)
class Hyper:
    """A hyperparameter: its mean over the posterior, its standard deviation, median, 16th and 84th percentile."""

    value: float
    error: float
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} +{self.high - self.median:.3f} -{self.median - self.low:.3f}"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Population:
    """What lenses together say of a parameter.

    mean, scatter: of the normal distribution that its values are of, errors of measurement taken out. outliers: share
    of lenses that are not of it but anywhere between `low` and `high`. draws (D, 3) of mean, scatter and share. lenses:
    those that it is of; belongs (N,): the probability that each is no outlier.
    """

    parameter: str
    mean: Hyper
    scatter: Hyper
    outliers: Hyper
    low: float
    high: float
    draws: np.ndarray
    lenses: tuple[LensPosterior, ...]
    belongs: np.ndarray

    def __repr__(self) -> str:
        return f"<Population of {len(self.lenses)}: {self.parameter} {self.mean}, scatter {self.scatter}>"


def infer(
    parameter: str, lenses: Sequence[LensPosterior], *, outliers: bool = True, low: float | None = None,
    high: float | None = None,
) -> Population:
    """Mean and scatter of a population from what each of its lenses says.

    Args:
        parameter: its name. lenses: at least three.
        outliers: whether a share of lenses may lie anywhere between low and high.
        low, high: ends of what values are possible at all; by default the smallest and largest value of the lenses,
            less and more twice its error. Mean and scatter have flat priors, the first between them, the second from 0
            to their distance, the share one from 0 to 0.5.

    Raises:
        FitError: there are fewer than three lenses.
    """
    if len(lenses) < 3:
        raise FitError(f"{len(lenses)} lenses say something of {parameter}; a mean and a scatter need three or more")
    values, errors = (np.array([getattr(lens, name) for lens in lenses]) for name in ("value", "error"))
    low = float(np.min(values - 2 * errors)) if low is None else low
    high = float(np.max(values + 2 * errors)) if high is None else high
    flat = np.array([lens.log_uniform(low, high) for lens in lenses])
    axes = [np.linspace(low, high, NODES[0]), np.linspace(0, high - low, NODES[1])[1:],
            np.linspace(0, MOST_OUTLIERS, NODES[2]) if outliers else np.zeros(1)]  # fmt: skip
    for step in range(REFINED + 1):
        inlier = _log_inlier(lenses, axes)
        density = _density(inlier, flat, axes[2])
        if step < REFINED:
            axes = [_closer(axis, density, k, edge) for k, (axis, edge) in
                    enumerate(zip(axes, ((low, high), (0, high - low), (0, MOST_OUTLIERS)), strict=True))]  # fmt: skip
    draws = _drawn(axes, density)
    belongs = _belongs(inlier, flat, axes[2], density)
    mean, scatter, share = (_hyper(draws[:, k]) for k in range(3))
    return Population(parameter=parameter, mean=mean, scatter=scatter, outliers=share, low=low, high=high, draws=draws,
                      lenses=tuple(lenses), belongs=belongs)  # fmt: skip


def _log_inlier(lenses: Sequence[LensPosterior], axes: list[np.ndarray]) -> np.ndarray:
    """ln L (N, M, S) of each lens at means and scatters."""
    mean, scatter = np.meshgrid(axes[0], axes[1], indexing="ij")
    return np.stack([lens.log_normal(mean, scatter) for lens in lenses])


def _density(inlier: np.ndarray, flat: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(M, S, F) the posterior on the grid, of sum 1."""
    total = np.zeros((*inlier.shape[1:], len(shares)))
    with np.errstate(divide="ignore"):
        for one, out in zip(inlier, flat, strict=True):
            total += np.logaddexp(np.log1p(-shares) + one[..., None], np.log(shares) + out)
    density = np.exp(total - total.max())
    return density / density.sum()


def _closer(axis: np.ndarray, density: np.ndarray, k: int, edges: tuple[float, float]) -> np.ndarray:
    """An axis about where its marginal is, as long as before in nodes and within its edges."""
    if len(axis) < 2:
        return axis
    marginal = density.sum(tuple(j for j in range(3) if j != k))
    middle = float(marginal @ axis)
    width = max(float(np.sqrt(marginal @ (axis - middle) ** 2)), 0.5 * (axis[1] - axis[0]))
    first = max(edges[0], middle - REACH * width)
    last = min(edges[1], middle + REACH * width)
    step = (last - first) / (len(axis) - 1)
    if k == 1 and first == 0:  # a scatter of nothing has no density where a lens has no error
        first = 0.5 * step
    return np.linspace(first, last, len(axis))


def _drawn(axes: list[np.ndarray], density: np.ndarray) -> np.ndarray:
    """(DRAWS, 3) draws, uniform within their cells."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(density.size, DRAWS, p=density.ravel())
    found = []
    for axis, index in zip(axes, np.unravel_index(chosen, density.shape), strict=True):
        step = axis[1] - axis[0] if len(axis) > 1 else 0.0
        found.append(np.clip(axis[index] + step * rng.uniform(-0.5, 0.5, DRAWS), max(axis[0] - step / 2, 0)
                             if axis[0] >= 0 else axis[0], axis[-1]))  # fmt: skip
    return np.stack(found, -1)


def _belongs(inlier: np.ndarray, flat: np.ndarray, shares: np.ndarray, density: np.ndarray) -> np.ndarray:
    """(N,) the probability that each lens is of the population."""
    found = []
    with np.errstate(divide="ignore"):
        for one, out in zip(inlier, flat, strict=True):
            inside = np.log1p(-shares) + one[..., None]
            found.append(float(np.sum(density * np.exp(inside - np.logaddexp(inside, np.log(shares) + out)))))
    return np.array(found)


def _hyper(draws: np.ndarray) -> Hyper:
    low, median, high = (float(value) for value in np.percentile(draws, (16, 50, 84)))
    return Hyper(float(draws.mean()), float(draws.std()), median, low, high)
