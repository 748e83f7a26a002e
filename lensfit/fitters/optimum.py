"""The optimum of the posterior in z and the normal distribution that touches it there: where a sampler begins."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.calls import drawable, undefined
from lensfit.fitters.laplace import (
    Bend,
    Height,
    NormalEquations,
    approximate_curvature,
    bend,
    height,
    normal_equations,
)
from lensfit.problem import Problem
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.terms import Evidence, LeastSquares

STEPS = 50
"""Gauss-Newton steps to the optimum at most."""
ARRIVED = 1e-4
"""Gain in ln posterior that one more step may promise at the optimum: a hundredth of a standard deviation."""
STALLED, RISE = 10, 0.5
"""Steps, and what ln posterior must gain in them for the climb to go on."""
HALVINGS = 20
"""How often a step that does not help is halved."""
MEMORY = 20
"""Gradients that shape a step of the climb."""
SMALL_GAIN = 0.01
"""Gain in ln posterior over PATIENCE steps that is none."""
PATIENCE = 5
FAST, NEAR, SMALL = 10.0, 0.2, 0.05
"""Gain in ln posterior of a damped Newton step from which on another one follows; what a quasi-Newton step promises
where an ascent ends, and one with the exact curvature where the optimum is reached: a third of a standard deviation."""
ROUNDS, FINISHING = 5, 80
"""How often the exact curvature is taken, and quasi-Newton steps between, at most."""
FIRST_RADIUS, SHORTEST, LEAST_BEND = 1.0, 0.003, 0.1
"""Length of the first of these at most [standard deviations by Gauss and Newton], below which they end, and the share
of the curvature that is left along a step at least."""
FIRST_DAMPING, LONGEST = 0.1, 1.0
"""Damping of its first step, and the longest step of one number [widths of its prior]."""
LOOK_AGAIN = 0.5
"""Move [widths of a prior] of any number from which on it is looked again at how what holds the source bends ln
posterior."""
TRIES = 3
"""How often the climb begins once more."""

Told = Callable[[float, int], None]


@dataclasses.dataclass(frozen=True)
class Optimum:
    """The highest point of the posterior density of z: theta and z (n,), ln posterior, covariance (n, n) of z.

    The covariance is that of the curvature (Gauss-Newton, the prior included), solved amplitudes free.
    evaluations: of ln L with its derivatives. promise: what one more step should gain by slope and curvature.

    Where a sub-pixel meets the steep centre of a source the density has a cusp, a narrow one and less than 1 high:
    the slope promises much there and no step gains it. Across the cusp one combination of the numbers comes out
    far too narrow; the errors of single numbers are hardly touched unless one of them lies along it.
    """

    theta: np.ndarray
    z: np.ndarray
    log_posterior: float
    covariance: np.ndarray
    evaluations: int
    promise: float

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of it in a result."""
        if self.promise < 100 * ARRIVED:
            return ()
        return (f"the optimum is a cusp: by its slope ln posterior should rise by {self.promise:.2g}, but it does not",)


def optimum(problem: Problem, theta: np.ndarray) -> Optimum:
    """Climb from theta (n,) to the nearest optimum in z: by damped Gauss-Newton steps, L-BFGS where nothing is linear.

    Raises:
        FitError: ln L or the prior is not finite at theta, ln L is NaN on the way, or no optimum is reached.
    """
    if not isinstance(problem.likelihood, LeastSquares):
        return _by_gradient(problem, np.asarray(problem.to_z(theta)))
    here = equations_at(problem, np.asarray(problem.to_z(theta)))
    if not np.isfinite(height_of(here)):
        raise FitError("the start is outside the prior, or ln L is not finite there; start from elsewhere")
    evaluations, heights = 1, [height_of(here)]
    while True:
        inverse, moving = here.inverse(), here.moving()
        slope = np.asarray(here.slope)[moving]
        step = -(inverse @ slope)[: problem.ndim]
        promise = 0.5 * float(slope @ inverse @ slope)
        if promise < ARRIVED or (len(heights) > STALLED and heights[-1] - heights[-1 - STALLED] < RISE):
            break
        if len(heights) > STEPS:
            raise FitError(
                f"no optimum near the start: ln posterior could still rise by {promise:.2g} after {evaluations} "
                "evaluations; start from the result of a fitter that has converged"
            )
        there, tried = _uphill(problem, here, step)
        evaluations += tried
        if there is here:
            break
        here = there
        heights.append(height_of(here))
    z = np.asarray(here.values.z)
    covariance = inverse[: problem.ndim, : problem.ndim]
    symmetric = 0.5 * (covariance + covariance.T)
    return Optimum(np.asarray(problem.to_theta(z)), z, height_of(here), symmetric, evaluations, promise)


def _by_gradient(problem: Problem, z: np.ndarray) -> Optimum:
    space, likelihood = problem.space, problem.likelihood
    if isinstance(likelihood, Evidence):
        end, there = finish(space, likelihood, ascend(space, likelihood, z))
        evaluations = end.evaluations
    else:
        first = bend(space, likelihood, z)
        end = climb(space, likelihood, z, first.whitening())
        there = bend(space, likelihood, end.z)
        evaluations = first.evaluations + end.evaluations + there.evaluations
    whitening = there.whitening()
    covariance = whitening @ whitening.T
    promise = 0.5 * float(there.slope @ covariance @ there.slope)
    return Optimum(np.asarray(problem.to_theta(end.z)), end.z, end.log_posterior, covariance, evaluations, promise)


def _uphill(problem: Problem, here: NormalEquations, step: np.ndarray) -> tuple[NormalEquations, int]:
    """The first point of the halved steps that lies higher, `here` if none does, and how many were tried."""
    for halvings in range(HALVINGS):
        z = np.asarray(here.values.z) + 0.5**halvings * step
        there = equations_at(problem, z)
        if np.isnan(height_of(there)) and drawable(z):
            raise undefined(problem.names, problem.to_theta(z))
        if height_of(there) > height_of(here):
            return there, halvings + 1
    return here, HALVINGS


def equations_at(problem: Problem, z: np.ndarray) -> NormalEquations:
    """The normal equations of least squares at z (n,)."""
    return normal_equations(problem.space, problem.likelihood, jnp.asarray(problem.to_theta(z)))


def height_of(at: NormalEquations) -> float:
    """ln posterior of z."""
    z = np.asarray(at.values.z)
    return float(at.values.log_likelihood) - 0.5 * float(z @ z) - 0.5 * len(z) * np.log(2 * np.pi)


@dataclasses.dataclass(frozen=True)
class Climb:
    """Where a climb ended: z (n,), ln posterior there, what it took, whether the last steps gained nothing, and about
    the curvature (n, n) there, where it is known."""

    z: np.ndarray
    log_posterior: float
    evaluations: int
    arrived: bool
    curvature: np.ndarray | None = None


def ascend(
    space: Space, likelihood: Evidence, z: np.ndarray, most: int = STEPS, told: Told = lambda *_: None,
    curvature: np.ndarray | None = None,
) -> Climb:
    """From z (n,) towards the nearest maximum of the ln posterior of an evidence: by damped Newton steps while these
    gain much, the slope exact, the curvature that of Gauss and Newton, at most so many; then by quasi-Newton steps, of
    which two are tried for each that is left. Where the curvature (n, n) is known from a like problem these are all.

    It has arrived where one more step promises little; `finish` goes on from there with the exact curvature.
    told(ln posterior, evaluations) is called at each step; evaluations count values with their slope.

    Raises:
        FitError: ln posterior is not finite at z, or it or its slope is NaN on the way.
    """
    here = _at(space, likelihood, z)
    if not np.isfinite(here.log_posterior):
        raise FitError("ln L or the prior is not finite at the start; start from elsewhere")
    steps, evaluations = 0, 1
    if curvature is None:
        here, curvature, steps, tried = _by_damped_steps(space, likelihood, here, most, told)
        evaluations += tried
    more = 2 * (most - steps)
    path = _by_steps(space, likelihood, here, curvature, NEAR, more, lambda top, tried: told(top, evaluations + tried))
    return Climb(path.here.z, path.here.log_posterior, evaluations + path.tried, path.promise < NEAR, path.curvature)


def _by_damped_steps(
    space: Space, likelihood: Evidence, here: Height, most: int, told: Told
) -> tuple[Height, np.ndarray, int, int]:
    """Damped Newton steps until one gains less than FAST, or so many: where they end, the curvature (n, n) there or,
    after so many, one step before, how many they were, and how many were tried."""
    known, looked_at = None, here.z
    damping, steps, evaluations, gain = FIRST_DAMPING, 0, 0, np.inf
    while True:
        fresh = known is None or float(np.max(np.abs(here.z - looked_at))) > LOOK_AGAIN
        curvature = approximate_curvature(space, likelihood, here, None if fresh else known)
        if fresh:
            known, looked_at = curvature, here.z
        if gain <= FAST:
            break
        there, damping, tried = _damped(space, likelihood, here, curvature, damping)
        evaluations += tried
        if there is None:
            break
        gain = there.log_posterior - here.log_posterior
        here, steps = there, steps + 1
        told(here.log_posterior, 1 + evaluations)
        if steps >= most:
            break
    return here, curvature, steps, evaluations


def _damped(
    space: Space, likelihood: Any, here: Height, curvature: np.ndarray, damping: float
) -> tuple[Height | None, float, int]:
    """The first end of steps with more and more damping that lies higher, None where none does; the damping of the next
    step, and how many were tried."""
    values, vectors = np.linalg.eigh(curvature)
    values, along = np.maximum(values, 1.0), vectors.T @ here.slope
    for tried in range(HALVINGS):
        step = vectors @ (along / (values * (1 + damping)))
        there = _at(space, likelihood, here.z + step * min(1.0, LONGEST / np.max(np.abs(step))))
        if there.log_posterior > here.log_posterior:
            return there, 0.2 * damping, tried + 1
        damping = max(4 * damping, 0.1)
    return None, damping, HALVINGS


def finish(space: Space, likelihood: Evidence, end: Climb) -> tuple[Climb, Bend]:
    """The end of an ascent taken to the optimum, and the exact curvature with the slope there.

    Quasi-Newton steps go on with the curvature that those of the ascent came to; the exact one is taken where they end.
    It has arrived where one more step by that promises less than SMALL and the density falls all around; else the steps
    go on with it, off a saddle by its lowest direction. Differences of the slope are taken over less than a standard
    deviation: where they say that the density rises, but a standard deviation either way it is lower, it is rough, and
    these heights say how it bends.
    """
    here = _at(space, likelihood, end.z)
    curvature = approximate_curvature(space, likelihood, here) if end.curvature is None else end.curvature
    evaluations = end.evaluations + 1
    for left in reversed(range(ROUNDS)):
        path = _by_steps(space, likelihood, here, curvature, 0.1 * SMALL, FINISHING)
        found = bend(space, likelihood, path.here.z)
        here, found, tried = _off_saddle(space, likelihood, path, found)
        evaluations += path.tried + found.evaluations + tried
        if _on_top(found) or not left:
            break
        curvature = found.curvature
    return Climb(path.here.z, path.here.log_posterior, evaluations, _on_top(found)), found


def _off_saddle(space: Space, likelihood: Any, path: _Path, found: Bend) -> tuple[Height, Bend, int]:
    """Where steps go on from the end of a path that bends so; the curvature, that of heights along directions in which
    both ends of a step are lower although the slope's differences say that the density rises; how many were tried.

    The steps are as long as the path's curvature says that a standard deviation is, at most that of the prior.
    """
    values, vectors = np.linalg.eigh(found.curvature)
    curvature, tried = found.curvature, 0
    for value, along in zip(values[values <= 0], vectors.T, strict=False):
        step = along / np.sqrt(max(float(along @ path.curvature @ along), 1.0))
        ends = [_at(space, likelihood, path.here.z + way) for way in (step, -step)]
        tried += len(ends)
        best = max(ends, key=lambda one: float(one.log_posterior))
        if best.log_posterior > path.here.log_posterior:
            return best, found, tried
        lower = sum(float(path.here.log_posterior - one.log_posterior) for one in ends)
        if np.isfinite(lower):
            curvature = curvature + (lower / float(step @ step) - value) * np.outer(along, along)
    return path.here, dataclasses.replace(found, curvature=curvature), tried


def _on_top(found: Bend) -> bool:
    """Whether one more step by slope and curvature promises little and the density falls all around."""
    values, vectors = np.linalg.eigh(found.curvature)
    along = vectors.T @ found.slope
    return bool(values[0] > 0) and 0.5 * float(np.sum(along**2 / np.maximum(values, 1.0))) < SMALL


@dataclasses.dataclass(frozen=True, eq=False)
class _Path:
    """Where quasi-Newton steps ended, the curvature (n, n) that they came to, what one more promises, and how many were
    tried."""

    here: Height
    curvature: np.ndarray
    promise: float
    tried: int


def _by_steps(
    space: Space, likelihood: Any, here: Height, curvature: np.ndarray, least: float, most: int,
    told: Told = lambda *_: None,
) -> _Path:
    """Quasi-Newton steps that begin with a curvature (n, n), until one promises less than `least`. The slope at the end
    of each corrects it (Broyden, Fletcher, Goldfarb, Shanno), also where it is not taken because that is lower."""
    values, vectors = np.linalg.eigh(curvature)
    curvature = metric = (vectors * np.maximum(np.abs(values), 1.0)) @ vectors.T
    radius, tried = FIRST_RADIUS, 0
    while True:
        values, vectors = np.linalg.eigh(curvature)
        step = vectors @ (vectors.T @ here.slope / np.maximum(values, 1.0))
        promise = 0.5 * float(here.slope @ step)
        if promise < least or radius < SHORTEST or tried >= most:
            return _Path(here, curvature, promise, tried)
        length = float(np.sqrt(step @ metric @ step))
        share = min(1.0, radius / length, LONGEST / float(np.max(np.abs(step))))
        step, length = share * step, share * length
        there, tried = _at(space, likelihood, here.z + step), tried + 1
        if np.isfinite(there.log_posterior):
            curvature = _corrected(curvature, step, here.slope - there.slope)
        if there.log_posterior > here.log_posterior:
            here, radius = there, max(radius, 2 * length)
            told(here.log_posterior, tried)
        else:
            radius = 0.25 * length


def _corrected(curvature: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The curvature (n, n) by which the slope of -ln posterior changes so along a step (n,), where it keeps positive:
    see Nocedal & Wright 2006, procedure 18.2."""
    along = curvature @ step
    before, now = float(step @ along), float(step @ change)
    if now < LEAST_BEND * before:
        share = (1 - LEAST_BEND) * before / (before - now)
        change = share * change + (1 - share) * along
        now = LEAST_BEND * before
    return curvature - np.outer(along, along) / before + np.outer(change, change) / now


def _at(space: Space, likelihood: Any, z: np.ndarray) -> Height:
    """ln posterior at z (n,) and its derivatives; -inf without slope where it is impossible or out of the prior.

    Raises FitError where the prior has draws and ln L or its slope is NaN.
    """
    found = height(space, likelihood, jnp.asarray(z))
    value = found.log_posterior
    if np.isfinite(value) and np.all(np.isfinite(found.slope)):
        return replace(found, log_posterior=float(value), slope=np.asarray(found.slope))
    if value != -np.inf and drawable(z):
        told = "the slope of ln L is not finite" if np.isfinite(value) else "ln L is NaN or infinite"
        raise undefined(space.names, space.to_theta(jnp.asarray(z)), told)
    return replace(found, log_posterior=-np.inf, slope=np.zeros(len(z)))


def climb(
    space: Space, likelihood: Any, z: np.ndarray, whitening: np.ndarray, most: int = 200, told: Told = lambda *_: None
) -> Climb:
    """From z (n,) to the nearest maximum of ln posterior by L-BFGS in w, z + W w with `whitening` W (n, n).

    It begins once more where a line search gives up: where an amplitude reaches zero the slope has a small step.
    told(ln posterior, evaluations) is called at each of at most `most` steps.

    Raises:
        FitError: ln posterior is not finite at z, or it or its slope is NaN on the way.
    """
    from scipy.optimize import minimize  # it takes long to load

    ascent = _Ascent(space, likelihood, z, whitening, told)
    if not np.isfinite(ascent.depth(ascent.best)[0]):
        raise FitError("ln L or the prior is not finite at the start; start from elsewhere")
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
        """-ln posterior at w (n,) and its slope (n,); a wall without slope where it is impossible or out of the prior.

        Raises FitError where the prior has draws and ln L or its slope is NaN.
        """
        there = _at(self.space, self.likelihood, self.z + self.whitening @ w)
        self.evaluations += 1
        if there.log_posterior > self.height:
            self.best, self.height = np.array(w), there.log_posterior
        return -there.log_posterior, -self.whitening.T @ there.slope

    def step(self, _: Any) -> None:
        """After a step of the optimiser: end it where nothing is gained any more."""
        self.heights.append(self.height)
        self.told(self.height, self.evaluations)
        if self.arrived:
            raise StopIteration
