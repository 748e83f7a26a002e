"""Errors from the curvature at the optimum: the normal distribution that touches the posterior there."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.pytree import pytree
from lensfit.space import Space


@pytree
class Values:
    """What holds at a theta: z (n,), the solved amplitudes (K,), ln L and the sum of squared residuals."""

    z: jax.Array
    amplitudes: jax.Array
    log_likelihood: jax.Array
    chi2: jax.Array


@dataclasses.dataclass(frozen=True)
class Laplace:
    """The values at theta (n,), and the covariance (n + K, n + K) of theta and the solved amplitudes.

    An amplitude that is held at zero has no error of its own: its row and column are NaN.
    """

    values: Values
    covariance: np.ndarray


def laplace(space: Space, likelihood: Any, theta: np.ndarray) -> Laplace:
    """The normal approximation of the posterior at theta (n,), prior included, amplitudes with a flat one."""
    values, curvature, to_theta, positive = _normal_equations(space, likelihood, jnp.asarray(theta))
    active = ~np.asarray(positive) | (np.asarray(values.amplitudes) > 0)
    moving = np.concatenate([np.ones(space.ndim, bool), active])
    some = np.asarray(curvature)[np.ix_(moving, moving)]
    diagonal = np.diag(some)
    if not (np.all(np.isfinite(some)) and np.all(diagonal > 0)):
        raise FitError("the curvature at the optimum is not finite: the data do not respond to every parameter")
    scale = 1 / np.sqrt(diagonal)
    inverse = np.linalg.inv(some * scale * scale[:, None]) * scale * scale[:, None]
    stretch = np.eye(len(moving))
    stretch[: space.ndim, : space.ndim] = np.asarray(to_theta)
    stretch = stretch[np.ix_(moving, moving)]
    covariance = np.full((len(moving), len(moving)), np.nan)
    covariance[np.ix_(moving, moving)] = stretch @ inverse @ stretch.T
    return Laplace(values, covariance)


@jax.jit
def values_at(space: Space, likelihood: Any, theta: jax.Array) -> Values:
    """The values at theta (n,)."""
    model = space.build(theta)
    amplitudes = likelihood.amplitudes(model) if space.amplitudes else jnp.zeros(0)
    filled = model.filled(amplitudes)
    residuals = likelihood.residuals(filled)
    return Values(
        z=space.to_z(theta),
        amplitudes=amplitudes,
        log_likelihood=likelihood(filled),
        chi2=jnp.sum(residuals * residuals),
    )


@jax.jit
def _normal_equations(
    space: Space, likelihood: Any, theta: jax.Array
) -> tuple[Values, jax.Array, jax.Array, jax.Array]:
    """The values, the curvature of half of chi2 + |z|^2 in (z, amplitudes), d theta / d z, the amplitudes' signs."""
    values = values_at(space, likelihood, theta)
    z, amplitudes = values.z, values.amplitudes

    def residuals(z: jax.Array) -> jax.Array:
        return likelihood.residuals(space.build(space.to_theta(z)).filled(amplitudes))

    value, push = jax.linearize(residuals, z)
    rows = jax.vmap(push)(jnp.eye(space.ndim))
    positive = jnp.zeros(0, bool)
    if space.amplitudes:
        model = space.build(theta)
        rows = jnp.concatenate([rows, likelihood.columns(model)])
        positive = likelihood.positive(model)
    rows = rows.reshape(-1, value.size)
    prior = jnp.concatenate([jnp.ones(space.ndim), jnp.zeros(len(rows) - space.ndim)])
    return values, rows @ rows.T + jnp.diag(prior), jax.jacfwd(space.to_theta)(z), positive
