"""Climb and curvature where the likelihood is an evidence: it has a gradient, and no residuals to linearise.

Whatever the likelihood integrates out bends with the parameters, so the curvature comes from differences of
the gradient.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from lensfit.errors import FitError
from lensfit.pytree import pytree
from lensfit.space import Space

FIRST_STEP, STEP = 0.01, 0.3
"""Steps of the differences: of the first look in z, then in standard deviations of the posterior."""
WIDEST = 1.0
"""Standard deviation in z given to a direction in which the posterior does not fall: that of the prior."""
MEMORY = 20
"""Gradients that shape a step of the climb."""
SMALL_GAIN = 0.01
"""Gain in ln posterior over PATIENCE steps that is none."""
PATIENCE = 5
TRIES = 3
"""How often the climb begins once more."""

Told = Callable[[float, int], None]


@pytree
class Integrated:
    """What holds at a point: ln L (an evidence), its chi2, the amplitudes (K,) and their covariance given theta."""

    log_likelihood: jax.Array
    chi2: jax.Array
    amplitudes: jax.Array
    amplitude_covariance: jax.Array


@jax.jit
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


@jax.jit
def _value_and_slope(space: Space, likelihood: Any, z: jax.Array) -> tuple[Any, jax.Array]:
    """(ln posterior, amplitudes) at z (n,), and its slope (n,)."""

    def value(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        model = space.build(space.to_theta(z))
        normal = -0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi))
        found = likelihood.solution(model)
        return found.log_evidence + normal, found.s[len(found.s) - len(space.amplitudes) :]

    return jax.value_and_grad(value, has_aux=True)(z)


@dataclasses.dataclass(frozen=True)
class Bend:
    """-ln posterior about z (n,): its curvature (n, n), and d amplitudes / d z (K, n). evaluations: with gradient."""

    slope: np.ndarray
    curvature: np.ndarray
    amplitude_slopes: np.ndarray
    evaluations: int

    def whitening(self) -> np.ndarray:
        """W (n, n): z + W w with w standard normal is about the posterior; no wider than the prior."""
        values, vectors = np.linalg.eigh(self.curvature)
        return vectors / np.sqrt(np.maximum(values, WIDEST**-2))


def bend(space: Space, likelihood: Any, z: np.ndarray) -> Bend:
    """The curvature at z (n,), from central differences over STEP standard deviations each way."""
    near = _differences(space, likelihood, z, FIRST_STEP * np.eye(len(z)))
    return _differences(space, likelihood, z, STEP * near.whitening())


def _differences(space: Space, likelihood: Any, z: np.ndarray, steps: np.ndarray) -> Bend:
    """From differences over the columns of steps (n, n)."""
    slopes, amplitudes = [], []
    for step in steps.T:
        (_, ahead), uphill = _value_and_slope(space, likelihood, jnp.asarray(z + step))
        (_, behind), downhill = _value_and_slope(space, likelihood, jnp.asarray(z - step))
        slopes.append(np.asarray(uphill - downhill) / 2)
        amplitudes.append(np.asarray(ahead - behind) / 2)
    _, slope = _value_and_slope(space, likelihood, jnp.asarray(z))
    back = np.linalg.inv(steps)
    curvature = -back.T @ np.array(slopes)
    if not np.all(np.isfinite(curvature)):
        raise FitError("the curvature is not finite: ln evidence has no finite slope beside the optimum")
    return Bend(
        slope=-np.asarray(slope),
        curvature=0.5 * (curvature + curvature.T),
        amplitude_slopes=np.array(amplitudes).T @ back,
        evaluations=2 * len(z) + 1,
    )


@dataclasses.dataclass(frozen=True)
class Climb:
    """Where a climb ended: z (n,), ln posterior there, what it took, and whether the last steps gained nothing."""

    z: np.ndarray
    log_posterior: float
    evaluations: int
    arrived: bool


def climb(
    space: Space, likelihood: Any, z: np.ndarray, whitening: np.ndarray, most: int = 200, told: Told = lambda *_: None
) -> Climb:
    """From z (n,) to the nearest maximum of ln posterior by L-BFGS in w, z + W w with `whitening` W (n, n).

    It begins once more where a line search gives up: where an amplitude reaches zero the slope has a small step.
    told(ln posterior, evaluations) is called at each of at most `most` steps.

    Raises:
        FitError: ln posterior is not finite at z.
    """
    ascent = _Ascent(space, likelihood, z, whitening, told)
    if not np.isfinite(ascent.depth(ascent.best)[0]):
        raise FitError("ln evidence or the prior is not finite at the start; start from elsewhere")
    options = {"maxcor": MEMORY, "maxiter": most, "gtol": 1e-3, "ftol": 0.0}
    arrived = False
    for _ in range(TRIES):
        end = minimize(ascent.depth, ascent.best, jac=True, method="L-BFGS-B", callback=ascent.step, options=options)
        arrived = bool(end.success) or ascent.arrived
        if arrived:
            break
    return Climb(z + whitening @ ascent.best, ascent.height, ascent.evaluations, arrived)


class _Ascent:
    """ln posterior as the optimiser of scipy asks for it; remembers the best point."""

    def __init__(self, space: Space, likelihood: Any, z: np.ndarray, whitening: np.ndarray, told: Told) -> None:
        self.space, self.likelihood, self.z, self.whitening, self.told = space, likelihood, z, whitening, told
        self.best, self.height, self.evaluations = np.zeros(len(z)), -np.inf, 0
        self.heights: list[float] = []

    @property
    def arrived(self) -> bool:
        """Whether the last steps gained nothing."""
        return len(self.heights) > PATIENCE and self.heights[-1] - self.heights[-1 - PATIENCE] < SMALL_GAIN

    def depth(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """-ln posterior at w (n,) and its slope (n,)."""
        (value, _), slope = _value_and_slope(self.space, self.likelihood, jnp.asarray(self.z + self.whitening @ w))
        self.evaluations += 1
        if not (np.isfinite(value) and np.all(np.isfinite(slope))):
            return np.inf, np.zeros(len(w))
        if value > self.height:
            self.best, self.height = np.array(w), float(value)
        return -float(value), -self.whitening.T @ np.asarray(slope)

    def step(self, _: Any) -> None:
        """After a step of the optimiser: end it where nothing is gained any more."""
        self.heights.append(self.height)
        self.told(self.height, self.evaluations)
        if self.arrived:
            raise StopIteration
