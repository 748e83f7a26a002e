"""The step that puts the source on pixels, from the optimum of a parametric fit."""
from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.analysis.analysis import Analysis
from lensfit.analysis.pixel_model import NAME, Arcs, Mesh, neighbour, pixel_model, pixel_source
from lensfit.errors import ModelError
from lensfit.fitters.laplace import laplace, values_at
from lensfit.fitters.optimum import Climb, climb
from lensfit.fitters.result import Clock, FitResult, Variant, result_of
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.progress import Progress
from lensfit.pytree import replace
from lensfit.trust import examine

FIRST_WIDTH = 0.1
"""Widths of its prior that a parameter of the mesh is first moved by; one of the mass moves by its error."""
FINER = 1.25
"""Nodes along a side of the neighbouring mesh, over those of the mesh."""
STANDS_OUT = 5.0
"""Normalised residual from which on it is told where it is."""
BETTER = 10.0
"""Gain in ln evidence from which on a neighbouring mesh is to be asked for."""
BIAS = (
    "errors and spread leave out how the regularisation moves the mass: by up to some 2 errors where arcs are bright "
    "(docs/pixelised_sources.md, Bias)"
)
OPTIONS = {"pixels": "--mesh-pixels", "regularisation": "--regularisation"}
STRENGTH = f"source.{NAME}.strength"


@dataclasses.dataclass(frozen=True)
class SourceOnPixels:
    """Put the source of a parametric fit on pixels and go to the optimum of ln evidence.

    The mass, the mesh and its strength are refined from there; the lens light keeps its shape, and its amplitudes
    are integrated out with the source. Then the same with another regularisation, and with a finer mesh: half their
    range is the result's spread.
    """

    mesh: Mesh = dataclasses.field(default_factory=Mesh)

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with its source on pixels.

        Raises:
            FitError: the parametric fit shows no lensed source, or ln evidence is not finite.
            ModelError: the mesh has too few nodes.
        """
        clock, mesh = Clock.start(), self.mesh
        mesh.check()
        before = (analysis.parametric or analysis).ready()
        start, parametric = before.fitted, before.problem
        if not isinstance(parametric.model, LensModel):
            raise ModelError("a source on pixels is for one dataset, and these are several with names")
        progress("source on pixels", np.nan, 0.0)
        source = pixel_source(mesh, Arcs.of(parametric.likelihood, start.model), start.model)
        model = pixel_model(parametric.model, start, source)
        problem = Problem(model, before.observation.term(model))
        result = fit_on_pixels(problem, start, mesh, clock, progress)
        asked = {f.name: getattr(mesh, f.name) for f in dataclasses.fields(mesh) if getattr(mesh, f.name) != f.default}
        section = dataclasses.replace(analysis.fit, source="pixels", mesh=asked or None)
        return before.changed(posed=problem, result=result, parametric=before, fit=section)


def fit_on_pixels(
    problem: Problem, start: FitResult, mesh: Mesh, clock: Clock, progress: Progress
) -> FitResult:
    """The optimum of ln evidence near a parametric result, with errors, spread and trust."""
    end = ascend(problem, start, _part(progress, "source on pixels", 0.1))
    theta = np.asarray(problem.to_theta(end.z))
    progress("errors", np.nan, 0.4)
    first = result_of(
        problem, theta, fitter="pixels", clock=clock, converged=end.arrived, evaluations=end.evaluations,
        gradients=end.evaluations, curvature=laplace(problem.space, problem.likelihood, theta),
    )  # fmt: skip
    found = problem.reconstruct(theta)
    radius = einstein_radius_of(start.model.only(), whole_field(problem.likelihood.grids[0]))
    begun = f"parametric fit: Einstein radius {radius:.4f} arcsec, chi2 {start.chi2:.1f}"
    variants, others = _neighbours(problem, first, found, mesh, progress)
    notes = (begun, *describe_residuals(problem.likelihood, found), *others, BIAS)
    height = first.log_likelihood + float(problem.log_prior(theta))
    width = 0.5 * (problem.ndim * np.log(2 * np.pi) + float(np.linalg.slogdet(first.covariance)[1]))
    result = dataclasses.replace(
        first, log_evidence=height + width, variants=variants,
        notes=(*first.notes, *notes), seconds=time.perf_counter() - clock.wall,
        cpu_seconds=time.process_time() - clock.cpu,
    )  # fmt: skip
    return examine(problem, result, parametric=start)


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


def describe_neighbour(name: str, gain: float, mesh: Mesh, changed: Mesh) -> str:
    """What another mesh does to ln evidence, and how to have it."""
    told = f"{name}: ln evidence {gain:+.1f} from the fit's"
    if not gain >= BETTER:
        return told
    was, new = (dataclasses.asdict(m) for m in (mesh, changed))
    asked = [f"{OPTIONS[key]} {value}" for key, value in new.items() if value != was[key]]
    return f"{told}, {' '.join(asked)} asks for it"


def describe_residuals(likelihood: Any, found: Reconstruction) -> list[str]:
    """Where each dataset has its largest residual, if it stands out."""
    notes = []
    for number, (grid, seen) in enumerate(zip(likelihood.grids, found.seen, strict=True)):
        left = -np.asarray(seen.residuals)
        place = np.unravel_index(np.argmax(np.abs(left)), left.shape)
        if abs(left[place]) > STANDS_OUT:
            x, y = (float(np.asarray(axis)[place]) for axis in grid.coordinates())
            of = f" of dataset {number + 1}" if len(found.seen) > 1 else ""
            notes.append(f"largest residual{of}: {left[place]:+.1f} sigma at ({x:.2f}, {y:.2f}) arcsec")
    return notes
