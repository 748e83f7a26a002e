"""Errors from the curvature at the optimum: the normal distribution that touches the posterior there.

Of a sum of squares the curvature is that of Gauss and Newton. Elsewhere there is nothing to linearise, and what an
evidence integrates out bends with the parameters: there it comes from differences of the gradient.
"""
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.errors import FitError
from lensfit.problem import Problem, log_posterior
from lensfit.pytree import pytree
from lensfit.space import Space
from lensfit.terms import Evidence, LeastSquares

if TYPE_CHECKING:
    from lensfit.fitters.lm import Point, System


FIRST_STEP, STEP = 0.01, 0.3
"""Steps of the differences: of the first look in z, then in standard deviations of the posterior."""
STEP_HELD = 0.05
"""Step in z of the differences over what holds a source on pixels."""
WIDEST = 1.0
"""Standard deviation in z given to a direction in which the posterior does not fall: that of the prior."""


@pytree
class Values:
    """What holds at a theta: z (n,), the solved amplitudes (K,), ln L and the sum of squared residuals."""

    z: Any
    amplitudes: Any
    log_likelihood: Any
    chi2: Any


@dataclasses.dataclass(frozen=True)
class Laplace:
    """The values at theta (n,), and the covariance (n + K, n + K) of theta and the solved amplitudes.

    An amplitude that is held at zero has no error of its own: its row and column are NaN.
    """

    values: Values
    covariance: np.ndarray


@pytree
class NormalEquations:
    """-ln posterior to second order in (z, amplitudes), as Gauss and Newton have it, at a theta.

    `curvature` (n + K, n + K), `slope` (n + K,), `to_theta` (n, n) = d theta / d z, and `positive` (K,),
    whether an amplitude is kept non-negative.
    """

    values: Values
    curvature: jax.Array
    slope: jax.Array
    to_theta: jax.Array
    positive: jax.Array

    def moving(self) -> np.ndarray:
        """(n + K,) False for the amplitudes that are held at zero."""
        active = ~np.asarray(self.positive) | (np.asarray(self.values.amplitudes) > 0)
        return np.concatenate([np.ones(len(self.values.z), bool), active])

    def inverse(self) -> np.ndarray:
        """Inverse of the curvature of all that moves. Raises FitError where it is not finite."""
        moving = self.moving()
        return _inverse(np.asarray(self.curvature), moving)[np.ix_(moving, moving)]


def laplace(space: Space, likelihood: Any, theta: np.ndarray, found: Bend | None = None) -> Laplace:
    """The normal approximation of the posterior at theta (n,), prior included, amplitudes with a flat one.

    Of a likelihood that integrates its amplitudes out it is that of its evidence; where they are solved and it is no
    sum of squares, their errors are not known: NaN. found: the curvature by differences, where that is known already.
    """
    if not isinstance(likelihood, LeastSquares):
        return _of_density(space, likelihood, theta, found)
    equations = normal_equations(space, likelihood, np.asarray(theta, float))
    to_z = np.eye(len(equations.moving()))
    to_z[: space.ndim, : space.ndim] = np.linalg.inv(np.asarray(equations.to_theta))
    return Laplace(equations.values, _inverse(to_z.T @ np.asarray(equations.curvature) @ to_z, equations.moving()))


def _of_density(space: Space, likelihood: Any, theta: np.ndarray, found: Bend | None) -> Laplace:
    values = values_at(space, likelihood, np.asarray(theta, float))
    found = found or bend(space, likelihood, np.asarray(values.z))
    if isinstance(likelihood, Evidence):
        given = np.asarray(integrated(space, likelihood, np.asarray(theta, float)).amplitude_covariance)
    else:
        given = np.full(2 * [len(space.amplitudes)], np.nan)
    n, whitening = len(theta), found.whitening()
    spread = np.concatenate([np.asarray(_slopes(space, values.z)), found.amplitude_slopes]) @ whitening
    covariance = spread @ spread.T
    covariance[n:, n:] += given
    held = np.concatenate([np.zeros(n, bool), np.diag(given) == 0])
    covariance[held], covariance[:, held] = np.nan, np.nan
    return Laplace(values, covariance)


def laplace_of_solved(
    problem: Problem, space: Space, theta: np.ndarray, point: Point, system: System
) -> Laplace:
    """The same at theta (n,) of a problem, from the end of a descent in a `space` that solves more amplitudes.

    `system` is that of the point, exact. theta is the point's, but for sampled amplitudes that the
    descent held at zero and the prior does not allow there: they have no error either.
    """
    n = space.ndim
    names = [p.name for p in space.parameters + space.amplitudes]
    mine = [p.name for p in problem.space.parameters + problem.space.amplitudes]
    order = [names.index(name) for name in mine]
    stretch = np.eye(len(names))
    stretch[:n, :n] = np.linalg.inv(np.asarray(_slopes(space, point.z)))
    curvature = np.array(system.curvature)
    curvature[:n, :n] -= np.eye(n)
    curvature = (stretch.T @ curvature @ stretch)[np.ix_(order, order)]
    z = np.asarray(problem.to_z(theta))
    slopes = np.linalg.inv(np.asarray(_slopes(problem.space, z)))
    curvature[: problem.ndim, : problem.ndim] += slopes.T @ slopes
    solved = np.asarray(point.amplitudes)
    positive = space.build(point.theta).positive()
    moving = np.concatenate([np.ones(n, bool), ~positive | (solved > 0)])[order]
    given = dict(zip(problem.names, theta, strict=True))
    moved = np.array([given.get(p.name, a) for p, a in zip(space.amplitudes, solved, strict=True)]) - solved
    slope, gram = np.asarray(system.slope)[n:], np.asarray(system.curvature)[n:, n:]
    chi2 = float(point.chi2) + float(moved @ (2 * slope + gram @ moved))
    values = Values(
        z=z,
        amplitudes=np.concatenate([point.theta, solved])[order][problem.ndim :],
        log_likelihood=float(problem.likelihood.log_norm) - 0.5 * chi2,
        chi2=chi2,
    )
    return Laplace(values, _inverse(curvature, moving))


def _inverse(curvature: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """The inverse of the rows and columns flagged in moving, NaN in the others."""
    some = curvature[np.ix_(moving, moving)]
    diagonal = np.diag(some)
    if not (np.all(np.isfinite(some)) and np.all(diagonal > 0)):
        raise FitError("the curvature at the optimum is not finite: the data do not respond to every parameter")
    scale = 1 / np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(some * scale * scale[:, None])
    values = np.maximum(values, len(values) * np.finfo(float).eps * values[-1])  # two columns may be one image
    covariance = np.full(curvature.shape, np.nan)
    covariance[np.ix_(moving, moving)] = (vectors / values) @ vectors.T * scale * scale[:, None]
    return covariance


@compiled
def _slopes(space: Space, z: jax.Array) -> jax.Array:
    """d theta / d z (n, n); its inverse compiles four times faster than the derivative of the inverse map."""
    return jax.jacfwd(space.to_theta)(z)


@compiled
def values_at(space: Space, likelihood: Any, theta: jax.Array) -> Values:
    """The values at theta (n,)."""
    if isinstance(likelihood, Evidence):
        found = integrated(space, likelihood, theta)
        return Values(z=space.to_z(theta), amplitudes=found.amplitudes, log_likelihood=found.log_likelihood,
                      chi2=found.chi2)
    model = space.build(theta)
    amplitudes = likelihood.amplitudes(model) if space.amplitudes else jnp.zeros(0)
    filled = model.filled(amplitudes)
    log_likelihood = likelihood(filled)
    return Values(
        z=space.to_z(theta),
        amplitudes=amplitudes,
        log_likelihood=log_likelihood,
        chi2=-2 * (log_likelihood - likelihood.log_norm),
    )


@compiled
def normal_equations(space: Space, likelihood: Any, theta: jax.Array) -> NormalEquations:
    """The normal equations at theta (n,), its amplitudes solved."""
    z, model = space.to_z(theta), space.build(theta)
    columns = likelihood.columns(model)
    amplitudes, residuals, chi2 = likelihood.least(model, columns)

    def light(z: jax.Array) -> Any:
        return likelihood.light(space.build(space.to_theta(z)).filled(amplitudes))

    _, push = jax.linearize(light, z)
    curvature, slope = likelihood.normal(model, jax.vmap(push)(jnp.eye(space.ndim)), columns, residuals, True)
    held = jnp.zeros_like(amplitudes)
    return NormalEquations(
        values=Values(z=z, amplitudes=amplitudes, log_likelihood=likelihood.log_norm - 0.5 * chi2, chi2=chi2),
        curvature=curvature + jnp.diag(jnp.concatenate([jnp.ones_like(z), held])),
        slope=slope + jnp.concatenate([z, held]),
        to_theta=jax.jacfwd(space.to_theta)(z),
        positive=jnp.asarray(model.positive()),
    )


@pytree
class Integrated:
    """What holds at a point: ln L (an evidence), its chi2, the amplitudes (K,) and their covariance given theta."""

    log_likelihood: jax.Array
    chi2: jax.Array
    amplitudes: jax.Array
    amplitude_covariance: jax.Array


@compiled
def integrated(space: Space, likelihood: Any, theta: jax.Array) -> Integrated:
    """At theta (n,)."""
    found = likelihood.solution(space.build(theta))
    first = len(found.s) - len(space.amplitudes)
    return Integrated(
        log_likelihood=found.log_evidence,
        chi2=found.chi2,
        amplitudes=found.s[first:],
        amplitude_covariance=found.covariance()[first:, first:],
    )


@compiled
def value_and_slope(space: Space, likelihood: Any, z: jax.Array) -> tuple[Any, jax.Array]:
    """(ln posterior, amplitudes) at z (n,), and its slope (n,)."""

    def value(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        if not isinstance(likelihood, Evidence):
            return log_posterior(space, likelihood, z), values_at(space, likelihood, space.to_theta(z)).amplitudes
        model = space.build(space.to_theta(z))
        normal = -0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi))
        found = likelihood.solution(model)
        return found.log_evidence + normal, found.s[len(found.s) - len(space.amplitudes) :]

    return jax.value_and_grad(value, has_aux=True)(z)


def whitening_of(curvature: np.ndarray) -> np.ndarray:
    """W (n, n): z + W w with w standard normal is about the posterior that bends so; no wider than the prior."""
    values, vectors = np.linalg.eigh(curvature)
    return vectors / np.sqrt(np.maximum(values, WIDEST**-2))


@dataclasses.dataclass(frozen=True)
class Bend:
    """-ln posterior about z (n,): its curvature (n, n), and d amplitudes / d z (K, n). evaluations: with gradient."""

    slope: np.ndarray
    curvature: np.ndarray
    amplitude_slopes: np.ndarray
    evaluations: int

    def whitening(self) -> np.ndarray:
        """See `whitening_of`."""
        return whitening_of(self.curvature)


def bend(space: Space, likelihood: Any, z: np.ndarray) -> Bend:
    """The curvature at z (n,), from central differences over STEP standard deviations each way.

    The first look that says how far that is, is the curvature of an evidence as Gauss and Newton have it, else one from
    differences over FIRST_STEP.
    """
    if isinstance(likelihood, Evidence) and _moves_lensed_light_alone(space):
        _, slope = value_and_slope(space, likelihood, jnp.asarray(z))
        whitening = whitening_of(approximate_curvature(space, likelihood, z, np.asarray(slope)))
        evaluations = 1 + len(_holding(space))
    else:
        near = _differences(space, likelihood, z, FIRST_STEP * np.eye(len(z)))
        whitening, evaluations = near.whitening(), near.evaluations
    there = _differences(space, likelihood, z, STEP * whitening)
    return dataclasses.replace(there, evaluations=there.evaluations + evaluations)


def approximate_curvature(space: Space, likelihood: Evidence, z: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """-ln posterior of an evidence bends like this (n, n) about z (n,), as Gauss and Newton have it; slope (n,) there.

    How the lensed source moves with a parameter, its coefficients held, is an image; of its square that part counts
    which coefficients and amplitudes cannot make up for. What holds the source moves no light: there the slope's
    differences say it, and so they do of all where lens light has parameters of its own.
    """
    if not _moves_lensed_light_alone(space):
        return _differences(space, likelihood, z, FIRST_STEP * np.eye(len(z))).curvature
    curvature = np.array(_of_lensed_light(space, likelihood, jnp.asarray(z)))
    for k in _holding(space):
        _, beyond = value_and_slope(space, likelihood, jnp.asarray(z + STEP_HELD * (np.arange(len(z)) == k)))
        curvature[k] = curvature[:, k] = -(np.asarray(beyond) - slope) / STEP_HELD
    return curvature


def _moves_lensed_light_alone(space: Space) -> bool:
    """Whether no parameter is one of lens light or sky."""
    return all(p.group in ("mass", "source") for p in space.parameters)


def _holding(space: Space) -> list[int]:
    """Indices of the parameters by which a source on pixels is held."""
    return [k for k, p in enumerate(space.parameters) if p.role == "regularisation"]


@compiled
def _of_lensed_light(space: Space, likelihood: Any, z: jax.Array) -> jax.Array:
    model = space.build(space.to_theta(z))
    found = likelihood.solution(model)
    size = len(found.s) - len(space.amplitudes)
    coefficients, n = found.s[:size], len(z)

    def lensed(z: jax.Array) -> tuple[jax.Array, ...]:
        return likelihood.lensed(space.build(space.to_theta(z)), coefficients)

    _, push = jax.linearize(lensed, z)
    normal = likelihood.normal(model, jax.vmap(push)(jnp.eye(n)))
    moving = found.moving
    across = jnp.where(moving[:, None], normal.curvature[:-n, -n:], 0.0)
    system = jnp.where(moving[:, None] & moving, found.system, jnp.diag(jnp.where(moving, 0.0, 1.0)))
    own = normal.curvature[-n:, -n:] - across.T @ jax.scipy.linalg.solve(system, across, assume_a="pos")
    return 0.5 * (own + own.T) + jnp.eye(n)


def _differences(space: Space, likelihood: Any, z: np.ndarray, steps: np.ndarray) -> Bend:
    """From differences over the columns of steps (n, n)."""
    slopes, amplitudes = [], []
    for step in steps.T:
        (_, ahead), uphill = value_and_slope(space, likelihood, z + step)
        (_, behind), downhill = value_and_slope(space, likelihood, z - step)
        slopes.append(np.asarray(uphill - downhill) / 2)
        amplitudes.append(np.asarray(ahead - behind) / 2)
    _, slope = value_and_slope(space, likelihood, z)
    back = np.linalg.inv(steps)
    curvature = -back.T @ np.array(slopes)
    if not np.all(np.isfinite(curvature)):
        raise FitError("the curvature is not finite: ln L has no finite slope beside the optimum")
    return Bend(
        slope=-np.asarray(slope),
        curvature=0.5 * (curvature + curvature.T),
        amplitude_slopes=np.array(amplitudes).T @ back,
        evaluations=2 * len(z) + 1,
    )
