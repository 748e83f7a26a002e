"""Fluxes of lens and source in each of several data, and their covariance."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from lensfit.fitters.result import FitResult
from lensfit.lensing import Field, bright_cells, flux, unlensed, unmasked_field
from lensfit.model import LensModel, Models
from lensfit.names import GALAXY
from lensfit.observations import Observation
from lensfit.problem import Problem
from lensfit.pytree import replace


def light_of(model: LensModel, beside: bool) -> LensModel:
    """The light of the lens of a model, or of the galaxies beside it, by their names (see `GALAXY`)."""
    kept = {name: profile for name, profile in model.light.items() if name.startswith(GALAXY) == beside}
    return replace(model.only("light"), light=kept)


COMPONENTS: dict[str, Callable[[LensModel], LensModel]] = {
    "lens": partial(light_of, beside=False),
    "galaxies": partial(light_of, beside=True),
    "source": unlensed,
    "lensed_source": lambda model: model.only("source"),
}
"""What is measured, and the part of a model that it is of."""
WIDER = 3.0
"""How much wider than the unmasked field fluxes are summed."""
ROUGH = {"number": 100, "share": 3e-4}
"""Cells of `bright_cells` over which fluxes are summed for their errors: a quarter of those for the values, from which
the errors differ by less than a hundredth of themselves."""
STEP = 0.01
"""Step of the differences, in errors of the parameter."""


def is_in(model: LensModel, component: str) -> bool:
    """Whether a model has that component as profiles."""
    part = COMPONENTS[component](model)
    return bool(part.light or part.source) and not part.pixels()


def wide_field(frame: Any) -> Field:
    """Where the fluxes of a dataset are summed."""
    near = unmasked_field(frame)
    return Field(near.x, near.y, WIDER * near.half_width)


def once_for_each(function: Callable[[LensModel], float]) -> Callable[[LensModel], float]:
    """A function of the mass and the lensed light of a model of numbers, called once for each of them: most parameters
    change one alone."""
    known: dict[Any, float] = {}

    def found(model: LensModel) -> float:
        leaves, structure = jax.tree.flatten(model if model.source or not model.light else replace(model, mass={}))
        key = structure, *(np.asarray(leaf).tobytes() for leaf in leaves)
        if key not in known:
            known[key] = function(model)
        return known[key]

    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Fluxes:
    """Fluxes [data unit times arcsec^2] of models of numbers, over the cells that suit the fit.

    names: (name of the data, component) of each. Those of a source on pixels are not among them.
    """

    names: tuple[tuple[str, str], ...]
    each: tuple[Callable[[LensModel], float], ...]

    @classmethod
    def of(cls, parts: list[tuple[str, Any, LensModel]], observation: Observation) -> Fluxes:
        """Of the parts of a problem with their models of numbers."""
        names, each = [], []
        for name, _, model in parts:
            field = wide_field(observation.frames[name])
            for component, part in COMPONENTS.items():
                if is_in(model, component):
                    names.append((name, component))
                    each.append(once_for_each(partial(flux, cells=bright_cells(part(model), field, **ROUGH))))
        return cls(tuple(names), tuple(each))

    def __call__(self, models: Any) -> np.ndarray:
        """(F,) of a model of numbers, or of one for each name."""
        of = models if isinstance(models, Models) else {"": models}
        each = zip(self.names, self.each, strict=True)
        return np.array([measure(COMPONENTS[component](of[name])) for (name, component), measure in each])


def covariance_of(fluxes: Fluxes, problem: Problem, result: FitResult) -> np.ndarray:
    """(F, F) of the fluxes that parameters and amplitudes together have in their Gaussian approximation; NaN of those
    that depend on one without a known error. Amplitudes held at zero have none."""
    n = problem.ndim
    joint = result.joint_covariance
    errors = np.sqrt(np.diag(joint))
    known = errors > 0
    moved = known | np.concatenate([np.ones(n, bool), result.amplitudes != 0])
    both = np.concatenate([result.theta, result.amplitudes])

    def at(numbers: np.ndarray) -> np.ndarray:
        built: Any = problem.space.build(numbers[:n])
        return fluxes(built.filled(numbers[n:]))

    slopes = np.zeros((len(both), len(fluxes.names)))
    for k in np.flatnonzero(moved):
        step = STEP * (errors[k] if known[k] else max(abs(both[k]), STEP)) * (np.arange(len(both)) == k)
        back = step if k < n else 0 * step  # fluxes are linear in amplitudes
        ahead, behind = at(both + step), at(both - back)
        slopes[k] = (ahead - behind) / (step + back)[k] if known[k] else np.where(ahead == behind, 0.0, np.nan)
    return slopes.T @ np.where(known & known[:, None], joint, 0.0) @ slopes


def error_of_ratio(values: np.ndarray, covariance: np.ndarray) -> float:
    """Error of the first of two values over the second; NaN where that is zero."""
    above, below = values
    if not (above and below):
        return np.nan
    shares = covariance / np.outer(values, values)
    variance = shares[0, 0] + shares[1, 1] - 2 * shares[0, 1]
    rounding = 1e-12 * (shares[0, 0] + shares[1, 1])
    return float(abs(above / below) * np.sqrt(0.0 if abs(variance) < rounding else variance))
