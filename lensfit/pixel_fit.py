"""A fit with the source on pixels, from the optimum of a parametric one."""
from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Imaging
from lensfit.fitters.base import Progress, silent
from lensfit.fitters.laplace import laplace, values_at
from lensfit.fitters.optimum import Climb, climb
from lensfit.fitters.result import Clock, FitResult, Variant, result_of
from lensfit.lensing import Field
from lensfit.likelihood.interferometer import OVERSAMPLING
from lensfit.likelihood.joint import Observations
from lensfit.likelihood.pixel_visibilities import PixelInterferometerLikelihood
from lensfit.likelihood.pixels import PixelImagingLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.pixelised.mesh import Arcs, Mesh, neighbour, pixel_source
from lensfit.pixelised.model import NAME, pixel_model
from lensfit.pixelised.notes import BIAS, describe_neighbour, describe_residuals, describe_start
from lensfit.problem import Problem
from lensfit.pytree import replace
from lensfit.trust import examine

FIRST_WIDTH = 0.1
"""Widths of its prior that a parameter of the mesh is first moved by; one of the mass moves by its error."""
FINER = 1.25
"""Nodes along a side of the neighbouring mesh, over those of the mesh."""
STRENGTH = f"source.{NAME}.strength"


@dataclasses.dataclass(frozen=True, eq=False)
class PixelFit:
    """What was fitted: the problem with the source on pixels, and its result."""

    problem: Problem
    result: FitResult


def fit_pixels(
    observed: Imaging | Observations,
    parametric: Problem,
    start: FitResult,
    mesh: Mesh | None = None,
    *,
    progress: Progress = silent,
) -> PixelFit:
    """Put the source of a parametric fit on pixels and go to the optimum of ln evidence.

    Then the same with another regularisation, and with a finer mesh: half their range is the result's spread.

    Args:
        observed: what `parametric` was fitted to.
        start: its result. The mass, the mesh and its strength are refined from there; the lens light keeps its
            shape, and its amplitudes are integrated out with the source.
        mesh: None = `Mesh()`.

    Raises:
        FitError: the parametric fit shows no lensed source, or ln evidence is not finite.
        ModelError: the mesh has too few nodes.
    """
    clock, mesh = Clock.start(), mesh or Mesh()
    mesh.check()
    progress("source on pixels", np.nan, 0.0)
    source = pixel_source(mesh, Arcs.of(parametric.likelihood, start.model), start.model)
    problem = Problem(pixel_model(parametric.model, start, source), _likelihood(observed, parametric))
    end = ascend(problem, start, _part(progress, "source on pixels", 0.1))
    theta = np.asarray(problem.to_theta(end.z))
    progress("errors", np.nan, 0.4)
    first = result_of(
        problem, theta, fitter="pixels", clock=clock, converged=end.arrived, evaluations=end.evaluations,
        gradients=end.evaluations, curvature=laplace(problem.space, problem.likelihood, theta),
    )  # fmt: skip
    found = problem.reconstruct(theta)
    variants, others = _neighbours(problem, first, found, mesh, progress)
    field = Field.over(*problem.likelihood.grids[0].coordinates())
    notes = (describe_start(start, field), *describe_residuals(problem.likelihood, found), *others, BIAS)
    height = first.log_likelihood + float(problem.log_prior(theta))
    width = 0.5 * (problem.ndim * np.log(2 * np.pi) + float(np.linalg.slogdet(first.covariance)[1]))
    result = dataclasses.replace(
        first, log_evidence=height + width, variants=variants,
        notes=(*first.notes, *notes), seconds=time.perf_counter() - clock.wall,
        cpu_seconds=time.process_time() - clock.cpu,
    )  # fmt: skip
    return PixelFit(problem, examine(problem, result, parametric=start))


def _likelihood(observed: Imaging | Observations, parametric: Problem) -> Any:
    if isinstance(observed, Imaging):
        return PixelImagingLikelihood.of(observed)
    return PixelInterferometerLikelihood.of_likelihood(parametric.likelihood, OVERSAMPLING)


def ascend(problem: Problem, start: FitResult, told: Callable[[float, int], None] = lambda *_: None) -> Climb:
    """To the optimum, from the parameters of an earlier result and the middle of the priors of all others."""
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
    return climb(problem.space, problem.likelihood, z, whitening, told=told)


def _neighbours(
    problem: Problem, first: FitResult, found: Reconstruction, mesh: Mesh, progress: Progress
) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
    """The fit and its refits with another regularisation and a finer mesh; a note on what fits far better."""
    other = "curvature" if mesh.regularisation == "gradient" else "gradient"
    meshes = {
        f"{other} regularisation": dataclasses.replace(mesh, regularisation=other),
        "finer mesh": dataclasses.replace(mesh, pixels=round(FINER * mesh.pixels)),
    }
    base, notes = problem.model.pixels()[NAME], []
    variants = [_variant("as fitted", problem, first.theta, first.chi2, first.model)]
    for number, (name, changed) in enumerate(meshes.items()):
        source, strength = neighbour(base, changed, found)
        beside = Problem(replace(problem.model, source={NAME: source}), problem.likelihood)
        theta = np.where([n == STRENGTH for n in first.names], strength, first.theta)
        told = _part(progress, name, 0.5 + 0.25 * number)
        end = ascend(beside, dataclasses.replace(first, theta=theta), told)
        theta = np.asarray(beside.to_theta(end.z))
        values = values_at(beside.space, beside.likelihood, jnp.asarray(theta))
        model = beside.space.build(jnp.asarray(theta)).filled(values.amplitudes)
        variants.append(_variant(name, beside, theta, float(values.chi2), model))
        gain = float(values.log_likelihood) - first.log_likelihood
        notes.append(describe_neighbour(name, gain, mesh, changed))
    return tuple(variants), tuple(notes)


def _variant(name: str, problem: Problem, theta: np.ndarray, chi2: float, model: LensModel) -> Variant:
    """Mass and place of the mesh: strengths of different meshes and regularisations mean different things."""
    asked = [p.role != "regularisation" for p in problem.space.parameters]
    named = zip(problem.names, theta.tolist(), asked, strict=True)
    return Variant(name, chi2, {key: value for key, value, has in named if has}, True, model)


def _part(progress: Progress, stage: str, share: float) -> Callable[[float, int], None]:
    def told(height: float, evaluations: int) -> None:
        progress(stage, np.nan, share, f"ln posterior {height:.7g}, {evaluations} evaluations")

    return told
