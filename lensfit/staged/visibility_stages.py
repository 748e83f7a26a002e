"""The stages for visibilities: where the emission is, a search on coarse pixels, descents on fine ones, calibration."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from lensfit.compiled import compiled
from lensfit.fitters.result import Basin
from lensfit.likelihood.calibration import Observations
from lensfit.model import LensModel
from lensfit.operators.toeplitz import FAINT, non_negative_image
from lensfit.staged.case import BRIGHT, Arcs, Case, Found, Tell, to_theta, to_z
from lensfit.staged.joint import Joint
from lensfit.staged.search import draws, place_sources

STRATA = 12
STARTS = 24
"""Draws that are fitted: the best of each stratum by how they focus the emission, then the best of these by chi2."""
DIM = 0.03
"""Share of the brightest pixel down to which emission is traced back."""
RANGE = (0.25, 1.6)
"""Einstein radii that are tried, in units of the emission's rms radius."""
SECOND_SOURCE = tuple(
    (size, far * np.cos(angle), far * np.sin(angle))
    for k, angle in enumerate(np.linspace(0, 2 * np.pi, 6, endpoint=False))
    for size, far in [((0.5, 1.5), (1.5, 1.2))[k % 2]]
)
"""Starts of a second source, see `lensfit.staged.joint.fit_family`: all around the first."""
EASING = (0.7, 0.4, 0.2)
"""Shares of itself to which shear goes before it is taken away: visibilities have many optima."""
SPLITS = 6
"""Places about the first source where each further one is tried."""

_non_negative = compiled(non_negative_image)


def run_stages(case: Case, rng: np.random.Generator, tell: Tell) -> Found:
    """From the data and the priors alone to the best point of chi2 + |z|^2."""
    joint = Joint.of(case)
    tell("emission", np.nan, 0.05, None)
    tell("search", np.nan, 0.1, None)
    basins = search(case, joint, rng)
    tell("fine fit", basins[0].score, 0.4, None)
    return finish(case, joint, basins)


def search_again(case: Case, joint: Joint, theta: np.ndarray, rng: np.random.Generator) -> list[Basin]:
    """Basins of another search, best first; nothing of the fit theta (n,) enters."""
    return search(case, joint, rng)


def search(case: Case, joint: Joint, rng: np.random.Generator) -> list[Basin]:
    """Basins, best first, of descents on the coarse level with successive halving."""
    coarse, roles, space = case.levels.coarse, case.roles, case.space
    arcs, radius = find_emission(coarse)
    free = ~roles.held
    pixel, field = float(coarse.grid.pixel_scale), 0.5 * min(coarse.shape) * float(coarse.grid.pixel_scale)
    low, high = roles.strength.radii
    strata = np.geomspace(max(RANGE[0] * radius, low, 0.5 * pixel), min(RANGE[1] * radius, high, field), STRATA)
    starts = []
    for stratum in strata:
        drawn = draws(space, roles, roles.typical, stratum, arcs, rng)
        place_sources(roles, drawn, (0.25 * pixel, 0.3 * field))
        starts += list(drawn.theta)
    pool = [joint.fit(coarse, theta, 0, 1.0, free) for theta in starts]
    for keep, iterations, tolerance in ((STARTS, 5, 2.0), (STARTS // 3, 12, 1.0), (STARTS // 6, 30, 0.1)):
        pool = sorted(pool, key=lambda basin: basin.score)[:keep]
        pool = [joint.fit(coarse, basin.theta, iterations, tolerance, free) for basin in pool]
    pool += [_split(case, joint, basin, rng) for basin in case.distinct(pool, 1) if len(roles.sources) > 1]
    return sorted(pool, key=lambda basin: basin.score)


def finish(case: Case, joint: Joint, basins: list[Basin]) -> Found:
    """Fit the most promising basins on fine pixels, and the best of them to the end."""
    full = case.levels.full
    fine = [joint.fit(full, basin.theta, 6, 1.0) for basin in case.distinct(basins, 3)]
    fine = sorted(fine, key=lambda basin: basin.score)
    point = joint.descend(full, fine[0].theta, 60, 0.01)
    return Found(point, np.asarray(point.theta), tuple(fine))


def bright_image(likelihood: Any) -> np.ndarray:
    """The non-negative image (H, W), as the antennas see it [Jy/pixel]; what is faint is dark in it."""
    return np.asarray(_non_negative(likelihood.w_tilde, likelihood.dirty, likelihood.response, FAINT))


def find_emission(likelihood: Any) -> tuple[Arcs, float]:
    """The bright pixels of the non-negative image, and their rms radius about their centre [arcsec]."""
    image = bright_image(likelihood).ravel()
    x, y = (a.ravel() for a in likelihood.grid.coordinates())
    order = np.argsort(-image)[:BRIGHT]
    chosen = order[image[order] > DIM * image[order[0]]]
    x, y, weight = x[chosen], y[chosen], image[chosen]
    center_x, center_y = np.average(x, weights=weight), np.average(y, weights=weight)
    square = np.average((x - center_x) ** 2 + (y - center_y) ** 2, weights=weight)
    return Arcs.of(x, y, weight / weight.max()), float(np.sqrt(square))


def _split(case: Case, joint: Joint, basin: Basin, rng: np.random.Generator) -> Basin:
    """The basin with its further sources tried at places about the first one, smaller and larger in turn."""
    first, *others = case.roles.sources
    best, free = basin, ~case.roles.held
    for k in range(SPLITS):
        theta = basin.theta.copy()
        for source in others:
            angle = 2 * np.pi * (k + rng.random()) / SPLITS
            far = theta[first.radius] * (0.8 + 1.2 * rng.random())
            moved = {"center_x": far * np.cos(angle), "center_y": far * np.sin(angle)}
            for role, index in dataclasses.asdict(source).items():
                if index >= 0 and getattr(first, role) >= 0:
                    theta[index] = theta[getattr(first, role)] + moved.get(role, 0.0)
            if source.radius >= 0:
                theta[source.radius] *= (0.5, 1.5)[k % 2]
        inside = np.clip(np.asarray(to_z(case.space, theta)), -3, 3)
        tried = joint.fit(case.levels.coarse, np.asarray(to_theta(case.space, inside)), 12, 1.0, free)
        best = min(best, tried, key=lambda b: b.score)
    return joint.fit(case.levels.coarse, best.theta, 30, 0.1, free)


ALIGNMENTS = 4
"""Rounds of imaging all datasets and aligning them on that image."""
ROUNDS = 12
"""Most rounds of fitting the model and taking the calibration up at its image."""
SETTLED = 0.1
"""Change of chi2 + |z|^2 from one round to the next that ends them."""


def align(observations: Observations) -> Observations:
    """Shifts of the further datasets from the non-negative image of all, before any model.

    Flux scales wait for a model: the image lacks what is faint, and antennas with wrong phases lack flux.
    """
    for _ in range(ALIGNMENTS if len(observations.datasets) > 1 else 0):
        observations = observations.aligned(bright_image(observations.likelihood()))
    return observations


def calibrate(case: Case, observations: Observations, theta: np.ndarray) -> Observations:
    """The observations calibrated at the joint optimum near theta (n,) of the case's space."""
    joint, before = Joint.of(case), np.inf
    for _ in range(ROUNDS):
        likelihood = observations.likelihood()
        point = joint.descend(likelihood, theta, 30, 0.02)
        theta = np.asarray(point.theta)
        model = case.space.build(np.asarray(theta)).filled(point.amplitudes)
        observations = observations.calibrated(np.asarray(seen(likelihood, model)))
        if abs(before - float(point.objective)) < SETTLED:
            break
        before = float(point.objective)
    return observations


@compiled
def seen(likelihood: Any, model: LensModel) -> jax.Array:
    """What the antennas see (H, W) [Jy/pixel] of a model with numbers."""
    return likelihood.image(model)
