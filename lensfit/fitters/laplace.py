"""Errors from the curvature at the optimum: the normal distribution that touches the posterior there."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.space import Space


@dataclasses.dataclass(frozen=True)
class Laplace:
    """At theta (n,): solved amplitudes (K,) and the covariance (n + K, n + K) of both.

    An amplitude that is held at zero has no error of its own: its row and column are NaN.
    """

    amplitudes: np.ndarray
    covariance: np.ndarray


def laplace(space: Space, likelihood: Any, theta: np.ndarray) -> Laplace:
    """The normal approximation of the posterior at theta (n,), prior included, amplitudes with a flat one."""
    rows, to_theta, amplitudes, positive = _slopes(space, likelihood, jnp.asarray(theta))
    active = ~np.asarray(positive) | (np.asarray(amplitudes) > 0)
    moving = np.concatenate([np.ones(space.ndim, bool), active])
    prior = np.diag(np.concatenate([np.ones(space.ndim), np.zeros(len(active))]))
    some = np.concatenate([np.asarray(rows).T, prior])[:, moving]
    scale = 1 / np.linalg.norm(some, axis=0)
    if not np.all(np.isfinite(scale)):
        raise FitError("the curvature at the optimum is not finite: the data do not respond to every parameter")
    # not by the normal equations: one sub-pixel on the cusp of a source has a slope that would drown the others
    _, values, vectors = np.linalg.svd(some * scale, full_matrices=False)
    values = np.maximum(values, len(some) * np.finfo(float).eps * values[0])  # two columns may be one image
    inverse = (vectors.T / values**2) @ vectors * scale * scale[:, None]
    stretch = np.eye(len(moving))
    stretch[: space.ndim, : space.ndim] = np.asarray(to_theta)
    stretch = stretch[np.ix_(moving, moving)]
    covariance = np.full((len(moving), len(moving)), np.nan)
    covariance[np.ix_(moving, moving)] = stretch @ inverse @ stretch.T
    return Laplace(np.asarray(amplitudes), covariance)


@jax.jit
def _slopes(space: Space, likelihood: Any, theta: jax.Array) -> tuple[jax.Array, ...]:
    """Whitened slopes (n + K, P) by (z, amplitudes), d theta / d z, the amplitudes, their flags."""
    z = space.to_z(theta)
    model = space.build(theta)
    amplitudes = likelihood.amplitudes(model)
    columns = likelihood.columns(model)

    def residuals(z: jax.Array) -> jax.Array:
        return likelihood.residuals(space.build(space.to_theta(z)).filled(amplitudes))

    value, push = jax.linearize(residuals, z)
    rows = jnp.concatenate([jax.vmap(push)(jnp.eye(space.ndim)), columns]).reshape(-1, value.size)
    return rows, jax.jacfwd(space.to_theta)(z), amplitudes, likelihood.positive(model)
