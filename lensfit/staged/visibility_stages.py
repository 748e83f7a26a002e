"""The stages for visibilities: where the emission is, a search on coarse pixels, descents on fine ones, calibration."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from lensfit.compiled import compiled
from lensfit.fitters.result import Basin
from lensfit.likelihood.calibration import Observations
from lensfit.model import LensModel
from lensfit.operators.toeplitz import FAINT, STEPS, non_negative_image
from lensfit.staged.case import BRIGHT, Arcs, Case, Found, Roles, Tell
from lensfit.staged.joint import Joint
from lensfit.staged.nested import grow, inside
from lensfit.staged.search import draws, place_sources

STRATA = 12
DRAWS, FOLLOWED = 128, 20
"""Draws of the mass in each stratum, and those of them whose chi2 is looked at: they focus the emission best."""
STARTS = 32
"""Draws that are fitted: the best of each stratum by chi2, and the best of all."""
BASINS, APART = 3, 0.1
"""Basins that go on to fine pixels and to calibration, and how far apart their lenses are, in Einstein radii, where
their Einstein radii agree."""
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
    """Basins, best first, on the coarse level; those of the smaller model inside it lead to some of a larger one."""
    pool = _descents(case, case.roles, joint, rng)
    within = inside(case, joint)
    if within is not None:
        small = _descents(case, *within, rng)
        starts = [*case.distinct(pool, 1), *case.distinct(small, BASINS, APART)]
        pool += [grow(case, joint, basin.theta, rng) for basin in starts]
    return sorted(pool, key=_score)


def _descents(case: Case, roles: Roles, joint: Joint, rng: np.random.Generator) -> list[Basin]:
    """Basins of descents on the coarse level with successive halving."""
    coarse, space = case.levels.coarse, case.space
    arcs, radius = find_emission(coarse)
    free = ~roles.held
    pixel, field = float(coarse.grid.pixel_scale), 0.5 * min(coarse.shape) * float(coarse.grid.pixel_scale)
    low, high = roles.strength.radii
    strata = np.geomspace(max(RANGE[0] * radius, low, 0.5 * pixel), min(RANGE[1] * radius, high, field), STRATA)
    firsts, rest = [], []
    for stratum in strata:
        drawn = draws(space, roles, roles.typical, stratum, arcs, rng, DRAWS, FOLLOWED)
        place_sources(roles, drawn, (0.25 * pixel, 0.3 * field))
        first, *others = sorted((joint.fit(coarse, theta, 0, 1.0, free) for theta in drawn.theta), key=_score)
        firsts, rest = [*firsts, first], rest + others
    pool = firsts + sorted(rest, key=_score)[: STARTS - STRATA]
    for keep, iterations, tolerance in ((STARTS, 5, 2.0), (STARTS // 3, 12, 1.0), (STARTS // 6, 30, 0.1)):
        pool = [joint.fit(coarse, basin.theta, iterations, tolerance, free) for basin in _best(case, pool, keep)]
    return pool


def finish(case: Case, joint: Joint, basins: list[Basin]) -> Found:
    """Fit the most promising basins on fine pixels, and the best of them to the end."""
    full = case.levels.full
    fine = [joint.fit(full, basin.theta, 15, 1.0) for basin in case.distinct(basins, BASINS, APART)]
    fine = sorted(fine, key=_score)
    point = joint.descend(full, fine[0].theta, 60, 0.01)
    return Found(point, np.asarray(point.theta), tuple(fine))


def _score(basin: Basin) -> float:
    return basin.score


def _best(case: Case, basins: list[Basin], most: int) -> list[Basin]:
    """The best basins, those first that are distinct: the same one found many times leaves room for others."""
    firsts = case.distinct(basins, most, APART)
    others = [basin for basin in sorted(basins, key=_score) if basin not in firsts]
    return (firsts[: most // 2] + sorted(firsts[most // 2 :] + others, key=_score))[:most]


def bright_image(likelihood: Any, steps: int = STEPS) -> np.ndarray:
    """The non-negative image (H, W), as the antennas see it [Jy/pixel]; what is faint is dark in it."""
    return np.asarray(_non_negative(likelihood.w_tilde, likelihood.dirty, likelihood.response, FAINT, steps))


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


ALIGNMENTS = 4
"""Rounds of imaging all datasets and aligning them on that image."""
OVER = 1.5
"""How much more than to first order calibrating may lower chi2."""
FIRST_ROUNDS, ROUNDS = 2, 12
"""Most rounds of fitting the model and taking the calibration up at its image: in each basin, and in the best one."""
SETTLED = 0.1
"""Change of chi2 + |z|^2 from one round to the next that ends them."""


def align(observations: Observations) -> Observations:
    """Shifts of the further datasets from the non-negative image of all, before any model.

    Flux scales wait for a model: the image lacks what is faint, and antennas with wrong phases lack flux.
    """
    for _ in range(ALIGNMENTS if len(observations.datasets) > 1 else 0):
        observations = observations.aligned(bright_image(observations.likelihood()))
    return observations


def calibrate(case: Case, observations: Observations, thetas: Sequence[np.ndarray]) -> Observations:
    """The observations calibrated at the joint optimum that is best of those near thetas, (n,) each, of the case's
    space: which basin is the better one may show only when the antennas' phases are right."""
    joint = Joint.of(case)
    tried = [(np.inf, observations, theta) for theta in _promising(joint, observations, thetas)]
    if len(tried) > 1:
        tried = [_calibrated(joint, observations, theta, FIRST_ROUNDS) for *_, theta in tried]
    _, best, theta = min(tried, key=lambda end: end[0])
    return _calibrated(joint, best, theta, ROUNDS)[1]


def _promising(joint: Joint, observations: Observations, thetas: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Those of thetas, (n,) each, that calibration might make the best: none falls by more than OVER times what it
    falls to first order."""
    if len(thetas) == 1:
        return list(thetas)
    likelihood, scores, gains = observations.likelihood(), [], []
    for theta in thetas:
        point = joint.descend(likelihood, theta, 0, 1.0)
        model = joint.space.build(theta).filled(point.amplitudes)
        scores.append(float(point.objective))
        gains.append(observations.gain(np.asarray(seen(likelihood, model))))
    least = np.array(scores) - OVER * np.array(gains)
    best = np.min(np.array(scores) - np.array(gains))
    return [theta for theta, score in zip(thetas, least, strict=True) if score <= best]


def _calibrated(
    joint: Joint, observations: Observations, theta: np.ndarray, rounds: int
) -> tuple[float, Observations, np.ndarray]:
    """chi2 + |z|^2, calibrated observations and theta (n,) after some rounds of fitting the model and calibrating."""
    before = np.inf
    for _ in range(rounds):
        likelihood = observations.likelihood()
        point = joint.descend(likelihood, theta, 30, 0.02)
        theta, now = np.asarray(point.theta), float(point.objective)
        model = joint.space.build(theta).filled(point.amplitudes)
        observations = observations.calibrated(np.asarray(seen(likelihood, model)))
        if abs(before - now) < SETTLED:
            break
        before = now
    return now, observations, theta


@compiled
def seen(likelihood: Any, model: LensModel) -> jax.Array:
    """What the antennas see (H, W) [Jy/pixel] of a model with numbers."""
    return likelihood.image(model)
