"""Problems whose posterior and evidence are known: a model that is only a bag of numbers, and residuals of them."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import multivariate_normal

from lensfit.model import LensModel
from lensfit.priors import Normal
from lensfit.problem import Problem
from lensfit.profiles import Shear
from lensfit.pytree import pytree
from lensfit.terms import Residuals


@pytree
class Linear(Residuals):
    """ln L = -1/2 |A theta - b|^2 - N/2 ln 2 pi."""

    matrix: jax.Array
    data: jax.Array

    def residuals(self, model):
        return self.matrix @ jnp.stack(jax.tree.leaves(model)) - self.data

    @property
    def log_norm(self):
        return -0.5 * len(self.data) * jnp.log(2 * jnp.pi)

    @property
    def data_count(self):
        return len(self.data)


@pytree
class Cusped(Linear):
    """The same and a cusp, `height` high and `width` wide, where the first number is `place`.

    It is the kink of one residual that is `kinked` and grows to both sides.
    """

    place: float
    height: float
    width: float
    kinked: float

    def residuals(self, model):
        apart = jnp.abs(jax.tree.leaves(model)[0] - self.place) / self.width
        return jnp.append(super().residuals(model), self.kinked + self.height / self.kinked * (1 - jnp.exp(-apart)))


@pytree
class Edged(Linear):
    """The same, not defined where the first number is above `edge`."""

    edge: float

    def residuals(self, model):
        return jnp.where(jax.tree.leaves(model)[0] > self.edge, jnp.nan, super().residuals(model))


@pytree
class Ridge(Residuals):
    """All numbers but the first lie within `width` of `bend` times its square."""

    bend: float
    width: float

    def residuals(self, model):
        first, *others = jax.tree.leaves(model.mass)
        return (jnp.stack(others) - self.bend * first**2) / self.width

    @property
    def log_norm(self):
        return jnp.zeros(())

    @property
    def data_count(self):
        return 3


@pytree
class FarEdged(Ridge):
    """The same, not defined where a number is above 9."""

    def residuals(self, model):
        far = jnp.max(jnp.abs(jnp.stack(jax.tree.leaves(model.mass)))) > 9
        return jnp.where(far, jnp.nan, super().residuals(model))


@pytree
class Rings(Residuals):
    """Each pair of numbers lies on a ring of radius 1 and a width of 1 / (2 sharpness)."""

    sharpness: float

    def residuals(self, model):
        pairs = jnp.stack(jax.tree.leaves(model)[: 2 * len(model.mass)]).reshape(-1, 2)
        return self.sharpness * (jnp.sum(pairs**2, axis=1) - 1)

    @property
    def log_norm(self):
        return jnp.zeros(())

    @property
    def data_count(self):
        return 1


def bag(count, mean=0.0, sigma=1.0):
    """A model of `count` free numbers, each normal a priori; theta in the order of the model's leaves."""
    prior = lambda: Normal(mean=mean, sigma=sigma)  # noqa: E731
    shears = {f"s{k:02d}": Shear(gamma1=prior(), gamma2=prior()) for k in range(count // 2)}
    return LensModel(light={}, source={}, mass=shears, sky=prior() if count % 2 else 0.0)


def linear(count, seed=0):
    """(problem, mean, covariance, ln evidence) of a linear model with correlated, well measured parameters."""
    rng = np.random.default_rng(seed)
    rows = count + 5
    matrix = rng.standard_normal((rows, count)) * np.geomspace(2, 30, count)
    if count % 2 == 0:  # the sky, a fixed zero, is a leaf too
        matrix = np.concatenate([matrix, np.zeros((rows, 1))], axis=1)
    truth = rng.standard_normal(count)
    used = matrix[:, :count]
    data = used @ truth + rng.standard_normal(rows)
    mean, sigma = 0.3, 1.5
    covariance = np.linalg.inv(used.T @ used + np.eye(count) / sigma**2)
    center = covariance @ (used.T @ data + mean / sigma**2)
    predicted = multivariate_normal(used @ np.full(count, mean), np.eye(rows) + sigma**2 * used @ used.T)
    problem = Problem(bag(count, mean, sigma), Linear(matrix=jnp.asarray(matrix), data=jnp.asarray(data)))
    return problem, center, covariance, float(predicted.logpdf(data))


def cusped(count, height, width=0.05, kinked=50.0):
    """The linear model with a narrow cusp at its mean: (problem, mean, covariance, ln evidence but for the cusp's).

    width: in standard deviations.
    """
    problem, mean, covariance, log_evidence = linear(count)
    width *= float(np.sqrt(covariance[0, 0]))
    likelihood = Cusped(
        **vars(problem.likelihood), place=float(mean[0]), height=height, width=width, kinked=kinked
    )
    return Problem(problem.model, likelihood), mean, covariance, log_evidence - 0.5 * (kinked + height / kinked) ** 2


def rings(pairs, sharpness):
    """(problem, ln evidence) of as many rings."""
    radius = np.linspace(0, 3, 20001)
    density = np.exp(-0.5 * (sharpness * (radius**2 - 1)) ** 2 - 0.5 * radius**2) * radius
    problem = Problem(bag(2 * pairs), Rings(sharpness=sharpness))
    return problem, pairs * float(np.log(np.trapezoid(density, radius)))


def ridge(bend, width):
    """A problem whose posterior is a bent ridge, and the standard deviation of its first number.

    Of that ln p = -x^2 / 2 - 3 (bend x^2)^2 / (2 (1 + width^2)) + const.: the others are normal a priori too.
    """
    problem = Problem(bag(4), Ridge(bend=bend, width=width))
    x = np.linspace(-8, 8, 4001)
    density = np.exp(-(x**2) / 2 - 3 * (bend * x**2) ** 2 / (2 * (1 + width**2)))
    return problem, float(np.sqrt(np.sum(x**2 * density) / np.sum(density)))
