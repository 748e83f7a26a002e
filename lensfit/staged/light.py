"""First stage: the lens light alone, robustly against the arcs that are not modelled yet."""
from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np

from lensfit.space import Space
from lensfit.staged.case import Case
from lensfit.staged.maps import to_theta
from lensfit.staged.roles import Roles

ROUNDS = 5
EXCESS, DEFICIT = 2.0, 4.0
"""Residuals [sigma] beyond which data above and below the model lose weight: arcs are light in excess."""
FLOOR = 0.03
"""Share of the lens light by which a smooth profile is expected to miss it."""


@dataclasses.dataclass(frozen=True)
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
    middle = to_theta(space, np.zeros(space.ndim))
    size = half_light_radius(likelihood)
    count = len(roles.radii)
    if not count:
        z = np.where(roles.light, 0.1 * rng.standard_normal(space.ndim), 0.0)
        return [to_theta(space, z)]
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


def floor_weights(image: np.ndarray, floor: float) -> np.ndarray:
    """Weights (H, W) for a model that misses its light, of whitened image (H, W), by a share `floor` of it."""
    return 1 / np.sqrt(1 + (floor * np.maximum(image, 0)) ** 2)


def _robust(case: Case, likelihood: Any, theta: np.ndarray) -> LightFit:
    weights = np.ones(likelihood.shape)
    image = excess = weights
    for k in range(ROUNDS):
        weighted = likelihood.weighted(weights)
        done = case.tally.descend(case.space, weighted, theta, case.roles.light, 6 if k else 12, 3.0, ("light",))
        if not np.isfinite(float(done.point.objective)):
            return LightFit(theta, np.zeros(likelihood.shape), np.inf)
        theta = np.asarray(done.point.theta)
        image = np.tensordot(np.asarray(done.point.amplitudes), np.asarray(done.point.columns), 1) / weights
        excess = -np.asarray(done.point.residuals) / weights
        weights = robust_weights(image, excess, FLOOR)
    scaled = np.abs(excess) * floor_weights(image, FLOOR)
    loss = np.where(excess > 0, EXCESS**2 * np.log1p((scaled / EXCESS) ** 2), scaled**2)
    return LightFit(theta, image, float(loss.sum()))
