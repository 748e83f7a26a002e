"""The stages in their order: light, search, joint fit; then search and joint fit again with better light."""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lensfit.fitters._base import Progress
from lensfit.fitters.lm import Point
from lensfit.model import LensModel
from lensfit.space import Space
from lensfit.staged.joint import descend_all, distinct, fit_joint, join, lens_light, solved_model
from lensfit.staged.light import LightFit, fit_light, floor_weights
from lensfit.staged.roles import Roles
from lensfit.staged.search import Basin, search

POOR = 1.2
"""chi2 per pixel above which a third search is made: one search in ten misses the right basin."""
FLOOR = 0.02
"""Share of the lens light by which its model may miss it before the last fit."""


@dataclasses.dataclass(frozen=True)
class Levels:
    """One likelihood three times: 2x2-binned, full pixels with at most 2x2 sub-pixels, and as given."""

    coarse: Any
    medium: Any
    full: Any

    @classmethod
    def of(cls, likelihood: Any) -> Levels:
        """The levels of a likelihood."""
        coarse = type(likelihood).of(likelihood.observed().binned(2), 2)
        return cls(coarse=coarse, medium=likelihood.capped(2), full=likelihood)


@dataclasses.dataclass(frozen=True)
class Found:
    """The end of the stages: the best point at full accuracy, and the basins that came closest, best first."""

    point: Point
    theta: np.ndarray
    basins: tuple[Basin, ...]


def run_stages(
    space: Space, levels: Levels, roles: Roles, rng: np.random.Generator, progress: Progress
) -> Found:
    """From the data and the priors alone to the best point of chi2 + |z|^2."""
    progress("lens light", np.nan, 0.05)
    lights = fit_light(space, levels.coarse, roles, rng)
    progress("search, round 1", np.nan, 0.15)
    basins = _search_first(space, levels, roles, lights, rng)
    progress("search, round 2", _chi2(space, levels, basins[0]), 0.35)
    basins = sorted(basins + search_again(space, levels, roles, basins[0].theta, rng), key=lambda basin: basin.score)
    chi2 = _chi2(space, levels, basins[0])
    if chi2 > POOR * np.count_nonzero(levels.medium.inverse_noise):
        progress("search, round 3", chi2, 0.5)
        basins += _search_first(space, levels, roles, lights, rng)
    progress("fine fit", chi2, 0.6)
    return finish(space, levels, roles, basins)


def search_again(
    space: Space, levels: Levels, roles: Roles, theta: np.ndarray, rng: np.random.Generator
) -> list[Basin]:
    """Basins, best first, of a new search on the data less the lens light of a joint fit theta (n,)."""
    model = solved_model(space, levels.medium, theta)
    image = np.asarray(lens_light(levels.coarse, model))
    found = search(space, levels.coarse.minus(image), roles, theta, image, rng)
    weighted = _floored(levels, model)
    starts = [join(roles, theta, basin.theta) for basin in distinct(roles, found, 3)]
    return sorted((fit_joint(space, weighted, s, 6, 5.0) for s in starts), key=lambda basin: basin.score)


def finish(space: Space, levels: Levels, roles: Roles, basins: list[Basin]) -> Found:
    """Fit the most promising basins finely and the best of them at full accuracy."""
    fine = [fit_joint(space, levels.medium, basin.theta, 6, 1.0) for basin in distinct(roles, basins, 3)]
    fine = sorted(fine, key=lambda basin: basin.score)
    best = fit_joint(space, levels.medium, fine[0].theta, 20, 1.0)
    point = descend_all(space, levels.full, best.theta, 60, 0.02)
    return Found(point, np.asarray(point.theta), tuple(fine))


def _search_first(
    space: Space, levels: Levels, roles: Roles, lights: list[LightFit], rng: np.random.Generator
) -> list[Basin]:
    """Basins, best first, of a search on the data less the best light; the other lights joined to its best."""
    best = lights[0]
    found = search(space, levels.coarse.minus(best.image), roles, best.theta, best.image, rng)
    weighted = _floored(levels, solved_model(space, levels.medium, join(roles, best.theta, found[0].theta)))
    starts = [join(roles, best.theta, basin.theta) for basin in distinct(roles, found, 3)]
    starts += [join(roles, light.theta, found[0].theta) for light in lights[1:4]]
    return sorted((fit_joint(space, weighted, s, 6, 5.0) for s in starts), key=lambda basin: basin.score)


def _chi2(space: Space, levels: Levels, basin: Basin) -> float:
    return float(descend_all(space, levels.medium, basin.theta, 0, 1.0).chi2)


def _floored(levels: Levels, model: LensModel) -> Any:
    """The medium level with less weight where the model's lens light is bright."""
    image = np.asarray(lens_light(levels.medium, model))
    return levels.medium.weighted(floor_weights(image, FLOOR))
