"""Third stage: everything together, from the coarse image to the full one."""
from __future__ import annotations

from typing import Any

import numpy as np

from lensfit.fitters.lm import Point, descend
from lensfit.space import Space
from lensfit.staged.roles import Roles
from lensfit.staged.search import Basin, sharp_score

GROUPS = ("light", "source")


def join(roles: Roles, light: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """theta (n,) with the light of one and the mass and source of the other."""
    return np.where(roles.light, light, rest)


def fit_joint(space: Space, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float) -> Basin:
    """Descend in all parameters from theta (n,)."""
    point = descend_all(space, likelihood, theta, iterations, tolerance)
    return Basin(np.asarray(point.theta), sharp_score(point, likelihood))


def descend_all(
    space: Space, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float
) -> Point:
    """The end of a descent in all parameters from theta (n,)."""
    free = np.ones(space.ndim, bool)
    return descend(space, likelihood, theta, free, iterations, tolerance, GROUPS).point


def lens_light(space: Space, likelihood: Any, theta: np.ndarray) -> np.ndarray:
    """Whitened image (H, W) of lens light and sky at theta (n,), amplitudes solved with the source's."""
    point = descend_all(space, likelihood, theta, 0, 1.0)
    model = space.build(point.theta)
    own = [k for k, p in enumerate(space.amplitudes) if p.group != "source"]
    solved = np.tensordot(np.asarray(point.amplitudes)[own], np.asarray(point.columns)[own], 1)
    rest = likelihood.image(model.only("light")) * likelihood.inverse_noise
    return solved + np.asarray(rest)


def distinct(roles: Roles, basins: list[Basin], most: int) -> list[Basin]:
    """The best basins, of those within 4 % in Einstein radius only the best one."""
    kept: list[Basin] = []
    for basin in sorted(basins, key=lambda b: b.score):
        radius = basin.theta[roles.einstein_radius]
        if all(abs(np.log(radius / k.theta[roles.einstein_radius])) > 0.04 for k in kept):
            kept.append(basin)
    return kept[:most]
