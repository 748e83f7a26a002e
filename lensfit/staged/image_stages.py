"""The stages for an image: lens light, search, joint fit; then search and joint fit again with better light."""
from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lensfit.fitters.lm import Point
from lensfit.space import Space
from lensfit.staged.case import Basin, Case, Found, Roles, Tell, to_theta
from lensfit.staged.joint import Joint, join
from lensfit.staged.search import floor_weights, search

POOR = 1.2
"""chi2 per pixel above which a third search is made: one search in ten misses the right basin."""
FLOOR = 0.02
"""Share of the lens light by which its model may miss it before the last fit."""
BRIGHTER = 10.0
"""Gain in objective, on the coarse level, by which other lens light is worth a fit of everything: less is no other
optimum (`benchmarks/optimum.py`)."""
ROUNDS = 5
"""Robust fits of the lens light, each with weights from the one before."""
EXCESS, DEFICIT = 2.0, 4.0
"""Residuals [sigma] beyond which data above and below the model lose weight: arcs are light in excess."""
LIGHT_FLOOR = 0.03
"""Share of the lens light by which a smooth profile is expected to miss it."""


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
    return relit(case, joint, finish(case, joint, basins), rng)


def search_again(case: Case, joint: Joint, theta: np.ndarray, rng: np.random.Generator) -> list[Basin]:
    """Basins, best first, of a new search on the data less the lens light of a joint fit theta (n,)."""
    levels, roles = case.levels, case.roles
    light = joint.whitened(levels.medium, theta, "light")
    image = levels.binned(light)
    found = search(case, levels.coarse.minus(image), theta, image, rng)
    weighted = levels.medium.weighted(floor_weights(light, FLOOR))
    starts = [join(roles, theta, basin.theta) for basin in case.distinct(found, 3)]
    return sorted((joint.fit(weighted, s, 6, 5.0) for s in starts), key=lambda basin: basin.score)


def finish(case: Case, joint: Joint, basins: list[Basin]) -> Found:
    """Fit the most promising basins finely and the best of them at full accuracy."""
    medium = case.levels.medium
    fine = [joint.fit(medium, basin.theta, 6, 1.0) for basin in case.distinct(basins, 3)]
    fine = sorted(fine, key=lambda basin: basin.score)
    best = joint.fit(medium, fine[0].theta, 20, 1.0)
    point = joint.descend(case.levels.full, best.theta, 60, 0.02)
    return Found(point, np.asarray(point.theta), tuple(fine))


def relit(case: Case, joint: Joint, found: Found, rng: np.random.Generator) -> Found:
    """What was found, or a better end that lens light begun anew leads to, once it is known what the arcs are.

    Bright arcs may have led the first fits of the lens light astray, and no descent in all parameters leads back.
    """
    coarse, roles = case.levels.coarse, case.roles
    if not len(roles.radii):
        return found
    target = coarse.minus(joint.whitened(coarse, found.theta, "source"))
    starts = (found.theta, *_starts(case.space, coarse, roles, rng))
    own, *others = (case.tally.descend(case.space, target, join(roles, start, found.theta), roles.light, 20, 1.0,
                                       ("light",)).point for start in starts)  # fmt: skip
    best = min((own, *others), key=lambda point: float(point.objective))
    if not float(best.objective) < float(own.objective) - BRIGHTER:
        return found
    light, (first, *rivals) = np.asarray(best.theta), found.basins
    begun = [replace(first, theta=found.theta), *rivals]  # rivals compete by the same light
    again = finish(case, joint, [replace(basin, theta=join(roles, light, basin.theta)) for basin in begun])
    return again if float(again.point.objective) < float(found.point.objective) else found


def _search_first(case: Case, joint: Joint, lights: list[LightFit], rng: np.random.Generator) -> list[Basin]:
    """Basins, best first, of a search on the data less the best light; the other lights joined to its best."""
    best, levels, roles = lights[0], case.levels, case.roles
    found = search(case, levels.coarse.minus(best.image), best.theta, best.image, rng)
    light = joint.whitened(levels.medium, join(roles, best.theta, found[0].theta), "light")
    weighted = levels.medium.weighted(floor_weights(light, FLOOR))
    starts = [join(roles, best.theta, basin.theta) for basin in case.distinct(found, 3)]
    starts += [join(roles, light.theta, found[0].theta) for light in lights[1:4]]
    return sorted((joint.fit(weighted, s, 6, 5.0) for s in starts), key=lambda basin: basin.score)


def _point(case: Case, joint: Joint, theta: np.ndarray) -> Point:
    """theta (n,) with its amplitudes and chi2."""
    return joint.descend(case.levels.medium, theta, 0, 1.0)


@dataclass(frozen=True)
class LightFit:
    """Lens light found: theta (n,), its whitened image (H, W), and the robust loss it leaves."""

    theta: np.ndarray
    image: np.ndarray
    loss: float


def fit_light(case: Case, rng: np.random.Generator) -> list[LightFit]:
    """Fit the lens light on the coarse level from a few structured starts; the best first."""
    likelihood = case.levels.coarse
    starts = _starts(case.space, likelihood, case.roles, rng)
    fits = [_robust(case, likelihood, start) for start in starts]
    return sorted(fits, key=lambda fit: fit.loss)


def half_light_radius(likelihood: Any) -> float:
    """Radius about the brightest region that holds half of the light above noise [arcsec]."""
    x, y = likelihood.grid.coordinates()
    snr = np.asarray(likelihood.whitened_data)
    noise = np.asarray(likelihood.inverse_noise)
    flux = np.where((snr > 3) & (noise > 0), snr / np.where(noise > 0, noise, 1.0), 0.0)
    if not flux.any():
        return 0.25 * float(np.ptp(x))
    weight = flux**2
    radius = np.hypot(x - np.average(x, weights=weight), y - np.average(y, weights=weight)).ravel()
    order = np.argsort(radius)
    total = np.cumsum(flux.ravel()[order])
    inside = radius[order][np.searchsorted(total, 0.5 * total[-1])]
    return max(float(inside), 2 * float(likelihood.grid.pixel_scale))


def _starts(space: Space, likelihood: Any, roles: Roles, rng: np.random.Generator) -> list[np.ndarray]:
    """theta of the starts: small and large light profiles in turn, on a narrow and a wide ladder of sizes."""
    middle = to_theta(space, roles.typical)
    size = half_light_radius(likelihood)
    count = len(roles.radii)
    if not count:
        return [to_theta(space, np.where(roles.light, 0.1 * rng.standard_normal(space.ndim), roles.typical))]
    ladders = (np.geomspace(0.5, 1.3, count), np.geomspace(0.25, 1.5, count)) if count > 1 else ([0.5], [1.0])
    starts = []
    for k, ladder in enumerate(ladders):
        for order in itertools.islice(itertools.permutations(ladder), 2):
            z = np.zeros(space.ndim)
            z[roles.light] = 0.1 * rng.standard_normal(roles.light.sum())
            z[roles.shapes] = -0.6 * (1 + (order[0] > order[-1]) - k)
            theta = to_theta(space, z)
            theta[roles.radii] = np.clip(size * np.array(order), roles.low[roles.radii], roles.high[roles.radii])
            starts.append(np.where(roles.light, theta, middle))
    return starts


def robust_weights(image: np.ndarray, excess: np.ndarray, floor: float) -> np.ndarray:
    """Weights (H, W) by which data in excess of the model count less, and so where the model is bright."""
    model_error = np.sqrt(1 + (floor * np.maximum(image, 0)) ** 2)
    scaled = np.abs(excess) / model_error
    above, below = 1 / (1 + (scaled / EXCESS) ** 2), 1 / np.sqrt(1 + (scaled / DEFICIT) ** 2)
    return np.where(excess > 0, above, below) / model_error


def _robust(case: Case, likelihood: Any, theta: np.ndarray) -> LightFit:
    weights = np.ones(likelihood.shape)
    image = excess = weights
    for k in range(ROUNDS):
        weighted, free = likelihood.weighted(weights), case.roles.light
        if k == 0:  # arcs would draw galaxies to them
            free = free & ~case.roles.places
        done = case.tally.descend(case.space, weighted, theta, free, 6 if k else 12, 3.0, ("light",))
        if not np.isfinite(float(done.point.objective)):
            return LightFit(theta, np.zeros(likelihood.shape), np.inf)
        theta = np.asarray(done.point.theta)
        image = np.tensordot(np.asarray(done.point.amplitudes), np.asarray(done.point.columns), 1) / weights
        excess = -np.asarray(done.point.residuals) / weights
        weights = robust_weights(image, excess, LIGHT_FLOOR)
    scaled = np.abs(excess) * floor_weights(image, LIGHT_FLOOR)
    loss = np.where(excess > 0, EXCESS**2 * np.log1p((scaled / EXCESS) ** 2), scaled**2)
    return LightFit(theta, image, float(loss.sum()))
