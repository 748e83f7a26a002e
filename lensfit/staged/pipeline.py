"""The stages in their order: light, search, joint fit; then search and joint fit again with better light."""
from __future__ import annotations

import numpy as np

from lensfit.fitters.lm import Point
from lensfit.fitters.result import Basin
from lensfit.staged.case import Case, Found, Tell
from lensfit.staged.joint import Joint, distinct, join
from lensfit.staged.light import LightFit, fit_light, floor_weights
from lensfit.staged.search import search

POOR = 1.2
"""chi2 per pixel above which a third search is made: one search in ten misses the right basin."""
FLOOR = 0.02
"""Share of the lens light by which its model may miss it before the last fit."""


def run_stages(case: Case, rng: np.random.Generator, tell: Tell) -> Found:
    """From the data and the priors alone to the best point of chi2 + |z|^2."""
    joint = Joint.of(case)
    tell("lens light", np.nan, 0.05, None)
    lights = fit_light(case, rng)
    point = _point(case, joint, lights[0].theta)
    tell("search, round 1", float(point.chi2), 0.15, point)
    basins = _search_first(case, joint, lights, rng)
    point = _point(case, joint, basins[0].theta)
    tell("search, round 2", float(point.chi2), 0.35, point)
    basins = sorted(basins + search_again(case, joint, basins[0].theta, rng), key=lambda basin: basin.score)
    point = _point(case, joint, basins[0].theta)
    if float(point.chi2) > POOR * case.levels.medium.data_count:
        tell("search, round 3", float(point.chi2), 0.5, point)
        basins += _search_first(case, joint, lights, rng)
    tell("fine fit", float(point.chi2), 0.6, point)
    return finish(case, joint, basins)


def search_again(case: Case, joint: Joint, theta: np.ndarray, rng: np.random.Generator) -> list[Basin]:
    """Basins, best first, of a new search on the data less the lens light of a joint fit theta (n,)."""
    levels, roles = case.levels, case.roles
    light = joint.lens_light(levels.medium, theta)
    image = levels.binned(light)
    found = search(case, levels.coarse.minus(image), theta, image, rng)
    weighted = levels.medium.weighted(floor_weights(light, FLOOR))
    starts = [join(roles, theta, basin.theta) for basin in distinct(roles, found, 3)]
    return sorted((joint.fit(weighted, s, 6, 5.0) for s in starts), key=lambda basin: basin.score)


def finish(case: Case, joint: Joint, basins: list[Basin]) -> Found:
    """Fit the most promising basins finely and the best of them at full accuracy."""
    medium = case.levels.medium
    fine = [joint.fit(medium, basin.theta, 6, 1.0) for basin in distinct(case.roles, basins, 3)]
    fine = sorted(fine, key=lambda basin: basin.score)
    best = joint.fit(medium, fine[0].theta, 20, 1.0)
    point = joint.descend(case.levels.full, best.theta, 60, 0.02)
    return Found(point, np.asarray(point.theta), tuple(fine))


def _search_first(case: Case, joint: Joint, lights: list[LightFit], rng: np.random.Generator) -> list[Basin]:
    """Basins, best first, of a search on the data less the best light; the other lights joined to its best."""
    best, levels, roles = lights[0], case.levels, case.roles
    found = search(case, levels.coarse.minus(best.image), best.theta, best.image, rng)
    light = joint.lens_light(levels.medium, join(roles, best.theta, found[0].theta))
    weighted = levels.medium.weighted(floor_weights(light, FLOOR))
    starts = [join(roles, best.theta, basin.theta) for basin in distinct(roles, found, 3)]
    starts += [join(roles, light.theta, found[0].theta) for light in lights[1:4]]
    return sorted((joint.fit(weighted, s, 6, 5.0) for s in starts), key=lambda basin: basin.score)


def _point(case: Case, joint: Joint, theta: np.ndarray) -> Point:
    """theta (n,) with its amplitudes and chi2."""
    return joint.descend(case.levels.medium, theta, 0, 1.0)
