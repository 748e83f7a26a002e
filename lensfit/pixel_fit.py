"""A fit with the source on pixels, from the optimum of a parametric one."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Imaging
from lensfit.fitters._base import FitResult, Progress, silent
from lensfit.fitters._integrated import Climb, climb
from lensfit.fitters._result import Clock, result_of
from lensfit.fitters.laplace import laplace
from lensfit.likelihood.pixels import PixelImagingLikelihood
from lensfit.pixelised.mesh import Mesh, pixel_source
from lensfit.pixelised.model import pixel_model
from lensfit.problem import Problem

FIRST_WIDTH = 0.1
"""Widths of its prior that a parameter of the mesh is first moved by; one of the mass moves by its error."""


@dataclasses.dataclass(frozen=True, eq=False)
class PixelFit:
    """What was fitted: the problem with the source on pixels, and its result."""

    problem: Problem
    result: FitResult


def fit_pixels(
    imaging: Imaging, parametric: Problem, start: FitResult, mesh: Mesh = Mesh(), *, progress: Progress = silent
) -> PixelFit:
    """Put the source of a parametric fit on pixels and go to the optimum of ln evidence.

    Args:
        imaging: what `parametric` was fitted to.
        start: its result. The mass, the mesh and its strength are refined from there; the lens light keeps its
            shape, and its amplitudes are integrated out with the source.

    Raises:
        FitError: the parametric fit shows no lensed source, or ln evidence is not finite.
    """
    clock = Clock.start()
    source = pixel_source(mesh, parametric.likelihood, start.model)
    problem = Problem(pixel_model(parametric.model, start, source), PixelImagingLikelihood.of(imaging))
    end = _ascend(problem, start, progress)
    theta = np.asarray(problem.to_theta(end.z))
    found = laplace(problem.space, problem.likelihood, theta)
    result = result_of(
        problem, theta, fitter="pixels", clock=clock, converged=True, evaluations=end.evaluations,
        gradients=end.evaluations, curvature=found,
    )
    return PixelFit(problem, result)


def _ascend(problem: Problem, start: FitResult, progress: Progress) -> Climb:
    """From the mass of an earlier result, and the middle of the priors of the mesh, to the optimum."""
    known = np.array([name in start.names for name in problem.names])
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    theta = np.array([start[n] if has else m for n, has, m in zip(problem.names, known, middle, strict=True)])
    z = np.asarray(problem.to_z(theta))
    to_z = np.linalg.inv(np.asarray(jax.jacfwd(problem.to_theta)(jnp.asarray(z))))
    mine = np.flatnonzero(known)
    theirs = [start.names.index(problem.names[k]) for k in mine]
    block = np.ix_(mine, mine)
    covariance = FIRST_WIDTH**2 * np.eye(problem.ndim)
    covariance[block] = to_z[block] @ start.covariance[np.ix_(theirs, theirs)] @ to_z[block].T
    whitening = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    return climb(problem.space, problem.likelihood, z, whitening, told=_telling(progress))


def _telling(progress: Progress) -> Callable[[float, int], None]:
    def told(height: float, evaluations: int) -> None:
        progress("source on pixels", np.nan, 0.5, f"ln posterior {height:.7g}, {evaluations} evaluations")

    return told
