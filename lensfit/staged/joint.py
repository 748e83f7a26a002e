"""Third stage: everything together, from the coarse image to the full one."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters.lm import Point, descend
from lensfit.model import LensModel
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


def solved_model(space: Space, likelihood: Any, theta: np.ndarray) -> LensModel:
    """The model at theta (n,) with its amplitudes solved."""
    point = descend_all(space, likelihood, theta, 0, 1.0)
    return space.build(jnp.asarray(theta)).filled(point.amplitudes)


@jax.jit
def lens_light(likelihood: Any, model: LensModel) -> jax.Array:
    """Whitened image (H, W) of the lens light and the sky of a model with numbers."""
    return likelihood.image(model.only("light")) * likelihood.inverse_noise


def distinct(roles: Roles, basins: list[Basin], most: int) -> list[Basin]:
    """The best basins, of those within 4 % in Einstein radius only the best one."""
    kept: list[Basin] = []
    for basin in sorted(basins, key=lambda b: b.score):
        radius = basin.theta[roles.einstein_radius]
        if all(abs(np.log(radius / k.theta[roles.einstein_radius])) > 0.04 for k in kept):
            kept.append(basin)
    return kept[:most]
