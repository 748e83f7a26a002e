"""Errors from the curvature at the optimum."""

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters.laplace import laplace


def test_errors_are_those_of_the_normal_equations(small):
    space, likelihood = small.problem.space, small.problem.likelihood
    found = laplace(space, likelihood, small.truth)
    np.testing.assert_allclose(found.values.amplitudes, small.amplitudes, rtol=1e-6)
    n = space.ndim

    def residuals(numbers):
        model = space.build(space.to_theta(numbers[:n])).filled(numbers[n:])
        return likelihood.residuals(model).ravel()

    numbers = jnp.concatenate([small.problem.to_z(small.truth), jnp.asarray(found.values.amplitudes)])
    slopes = np.asarray(jax.jit(jax.jacfwd(residuals))(numbers))
    prior = np.diag(np.arange(len(numbers)) < n).astype(float)
    covariance = np.linalg.inv(slopes.T @ slopes + prior)
    stretch = np.eye(len(numbers))
    stretch[:n, :n] = np.asarray(jax.jit(jax.jacfwd(space.to_theta))(numbers[:n]))
    expected = stretch @ covariance @ stretch.T
    scale = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found.covariance / np.outer(scale, scale), expected / np.outer(scale, scale), atol=1e-6)
