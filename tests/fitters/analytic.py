"""Problems whose posterior is known in closed form, on a model of three or ten numbers."""

import types

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.model import LensModel
from lensfit.priors import Normal
from lensfit.problem import Problem
from lensfit.profiles import Shear
from lensfit.pytree import pytree, replace, static
from lensfit.terms import Residuals, Term

CALLS = {"values": 0}


def _count(*_):
    CALLS["values"] += 1


def counter():
    """Calls of counted likelihoods so far."""
    jax.effects_barrier()
    return CALLS["values"]


@pytree
class Linear(Residuals):
    """Data that are linear in the numbers of a model, with unit noise, NaN where gamma1 is above a limit.

    counted: count the calls.
    """

    matrix: jax.Array
    data: jax.Array
    limit: jax.Array
    counted: bool = static(default=False)

    @property
    def data_count(self):
        return len(self.data)

    def numbers(self, model):
        return jnp.stack([jnp.asarray(v, float) for v in (model.mass["shear"].gamma1, model.mass["shear"].gamma2,
                                                           model.sky)])

    def light(self, model):
        return self.matrix @ self.numbers(model)

    def columns(self, model):
        return jnp.zeros((0, len(self.data)))

    def residuals(self, model):
        found = self.light(model) - self.data
        if self.counted:
            jax.debug.callback(_count, lax.stop_gradient(found[0]))
        return jnp.where(model.mass["shear"].gamma1 > self.limit, jnp.nan, found)

    @property
    def log_norm(self):
        return -0.5 * self.data.size * jnp.log(2 * jnp.pi)


def linear(counted=False):
    """`problem` of 3 parameters, its exact `mean`, `covariance` and `log_evidence`."""
    rng = np.random.default_rng(7)
    matrix = rng.standard_normal((8, 3)) * [30.0, 20.0, 4.0]
    sigma, center = np.array([0.2, 0.1, 0.5]), np.array([0.02, -0.03, 0.4])
    data = matrix @ (center + 0.8 * sigma) + rng.standard_normal(8)
    priors = [Normal(mean=m, sigma=s) for m, s in zip(center, sigma, strict=True)]
    model = LensModel(light={}, mass={"shear": Shear(gamma1=priors[0], gamma2=priors[1])}, source={}, sky=priors[2])
    likelihood = Linear(matrix=jnp.asarray(matrix), data=jnp.asarray(data), limit=jnp.asarray(np.inf), counted=counted)
    problem = Problem(model, likelihood)
    order = [problem.names.index(name) for name in ("mass.shear.gamma1", "mass.shear.gamma2", "sky")]
    assert order == [0, 1, 2]
    covariance = np.linalg.inv(matrix.T @ matrix + np.diag(1 / sigma**2))
    mean = covariance @ (matrix.T @ data + center / sigma**2)
    total = np.eye(8) + matrix @ np.diag(sigma**2) @ matrix.T
    apart = data - matrix @ center
    log_evidence = -0.5 * (apart @ np.linalg.solve(total, apart) + np.linalg.slogdet(2 * np.pi * total)[1])
    return types.SimpleNamespace(problem=problem, mean=mean, covariance=covariance, log_evidence=log_evidence)


def not_defined_above(limit):
    """The linear problem, not defined where gamma1 is above a limit; its data lie at 0.19."""
    problem = linear(counted=True).problem  # of the structure of the counted one, so that nothing compiles anew
    return Problem(problem.model, replace(problem.likelihood, limit=jnp.asarray(limit)))


@pytree
class Density(Term):
    """ln L of the linear problem, and nothing that it is made of."""

    kind = "density"
    inner: Linear
    grids = ()

    data_count = property(lambda self: self.inner.data_count)
    log_norm = property(lambda self: self.inner.log_norm)

    def __call__(self, model):
        return self.inner(model)

    def amplitudes(self, model):
        return jnp.zeros(0)


def density():
    """The linear problem as a density alone."""
    problem = linear().problem
    return Problem(problem.model, Density(inner=problem.likelihood))
