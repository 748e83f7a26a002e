"""Second stage: mass and source from the arcs, over the whole range of Einstein radii that the field allows."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from scipy.ndimage import gaussian_filter

from lensfit.compiled import compiled
from lensfit.fitters.lm import Point
from lensfit.fitters.result import Basin
from lensfit.space import Space
from lensfit.staged.case import BRIGHT, Arcs, Case, Roles, basin_of, to_theta, to_z

STRATA = 16
DRAWS = 64
"""Draws of the mass in each stratum of Einstein radius."""
WIDTHS = (0.6, 1.2)
"""Widths of the draws in units of the priors', in turn: most lenses are near, some far out."""
FOLLOWED = 3
"""Draws of a stratum that are fitted: those that focus the arcs best. How well a draw matches the image
before its fit says little: following fewer draws that were picked by it found fewer lenses."""
FLOOR = 0.03
"""Share of the lens light by which its model may miss it."""


def search(
    case: Case, likelihood: Any, theta: np.ndarray, light: np.ndarray, rng: np.random.Generator
) -> list[Basin]:
    """Basins of mass and source, best first, with the light of theta (n,) held, and the slope of its mass.

    The likelihood is that of the arcs, lens light subtracted. `light` (H, W) is that light, whitened: where
    it was bright its model errs.
    """
    space, roles = case.space, case.roles
    held = np.where(roles.light | roles.held, np.asarray(to_z(space, theta)), 0.0)
    start = to_theta(space, held)
    x, y = likelihood.grid.coordinates()
    center = roles.strength.center(space, start)
    radius = np.hypot(x - center[0], y - center[1])
    pixel = float(likelihood.grid.pixel_scale)
    field = float(radius[np.asarray(likelihood.inverse_noise) > 0].max())
    inner = max(0.1 * field, 2 * pixel)
    weights = floor_weights(light, FLOOR) * np.where(radius < inner, 0.1, 1.0)
    left = np.asarray(likelihood.whitened_data) * weights
    arcs = find_arcs(x, y, np.where(radius > inner, left, 0.0))
    target = likelihood.weighted(weights)
    pool = []
    low, high = roles.strength.radii
    for stratum in np.geomspace(max(inner, low), min(0.95 * field, high), STRATA):
        drawn = draws(space, roles, held, stratum, arcs, rng)
        place_sources(roles, drawn, (pixel, 0.3 * field))
        pool += [_descend(case, target, theta, 5, 1.0) for theta in drawn.theta]
    for keep, iterations in ((10, 8), (4, 20)):
        pool = sorted(pool, key=lambda basin: basin.score)[:keep]
        pool = [_descend(case, target, basin.theta, iterations, 0.5) for basin in pool]
    return sorted(pool, key=lambda basin: basin.score)


def floor_weights(image: np.ndarray, floor: float) -> np.ndarray:
    """Weights (H, W) for a model that misses its light, of whitened image (H, W), by a share `floor` of it."""
    return 1 / np.sqrt(1 + (floor * np.maximum(image, 0)) ** 2)


def find_arcs(x: np.ndarray, y: np.ndarray, snr: np.ndarray) -> Arcs:
    """The brightest pixels of a map (H, W) of signal over noise, at most BRIGHT of them."""
    flat = snr.ravel()
    order = np.argsort(-flat)[:BRIGHT]
    level = max(3.0, 0.25 * float(flat[order[min(39, len(order) - 1)]]))
    chosen = order[: max(int(np.count_nonzero(flat[order] > level)), 20)]
    strength = np.maximum(flat[chosen], 0.1)
    weight = np.minimum(strength, 4 * np.median(strength))
    return Arcs.of(x.ravel()[chosen], y.ravel()[chosen], weight)


def sharp_score(point: Point, likelihood: Any) -> float:
    """Objective with the smooth part of the residuals counting a tenth: arcs are sharp, haloes are not."""
    residuals = np.asarray(point.residuals)
    used = (np.asarray(likelihood.inverse_noise) > 0).astype(float)
    width = max(0.05 * max(residuals.shape), 2.0)
    smooth = gaussian_filter(residuals, width) / np.maximum(gaussian_filter(used, width), 0.05)
    sharp = float(np.sum(((residuals - smooth) * used) ** 2))
    return sharp + 0.1 * (float(point.chi2) - sharp) + float(np.sum(np.asarray(point.z) ** 2))


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Draws of the mass, theta (D, n), with where (D, 2) and how widely (D,) they focus the arcs."""

    theta: np.ndarray
    focus: np.ndarray
    spread: np.ndarray


def draws(
    space: Space,
    roles: Roles,
    held: np.ndarray,
    einstein_radius: float,
    arcs: Arcs,
    rng: np.random.Generator,
    count: int = DRAWS,
    followed: int = FOLLOWED,
) -> Drawn:
    """Of `count` draws of about this Einstein radius those `followed` that focus the arcs best."""
    z = np.tile(held, (count, 1))
    width = np.resize(WIDTHS, count)[:, None]
    moving = roles.mass & ~roles.held
    z[:, moving] = width * rng.standard_normal((count, int(moving.sum())))
    theta = to_theta(space, z)
    roles.strength.put(space, theta, einstein_radius * np.exp(0.05 * rng.standard_normal(count)))
    beta = np.stack(_trace_back(space, theta, arcs.x, arcs.y), -1)
    focus, spread, score = _focus(beta, arcs.weight, einstein_radius, rng)
    best = np.argsort(score)[:followed]
    return Drawn(theta[best], focus[best], spread[best])


def _focus(
    beta: np.ndarray, weight: np.ndarray, einstein_radius: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Densest place (D, 2) of points beta (D, P, 2), their spread about it, and a score (small: tight and complete).

    A mean shift that starts from the mean of all points, or for two draws of four from one of the points.
    """
    some = np.flatnonzero(np.arange(len(beta)) % 4 > 1)
    center = np.tensordot(beta, weight, (1, 0)) / weight.sum()
    center[some] = beta[some, rng.choice(len(weight), len(some), p=weight / weight.sum())]
    width = np.full(len(beta), 0.33 * einstein_radius)
    width[some] = 0.2 * einstein_radius
    share = np.broadcast_to(weight, beta.shape[:2])
    for _ in range(4):
        distance = _distance(beta, center)
        share = weight * np.exp(-0.5 * distance / width[:, None] ** 2) + 1e-12
        center = np.einsum("dp,dpk->dk", share, beta) / share.sum(1)[:, None]
        width = np.maximum(0.8 * width, 0.08 * einstein_radius)
    distance = _distance(beta, center)
    spread = np.sqrt(0.5 * np.sum(share * distance, axis=1) / share.sum(1))
    return center, spread, 3.75 * spread / einstein_radius - share.sum(1) / weight.sum()


def _distance(beta: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Squared distance (D, P) of points beta (D, P, 2) from center (D, 2); a sum over so short an axis is slow."""
    away = beta - center[:, None]
    return away[..., 0] ** 2 + away[..., 1] ** 2


def place_sources(roles: Roles, drawn: Drawn, limits: tuple[float, float]) -> None:
    """Put the sources of each draw where it focuses the arcs, round and as large as the focus is wide."""
    for number, source in enumerate(roles.sources):
        size = np.clip(drawn.spread * (1.0, 2.5, 0.4)[number % 3], *limits)
        zero = np.zeros(len(size))
        if source.radius >= 0:
            size = np.clip(size, roles.low[source.radius], roles.high[source.radius])
        values = (drawn.focus[:, 0], drawn.focus[:, 1], zero, zero, size)
        for index, value in zip(dataclasses.astuple(source), values, strict=True):
            if index >= 0:
                drawn.theta[:, index] = value


def _descend(
    case: Case, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float
) -> Basin:
    free = (case.roles.mass & ~case.roles.held) | case.roles.source
    end = case.tally.descend(case.space, likelihood, theta, free, iterations, tolerance, ("source",))
    return basin_of(end.point, likelihood, theta, case.score)


@compiled
def _trace_back(space: Space, theta: jax.Array, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.vmap(lambda t: space.build(t).source_position(x, y))(theta)
