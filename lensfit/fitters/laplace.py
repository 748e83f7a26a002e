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
    curvature, to_theta, amplitudes, positive = _normal_equations(space, likelihood, jnp.asarray(theta))
    active = ~np.asarray(positive) | (np.asarray(amplitudes) > 0)
    moving = np.concatenate([np.ones(space.ndim, bool), active])
    some = np.asarray(curvature)[np.ix_(moving, moving)]
    scale = 1 / np.sqrt(np.diag(some))
    if not np.all(np.isfinite(scale)):
        raise FitError("the curvature at the optimum is not finite: the data do not respond to every parameter")
    values, vectors = np.linalg.eigh(some * scale * scale[:, None])
    values = np.maximum(values, len(values) * np.finfo(float).eps * values[-1])  # two columns may be one image
    inverse = (vectors / values) @ vectors.T * scale * scale[:, None]
    stretch = np.eye(len(moving))
    stretch[: space.ndim, : space.ndim] = np.asarray(to_theta)
    stretch = stretch[np.ix_(moving, moving)]
    covariance = np.full((len(moving), len(moving)), np.nan)
    covariance[np.ix_(moving, moving)] = stretch @ inverse @ stretch.T
    return Laplace(np.asarray(amplitudes), covariance)


@jax.jit
def _normal_equations(space: Space, likelihood: Any, theta: jax.Array) -> tuple[jax.Array, ...]:
    """Curvature of half of chi2 + |z|^2 in (z, amplitudes), d theta / d z, the amplitudes, their flags."""
    z = space.to_z(theta)
    model = space.build(theta)
    amplitudes = likelihood.amplitudes(model)
    columns = likelihood.columns(model)

    def residuals(z: jax.Array) -> jax.Array:
        return likelihood.residuals(space.build(space.to_theta(z)).filled(amplitudes))

    value, push = jax.linearize(residuals, z)
    rows = jnp.concatenate([jax.vmap(push)(jnp.eye(space.ndim)), columns]).reshape(-1, value.size)
    prior = jnp.concatenate([jnp.ones(space.ndim), jnp.zeros(len(columns))])
    curvature = rows @ rows.T + jnp.diag(prior)
    return curvature, jax.jacfwd(space.to_theta)(z), amplitudes, likelihood.positive(model)
