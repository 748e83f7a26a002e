"""The stages in their order: light, search, joint fit; then search and joint fit again with better light."""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lensfit.fitters._base import Progress
from lensfit.fitters.lm import Point
from lensfit.space import Space
from lensfit.staged.joint import descend_all, distinct, fit_joint, join, lens_light, solved_model
from lensfit.staged.light import fit_light, floor_weights
from lensfit.staged.roles import Roles
from lensfit.staged.search import Basin, search

FLOOR = 0.02
"""Share of the lens light by which its model may miss it while the fit is coarse."""


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
    space: Space, likelihood: Any, roles: Roles, rng: np.random.Generator, progress: Progress
) -> Found:
    """From the data and the priors alone to the best point of chi2 + |z|^2."""
    levels = Levels.of(likelihood)
    progress("lens light", np.nan, 0.05)
    lights = fit_light(space, levels.coarse, roles, rng)
    theta, image = lights[0].theta, lights[0].image
    basins: list[Basin] = []
    for number, share in ((1, 0.15), (2, 0.5)):
        progress(f"search, round {number}", np.nan, share)
        found = search(space, levels.coarse.minus(image), roles, theta, image, rng)
        model = solved_model(space, levels.medium, theta)
        weighted = levels.medium.weighted(floor_weights(np.asarray(lens_light(levels.medium, model)), FLOOR))
        starts = [join(roles, theta, basin.theta) for basin in distinct(roles, found, 3)]
        if number == 1:
            starts += [join(roles, light.theta, found[0].theta) for light in lights[1:4]]
        progress(f"joint fit, round {number}", np.nan, share + 0.25)
        basins += [fit_joint(space, weighted, start, 6, 5.0) for start in starts]
        basins = sorted(basins, key=lambda basin: basin.score)
        theta = basins[0].theta
        image = np.asarray(lens_light(levels.coarse, solved_model(space, levels.medium, theta)))
    progress("fine fit", np.nan, 0.85)
    basins = [fit_joint(space, levels.medium, b.theta, 6, 1.0) for b in distinct(roles, basins, 3)]
    basins = sorted(basins, key=lambda basin: basin.score)
    best = fit_joint(space, levels.medium, basins[0].theta, 20, 1.0)
    point = descend_all(space, levels.full, best.theta, 20, 0.02)
    progress("fine fit", float(point.chi2), 0.95)
    return Found(point, np.asarray(point.theta), tuple(basins))
