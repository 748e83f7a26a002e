"""What each lens says of one parameter: its likelihood, which is its posterior without the prior that its fit had."""
from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.stats import norm

from lensfit.analysis import Analysis, load
from lensfit.compiled import compiled
from lensfit.errors import DataError, ModelError
from lensfit.fitters.result import FitResult
from lensfit.priors import Normal, Part, Prior
from lensfit.pytree import replace
from lensfit.results.document import RESULT
from lensfit.words import nearest

logger = logging.getLogger("lensfit")
DRAWS, GROUPS = 1200, 60
"""Samples of equal weight, or quantiles of a normal posterior, that stand for it; and the neighbours that are taken
together, so that fewer points are summed over."""
NORM = 0.5 * np.log(2 * np.pi)
TELLS = 0.98
"""Error over the interim prior's width from which on a normal posterior is the prior's, and the lens says nothing."""

Interim = Callable[[np.ndarray], np.ndarray]
"""ln of the density of the prior that a fit had, at values (S,); -inf outside its support."""


@dataclasses.dataclass(frozen=True, eq=False)
class LensPosterior:
    """One lens, as hierarchical inference needs it.

    Attributes:
        name: of the run folder. trusted: the verdict.
        value, error: of the fit, with the total error.
        spread: half the range over neighbouring models; 0 where there is none.
        points (S,): values, and ln weights (S,), ln of 1 / (S interim density): the mean of a population's density over
            them is the lens's likelihood. None where `gauss` says it in closed form.
        gauss: mean and standard deviation of a normal likelihood, None where it is not normal.
    """

    name: str
    trusted: bool
    value: float
    error: float
    spread: float
    points: np.ndarray | None = None
    log_weights: np.ndarray | None = None
    gauss: tuple[float, float] | None = None

    def log_normal(self, mean: np.ndarray, scatter: np.ndarray) -> np.ndarray:
        """ln of the likelihood of a normal population (...), up to a constant that `log_uniform` shares.

        The spread over models widens the population for this lens, as an error that its posterior does not have.
        """
        if self.gauss is not None:
            middle, width = self.gauss
            wide = np.sqrt(width**2 + scatter**2 + self.spread**2)
            return -0.5 * ((middle - mean) / wide) ** 2 - np.log(wide) - NORM
        assert self.points is not None and self.log_weights is not None
        wide = np.sqrt(scatter**2 + self.spread**2)
        exponents = self.log_weights - 0.5 * ((self.points - mean[..., None]) / wide[..., None]) ** 2
        top = np.max(exponents, -1, keepdims=True)
        return top[..., 0] + np.log(np.sum(np.exp(exponents - top), -1)) - np.log(wide) - NORM

    def log_uniform(self, low: float, high: float) -> float:
        """The same of a population that is uniform between two values."""
        if self.gauss is not None:
            middle, width = self.gauss
            wide = np.hypot(width, self.spread)
            return float(np.log(norm.cdf(high, middle, wide) - norm.cdf(low, middle, wide)) - np.log(high - low))
        assert self.points is not None and self.log_weights is not None
        inside = self.log_weights[(self.points > low) & (self.points < high)]
        return float(np.log(np.sum(np.exp(inside))) - np.log(high - low)) if len(inside) else -np.inf


def read_posteriors(
    folder: str | Path, parameter: str, interim: Prior | None = None
) -> tuple[tuple[LensPosterior, ...], tuple[str, ...]]:
    """What the lenses of a folder say of a parameter, and notes on those that say nothing.

    Args:
        folder: of `fit-many`, or with a run folder a lens.
        parameter: dotted name, as "mass.main.slope"; its last part suffices where it names one alone.
        interim: the prior that the fits had; by default that in the recipe of each run.

    Raises:
        DataError: no run folder is there. ModelError: no lens has the parameter, or its prior is not known.
    """
    folders = _runs(Path(folder))
    found, notes, names = [], [], set()
    for run in folders:
        done = load(run)
        names |= {*done.fitted.names}
        name = _named(done.fitted, parameter)
        if name is None:
            notes.append(f"{run.name}: has no {parameter}")
            continue
        made = of_lens(run.name, done.fitted, name, interim or interim_of(done, name))
        if made is None:
            notes.append(f"{run.name}: its posterior of {name} is that of the prior, it says nothing")
        else:
            found.append(made)
    if not found:
        told = nearest(parameter, sorted(names)) if names else "no lens was fitted"
        raise ModelError(f"{folder}: no lens says anything of {parameter}; {told}")
    return tuple(found), tuple(notes)


def _runs(folder: Path) -> list[Path]:
    """Run folders below a folder, by name."""
    inside = folder / "lenses" if (folder / "lenses").is_dir() else folder
    if not inside.is_dir():
        raise DataError(f"{folder}: no such folder; give that of fit-many, or one with a run folder a lens")
    runs = sorted(path for path in inside.iterdir() if (path / RESULT).is_file())
    if not runs:
        raise DataError(f"{folder}: holds no run folder; give that of fit-many, or one with a run folder a lens")
    return runs


def _named(result: FitResult, parameter: str) -> str | None:
    """The parameter of a result that is meant, None where it has none."""
    if parameter in result.names:
        return parameter
    found = [name for name in result.names if name.rpartition(".")[2] == parameter]
    if len(found) > 1:
        raise ModelError(f"{parameter} is said by {', '.join(found)}; give one of these names")
    return found[0] if found else None


def interim_of(done: Analysis, name: str) -> Prior:
    """The prior of a parameter in the recipe of a run.

    Raises:
        ModelError: it is not known, or is no prior of this one parameter with numbers alone.
    """
    leaf: Any = done.model
    try:
        group, profile, field = name.split(".")
        leaf = getattr(getattr(leaf, group)[profile], field)
    except (AttributeError, KeyError, ValueError) as error:
        raise ModelError(f"{name}: the run does not say which prior it had; give it as interim=") from error
    hyper = [getattr(leaf, f.name) for f in dataclasses.fields(leaf)] if isinstance(leaf, Prior) else []
    if not isinstance(leaf, Prior) or any(isinstance(value, (Prior, Part)) for value in hyper):
        raise ModelError(f"{name}: its prior depends on other parameters ({leaf!r}); give its own as interim=")
    return leaf


def of_lens(name: str, result: FitResult, parameter: str, interim: Prior) -> LensPosterior | None:
    """What a result says of a parameter, None where it is no more than its prior said."""
    k = result.names.index(parameter)
    value, error = float(result.theta[k]), float(result.errors[k])
    spread = 0.0 if np.isnan(result.spread[k]) else float(result.spread[k])
    about = {"name": name, "trusted": result.trust.trusted, "value": value, "spread": spread,
             "error": float(np.hypot(error, spread))}  # fmt: skip
    if result.samples is None and isinstance(interim, Normal):
        mean, width = float(interim.mean), float(interim.sigma)  # pyright: ignore[reportArgumentType]
        told = error / result.widened  # data and prior together, the noise as stated; the prior is not widened
        if not told < TELLS * width:
            return None
        precision = told**-2 - width**-2
        middle = (value / told**2 - mean / width**2) / precision
        return LensPosterior(**about, gauss=(middle, result.widened * precision**-0.5))
    if not np.isfinite(error) and result.samples is None:
        return None
    points = _points(result, k, value, error)
    log_density = _log_density(interim, points)
    inside = np.isfinite(log_density)
    if not inside.any():
        raise ModelError(f"{name}: its values of {parameter} lie outside of the prior {interim!r}; give the fit's")
    points, log_weights = _grouped(points[inside], -log_density[inside])
    return LensPosterior(**about, points=points, log_weights=log_weights)


def _points(result: FitResult, k: int, value: float, error: float) -> np.ndarray:
    """Values (S,) that stand for the posterior: samples of equal weight, or quantiles of the normal one."""
    shares = (np.arange(DRAWS) + 0.5) / DRAWS
    if result.samples is None or result.weights is None:
        return norm.ppf(shares, value, error)
    weights = result.weights / result.weights.sum()
    return result.samples[np.searchsorted(np.cumsum(weights), shares), k]


def _grouped(points: np.ndarray, log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (S,) in their order, neighbours taken together at their mean, with the ln of the mean of their weights."""
    order = np.argsort(points)
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    groups = np.array_split(order, min(GROUPS, len(order)))
    middle = [np.average(points[group], weights=weights[group] + 1e-300) for group in groups]
    sums = [np.log(np.sum(weights[group]) + 1e-300) for group in groups]
    return np.array(middle), np.array(sums) + top - np.log(len(order))


def _log_density(interim: Prior, values: np.ndarray) -> np.ndarray:
    """ln p (S,) of a prior over one parameter."""
    return np.asarray(_log_densities(replace(interim, tag="interim"), values))  # one program for the priors of all


@compiled
def _log_densities(interim: Prior, values: jax.Array) -> jax.Array:
    return jax.vmap(lambda value: interim.log_density(value[None]))(values)
