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
from lensfit.model import LensModel
from lensfit.problem import Problem, log_posterior
from lensfit.pytree import pytree, replace
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
    if isinstance(likelihood, Evidence):
        there = integrated(space, likelihood, np.asarray(theta, float))
        values, given = there.values, np.asarray(there.amplitude_covariance)
    else:
        values = values_at(space, likelihood, np.asarray(theta, float))
        given = np.full(2 * [len(space.amplitudes)], np.nan)
    found = found or bend(space, likelihood, np.asarray(values.z))
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


def values_at(space: Space, likelihood: Any, theta: Any) -> Values:
    """The values at theta (n,)."""
    if isinstance(likelihood, Evidence):
        return integrated(space, likelihood, theta).values
    return _values(space, likelihood, theta)


@compiled
def _values(space: Space, likelihood: Any, theta: jax.Array) -> Values:
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
    """What holds of an evidence at a point: its values, and the covariance (K, K) of the amplitudes given theta."""

    values: Values
    amplitude_covariance: jax.Array


@compiled
def integrated(space: Space, likelihood: Any, theta: jax.Array) -> Integrated:
    """At theta (n,)."""
    model = space.build(theta)
    found, first = likelihood.solution(model), likelihood.coefficients(model)
    values = Values(z=space.to_z(theta), amplitudes=found.s[first:], log_likelihood=found.log_evidence, chi2=found.chi2)
    return Integrated(values=values, amplitude_covariance=found.covariance()[first:, first:])


@pytree
class Height:
    """The values at z (n,), ln posterior there, its slope (n,), and of an evidence the solution that they are of."""

    values: Values
    log_posterior: Any
    slope: Any
    found: Any

    @property
    def z(self) -> np.ndarray:
        """Where it is (n,)."""
        return np.asarray(self.values.z)


@compiled
def height(space: Space, likelihood: Any, z: jax.Array) -> Height:
    """At z (n,)."""
    if not isinstance(likelihood, Evidence):

        def density(z: jax.Array) -> tuple[jax.Array, Values]:
            return log_posterior(space, likelihood, z), replace(_values(space, likelihood, space.to_theta(z)), z=z)

        (value, values), slope = jax.value_and_grad(density, has_aux=True)(z)
        return Height(values=values, log_posterior=value, slope=slope, found=None)

    def evidence(z: jax.Array) -> tuple[jax.Array, Any]:
        found = likelihood.solution(space.build(space.to_theta(z)))
        return found.log_evidence - 0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi)), found

    (value, found), slope = jax.value_and_grad(evidence, has_aux=True)(z)
    first = likelihood.coefficients(space.build(space.to_theta(z)))
    values = Values(z=z, amplitudes=found.s[first:], log_likelihood=found.log_evidence, chi2=found.chi2)
    return Height(values=values, log_posterior=value, slope=slope, found=found)


@compiled
def bending(space: Space, likelihood: Any, z: jax.Array, found: Any) -> jax.Array:
    """How -ln posterior of an evidence bends (n, n) as Gauss and Newton have it, from the solution at z (n,), where no
    parameter but those of lensed light moves anything.

    How the lensed source moves with a parameter, its coefficients held, is an image; of its square that part counts
    which coefficients and amplitudes cannot make up for. What holds the source moves no light: its rows are of the
    prior alone.
    """
    model = space.build(space.to_theta(z))
    size = likelihood.coefficients(model)

    def lensed(z: jax.Array) -> tuple[jax.Array, ...]:
        return likelihood.lensed(space.build(space.to_theta(z)), found.s[:size])

    _, push = jax.linearize(lensed, z)
    return unanswered(likelihood, model, found, jax.vmap(push)(jnp.eye(len(z)))) + jnp.eye(len(z))


def unanswered(likelihood: Any, model: LensModel, found: Any, images: tuple[jax.Array, ...]) -> jax.Array:
    """Products (m, m) of what m changes of the lensed source, `images` (m, H, W) of each dataset, leave where
    coefficients and amplitudes of a solution that is found for the model answer them."""
    across, own = likelihood.products(model, images)
    across = jnp.where(found.moving[:, None], across, 0.0)
    moving = found.moving[:, None] & found.moving
    system = jnp.where(moving, found.system, jnp.diag(jnp.where(found.moving, 0.0, 1.0)))
    own = own - across.T @ jax.scipy.linalg.solve(system, across, assume_a="pos")
    return 0.5 * (own + own.T)


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
    here = height(space, likelihood, jnp.asarray(z))
    if isinstance(likelihood, Evidence) and _moves_lensed_light_alone(space):
        whitening = whitening_of(approximate_curvature(space, likelihood, here))
        evaluations = 1 + len(_holding(space))
    else:
        near = _differences(space, likelihood, here, FIRST_STEP * np.eye(len(z)))
        whitening, evaluations = near.whitening(), 1 + near.evaluations
    there = _differences(space, likelihood, here, STEP * whitening)
    return dataclasses.replace(there, evaluations=there.evaluations + evaluations)


def approximate_curvature(
    space: Space, likelihood: Evidence, here: Height, known: np.ndarray | None = None
) -> np.ndarray:
    """-ln posterior of an evidence bends like this (n, n) at a height.

    It is that of Gauss and Newton, but for what holds a source on pixels: there the slope's differences say it, or what
    is `known` (n, n) of it; and so they do of all where lens light has parameters of its own.
    """
    if not _moves_lensed_light_alone(space):
        return _differences(space, likelihood, here, FIRST_STEP * np.eye(space.ndim)).curvature
    curvature = np.array(bending(space, likelihood, jnp.asarray(here.z), here.found))
    for k in _holding(space):
        if known is None:
            step = STEP_HELD * (np.arange(space.ndim) == k)
            beyond = height(space, likelihood, jnp.asarray(here.z + step))
            curvature[k] = curvature[:, k] = -np.asarray(beyond.slope - here.slope) / STEP_HELD
        else:
            curvature[k], curvature[:, k] = known[k], known[:, k]
    return curvature


def _moves_lensed_light_alone(space: Space) -> bool:
    """Whether no parameter is one of lens light or sky."""
    return all(p.group in ("mass", "source") for p in space.parameters)


def _holding(space: Space) -> list[int]:
    """Indices of the parameters by which a source on pixels is held."""
    return [k for k, p in enumerate(space.parameters) if p.role == "regularisation"]


def _differences(space: Space, likelihood: Any, here: Height, steps: np.ndarray) -> Bend:
    """From differences over the columns of steps (n, n) about a height."""
    slopes, amplitudes = [], []
    for step in steps.T:
        ahead, behind = (height(space, likelihood, jnp.asarray(here.z + way)) for way in (step, -step))
        slopes.append(np.asarray(ahead.slope - behind.slope) / 2)
        amplitudes.append(np.asarray(ahead.values.amplitudes - behind.values.amplitudes) / 2)
    back = np.linalg.inv(steps)
    curvature = -back.T @ np.array(slopes)
    if not np.all(np.isfinite(curvature)):
        raise FitError("the curvature is not finite: ln L has no finite slope beside the optimum")
    return Bend(
        slope=-np.asarray(here.slope),
        curvature=0.5 * (curvature + curvature.T),
        amplitude_slopes=np.array(amplitudes).T @ back,
        evaluations=2 * len(steps),
    )
