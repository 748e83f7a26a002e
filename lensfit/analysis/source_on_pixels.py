"""The step that puts the source of a parametric fit on pixels: model and mesh from that fit, then to the optimum of ln
evidence, with neighbouring meshes and regularisations.
"""
from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from lensfit.analysis.analysis import Analysis
from lensfit.analysis.pixel_model import (
    NAME,
    STRENGTH,
    Arcs,
    LightHeld,
    Mesh,
    extent_of,
    neighbour,
    pixel_model,
    pixel_source,
)
from lensfit.analysis.pixel_search import Reached, search
from lensfit.errors import ModelError
from lensfit.fitters.laplace import Bend, height, laplace
from lensfit.fitters.optimum import Climb, ascend, finish
from lensfit.fitters.result import Basin, Clock, FitResult, Search, Variant, result_of
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.profiles import PixelSource
from lensfit.progress import Progress
from lensfit.staged.second_source import ONE_SOURCE, TWO_SOURCES
from lensfit.terms import Evidence
from lensfit.trust import examine
from lensfit.trust.facts import AGREE

logger = logging.getLogger("lensfit")

STANDS_OUT = 5.0
"""Normalised residual from which on it is told where it is."""
BETTER = 10.0
"""Gain in ln evidence from which on a neighbouring mesh is to be asked for."""
BIAS = (
    "errors and spread leave out how the regularisation moves the mass: by up to some 2 errors where arcs are bright "
    "(docs/pixelised_sources.md, Bias)"
)
OPTIONS = {"pixels": "--mesh-pixels", "regularisation": "--regularisation"}


@dataclasses.dataclass(frozen=True)
class SourceOnPixels:
    """Put the source of a parametric fit on pixels and go to the optimum of ln evidence.

    It is looked for from several masses (`pixel_search`), then refined in mass, mesh and strength; the lens light keeps
    its shape, and its amplitudes are integrated out with the source. Then the same with another regularisation, and
    with a coarser mesh: half their range is the result's spread.
    """

    mesh: Mesh = dataclasses.field(default_factory=Mesh)

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with its source on pixels.

        Raises:
            FitError: the parametric fit shows no lensed source, or ln evidence is not finite.
            ModelError: the mesh has too few nodes.
        """
        before = (analysis.parametric or analysis).ready()
        return put_on_pixels((before,), self.mesh, progress)


def put_on_pixels(candidates: tuple[Analysis, ...], mesh: Mesh, progress: Progress) -> Analysis:
    """The one of several parametric analyses with its source on pixels from which a coarse mesh reaches the highest ln
    evidence: the light keeps the shape that it has there. Errors as `SourceOnPixels` has.

    The optimum is looked for with the light of the first; where that came to, the others' light is tried."""
    clock = Clock.start()
    mesh.check()
    first, *others = candidates
    if not isinstance(first.problem.model, LensModel):
        raise ModelError("a source on pixels is for one dataset, and these are several with names")
    progress("source on a coarse mesh", np.nan, 0.0)
    arcs = Arcs.of(first.problem.likelihood, first.fitted.model)
    coarser = Mesh(pixels=mesh.coarser().pixels, order=mesh.order)
    source, rough = (pixel_source(m, arcs, first.fitted.model) for m in (mesh, coarser))
    held = [_held(before, source) for before in candidates]
    coarse = [one.with_source(rough).bare for one in held]
    extent = lambda mass: extent_of(arcs, cast(LensModel, mass))  # noqa: E731
    found = search(coarse[0], first.fitted, extent, f"source.{NAME}")
    logger.info("source on pixels: ln posterior %.1f from %s", found.end.log_posterior, found.start.name)
    reached = [found]
    for before, problem in zip(others, coarse[1:], strict=True):
        reached.append(found.seen_by(coarse[0], problem, before.fitted))
        logger.info("source on pixels: ln posterior %.1f with other light", reached[-1].end.log_posterior)
    best = max(range(len(candidates)), key=lambda k: reached[k].rank)
    before, begun = candidates[best], _begun(held[best].whole, coarse[best], reached[best])
    result = fit_on_pixels(held[best], before.fitted, mesh, clock, progress, begun)
    asked = {f.name: getattr(mesh, f.name) for f in dataclasses.fields(mesh) if getattr(mesh, f.name) != f.default}
    section = dataclasses.replace(before.fit, source="pixels", mesh=asked or None)
    return before.changed(posed=held[best].whole, result=result, parametric=before, fit=section)


def _held(before: Analysis, source: PixelSource) -> LightHeld:
    """The problem of a source on pixels with the light of a parametric analysis of one dataset."""
    model = pixel_model(cast(LensModel, before.problem.model), before.fitted, source)
    return LightHeld.of(Problem(model, before.observation.term(model)))


def _begun(problem: Problem, coarse: Problem, reached: Reached) -> Begun:
    """Where the problem begins, from what was reached on a coarse mesh."""
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))

    def there(end: Climb) -> np.ndarray:
        values = dict(zip(coarse.names, np.asarray(coarse.to_theta(end.z)).tolist(), strict=True))
        values.pop(STRENGTH)  # it means another thing on another mesh
        return np.array([values.get(name, m) for name, m in zip(problem.names, middle, strict=True)])

    basins = tuple(Basin(there(end), -2 * end.log_posterior) for end in (reached.end, *reached.ends))
    return Begun(basins[0].theta, reached.near, Search(basins, there(reached.other)))


@dataclasses.dataclass(frozen=True, eq=False)
class Begun:
    """Where a source on pixels begins: theta (n,), the term that follows rays only where they may be lensed source, and
    what the searches on the coarse mesh found."""

    theta: np.ndarray
    near: Evidence
    search: Search


def fit_on_pixels(
    held: LightHeld, start: FitResult, mesh: Mesh, clock: Clock, progress: Progress, begun: Begun
) -> FitResult:
    """The optimum of ln evidence near where it is begun, with errors, spread and trust; start is the parametric result.
    """
    problem, bare = held.whole, held.bare
    end, found, near = optimum_of(bare, begun.theta, begun.near, _part(progress, "source on pixels", 0.3))
    theta = np.asarray(problem.to_theta(end.z))
    progress("errors", np.nan, 0.5)
    first = result_of(
        problem, theta, fitter="pixels", clock=clock, converged=end.arrived, evaluations=end.evaluations,
        gradients=end.evaluations, curvature=held.of_whole(laplace(bare.space, bare.likelihood, theta, found)),
    )  # fmt: skip
    first = dataclasses.replace(first, search=_on_fine_mesh(problem, begun, theta))
    found = problem.reconstruct(theta)
    radius = einstein_radius_of(start.model.only(), whole_field(problem.likelihood.grids[0]))
    told = f"parametric fit: Einstein radius {radius:.4f} arcsec, chi2 {start.chi2:.1f}"
    variants, others = _neighbours(held, near, first, found, mesh, progress)
    variants = (*variants, *_profiles(start))
    notes = (told, *start.notes, *describe_residuals(problem.likelihood, found), *others, BIAS)
    height = first.log_likelihood + float(problem.log_prior(theta))
    width = 0.5 * (problem.ndim * np.log(2 * np.pi) + float(np.linalg.slogdet(first.covariance)[1]))
    result = dataclasses.replace(
        first, log_evidence=height + width, variants=variants,
        notes=(*first.notes, *notes), seconds=time.perf_counter() - clock.wall,
        cpu_seconds=time.process_time() - clock.cpu,
    )  # fmt: skip
    return examine(problem, result, parametric=start)


def _on_fine_mesh(problem: Problem, begun: Begun, theta: np.ndarray) -> Search:
    """What was found on the coarse mesh, the best end at theta (n,) of the fine one; so is the other search's where
    both ended at one place there."""
    field, coarse = whole_field(problem.likelihood.grids[0]), begun.search
    here, there = (einstein_radius_of(problem.space.build(z).only(), field) for z in (begun.theta, coarse.other))
    basins = (dataclasses.replace(coarse.basins[0], theta=theta), *coarse.basins[1:])
    return Search(basins, theta if abs(there / here - 1) < AGREE else coarse.other)


def beside(problem: Problem, start: FitResult) -> np.ndarray:
    """theta (n,) of an earlier result, what it does not have in the middle of its prior."""
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    return np.array([start[n] if n in start.names else m for n, m in zip(problem.names, middle, strict=True)])


def optimum_of(
    problem: Problem, theta: np.ndarray, near: Evidence, told: Callable[[float, int], None]
) -> tuple[Climb, Bend, Evidence]:
    """The optimum that Newton's steps reach from theta (n,), the curvature there, and the term that it is of: all rays
    are followed if some that `near` leaves out have come to end on the mesh."""
    whole, space = cast(Evidence, problem.likelihood), problem.space
    end, found = finish(space, near, ascend(space, near, np.asarray(problem.to_z(theta)), told=told))
    if not _all_followed(near, whole, problem, end):
        near = whole
        end, found = finish(space, near, ascend(space, near, end.z, told=told))
    return end, found, near


def _all_followed(near: Evidence, whole: Evidence, problem: Problem, end: Climb) -> bool:
    """Whether the term follows all the rays that end on the mesh."""
    model = problem.space.build(problem.to_theta(end.z))
    pairs = zip(near.reach(model, 1.0), whole.reach(model, 1.0), strict=True)
    return all(np.array_equal(followed, every) for followed, every in pairs)


def _neighbours(
    held: LightHeld, near: Evidence, first: FitResult, found: Reconstruction, mesh: Mesh, progress: Progress
) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
    """The fit and its refits with another regularisation and a coarser mesh; a note on what fits far better."""
    other_kind = "curvature" if mesh.regularisation == "gradient" else "gradient"
    meshes = {
        f"{other_kind} regularisation": dataclasses.replace(mesh, regularisation=other_kind),
        "coarser mesh": mesh.coarser(),
    }
    base, notes = held.whole.model.pixels()[NAME], []
    variants = [_variant("as fitted", held.whole, first.theta, first.chi2, first.model)]
    for number, (name, changed) in enumerate(meshes.items()):
        source, strength = neighbour(base, changed, found)
        other = held.with_source(source)
        theta = np.where([n == STRENGTH for n in other.whole.names], strength, beside(other.whole, first))
        told = _part(progress, name, 0.5 + 0.25 * number)
        end = ascend(other.bare.space, near, np.asarray(other.bare.to_z(theta)), told=told)
        every = cast(Evidence, other.bare.likelihood)
        if not _all_followed(near, every, other.bare, end):
            end, near = ascend(other.bare.space, every, end.z, told=told), every
        theta = np.asarray(other.whole.to_theta(end.z))
        values = height(other.bare.space, near, jnp.asarray(end.z)).values
        amplitudes = np.asarray(values.amplitudes)[held.places]
        model = other.whole.space.build(jnp.asarray(theta)).filled(amplitudes)
        variants.append(_variant(name, other.whole, theta, float(values.chi2), model))
        gain = float(values.log_likelihood) - first.log_likelihood
        notes.append(describe_neighbour(name, gain, mesh, changed))
    return tuple(variants), tuple(notes)


def _variant(name: str, problem: Problem, theta: np.ndarray, chi2: float, model: LensModel) -> Variant:
    """Mass and place of the mesh: strengths of different meshes and regularisations mean different things."""
    asked = [p.role != "regularisation" for p in problem.space.parameters]
    named = zip(problem.names, theta.tolist(), asked, strict=True)
    return Variant(name, chi2, {key: value for key, value, has in named if has}, True, model)


def _profiles(start: FitResult) -> tuple[Variant, ...]:
    """The parametric fit that a source on pixels began at, and the same with another number of sources, as neighbours
    of it."""
    said = {"as fitted": "profiles", TWO_SOURCES: "profiles, two sources", ONE_SOURCE: "profiles, one source"}
    found = []
    for variant in start.variants:
        mass = {name: value for name, value in variant.values.items() if name.startswith("mass.")}
        if variant.name in said:
            found.append(dataclasses.replace(variant, name=said[variant.name], values=mass))
    return tuple(found)


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
