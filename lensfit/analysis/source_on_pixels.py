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
    reach,
)
from lensfit.analysis.pixel_search import MARGIN, Reached, search
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
from lensfit.pytree import replace
from lensfit.staged.second_source import ONE_SOURCE, TWO_SOURCES
from lensfit.terms import Evidence
from lensfit.trust import examine
from lensfit.trust.facts import AGREE
from lensfit.trust.questions import GAP

logger = logging.getLogger("lensfit")

STANDS_OUT = 5.0
"""Normalised residual from which on it is told where it is."""
BETTER = 10.0
"""Gain in ln evidence from which on a neighbouring mesh is to be asked for."""
CLOSE, FOLLOWED = 100.0, 2
"""How much higher than the best's the score of another end on binned data may be for it to be followed on the data
themselves, and how many are."""
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
        return try_on_pixels((before,), self.mesh, progress).finished(progress)


def try_on_pixels(candidates: tuple[Analysis, ...], mesh: Mesh, progress: Progress) -> Tried:
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
    coarse = [_coarser(one.whole, rough) for one in held]
    extent = lambda mass: extent_of(arcs, cast(LensModel, mass))  # noqa: E731
    found = search(coarse[0], first.fitted, extent, f"source.{NAME}")
    logger.info("source on pixels: ln posterior %.1f from %s", found.end.log_posterior, found.start.name)
    reached = [found]
    for before, problem in zip(others, coarse[1:], strict=True):
        reached.append(found.seen_by(coarse[0], problem, before.fitted))
        logger.info("source on pixels: ln posterior %.1f with other light", reached[-1].end.log_posterior)
    best = max(range(len(candidates)), key=lambda k: reached[k].rank)
    begun = _begun(held[best], coarse[best], reached[best])
    followed = follow(held[best].bare, begun, _part(progress, "source on pixels", 0.3))
    return Tried(candidates[best], held[best], mesh, clock, followed)


@dataclasses.dataclass(frozen=True, eq=False)
class Tried:
    """A source on pixels near its optimum, without errors and neighbours yet: the parametric analysis whose light it
    has, and where ascents came to."""

    before: Analysis
    held: LightHeld
    mesh: Mesh
    clock: Clock
    followed: Followed

    @property
    def problem(self) -> Problem:
        """What is fitted."""
        return self.held.whole

    @property
    def theta(self) -> np.ndarray:
        """(n,) where the highest ascent ended."""
        return np.asarray(self.problem.to_theta(self.followed.end.z))

    def variant(self, name: str) -> Variant:
        """The fit that it would be, as a neighbour of another one."""
        return _variant(name, self.held, self.followed.near, self.followed.end.z)[0]

    def finished(self, progress: Progress) -> Analysis:
        """The analysis with its source on pixels, at the optimum."""
        result = fit_on_pixels(self.held, self.before.fitted, self.mesh, self.clock, progress, self.followed)
        fields = dataclasses.fields(self.mesh)
        asked = {f.name: getattr(self.mesh, f.name) for f in fields if getattr(self.mesh, f.name) != f.default}
        section = dataclasses.replace(self.before.fit, source="pixels", mesh=asked or None)
        return self.before.changed(posed=self.problem, result=result, parametric=self.before, fit=section)


def _held(before: Analysis, source: PixelSource) -> LightHeld:
    """The problem of a source on pixels with the light of a parametric analysis of one dataset."""
    model = pixel_model(cast(LensModel, before.problem.model), before.fitted, source)
    return LightHeld.of(Problem(model, before.observation.term(model)))


def _coarser(problem: Problem, source: PixelSource) -> Problem:
    """The problem of a search: on binned data and another mesh, light held."""
    model = replace(problem.model, source={NAME: source})
    return LightHeld.of(Problem(model, cast(Evidence, problem.likelihood).coarser())).bare


def _begun(held: LightHeld, coarse: Problem, reached: Reached) -> Begun:
    """Where the problem begins, from what was reached on a coarse mesh."""
    problem = held.whole
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))

    def there(end: Climb) -> np.ndarray:
        values = dict(zip(coarse.names, np.asarray(coarse.to_theta(end.z)).tolist(), strict=True))
        values.pop(STRENGTH)  # it means another thing on another mesh
        return np.array([values.get(name, m) for name, m in zip(problem.names, middle, strict=True)])

    ends = (reached.end, *sorted(reached.ends, key=lambda end: -end.log_posterior))
    basins = tuple(Basin(there(end), -2 * end.log_posterior) for end in ends)
    return Begun(_near(held.bare, basins[0].theta), Search(basins, there(reached.other)))


def _near(problem: Problem, theta: np.ndarray) -> Evidence:
    """The term that follows only rays which may be lensed source at theta (n,)."""
    every = cast(Evidence, problem.likelihood)
    return every.within(*reach(problem, every, theta, MARGIN))


@dataclasses.dataclass(frozen=True, eq=False)
class Begun:
    """Where a source on pixels begins: what the searches on binned data and a coarse mesh found, and the term that
    follows rays only where they may be lensed source at the best of it."""

    near: Evidence
    search: Search


def fit_on_pixels(
    held: LightHeld, start: FitResult, mesh: Mesh, clock: Clock, progress: Progress, followed: Followed
) -> FitResult:
    """The optimum of ln evidence where ascents came to, with errors, spread and trust; start is the parametric result.
    """
    problem, bare = held.whole, held.bare
    settled = settle(bare, followed, _part(progress, "source on pixels", 0.4))
    end = settled.end
    theta = np.asarray(problem.to_theta(end.z))
    progress("errors", np.nan, 0.5)
    curvature = held.of_whole(laplace(bare.space, bare.likelihood, theta, settled.curvature))
    first = result_of(
        problem, theta, fitter="pixels", clock=clock, converged=end.arrived, evaluations=end.evaluations,
        gradients=end.evaluations, curvature=curvature,
    )  # fmt: skip
    first = dataclasses.replace(first, search=settled.search)
    found = problem.reconstruct(theta)
    radius = einstein_radius_of(start.model.only(), whole_field(problem.likelihood.grids[0]))
    told = f"parametric fit: Einstein radius {radius:.4f} arcsec, chi2 {start.chi2:.1f}"
    variants, others = _neighbours(held, settled.near, first, found, mesh, progress)
    variants = (*variants, *as_high(held, settled), *_profiles(start))
    notes = (told, *start.notes, *describe_residuals(problem.likelihood, found), *others)
    height = first.log_likelihood + float(problem.log_prior(theta))
    width = 0.5 * (problem.ndim * np.log(2 * np.pi) + float(np.linalg.slogdet(first.covariance)[1]))
    result = dataclasses.replace(
        first, log_evidence=height + width, variants=variants,
        notes=(*first.notes, *notes), seconds=time.perf_counter() - clock.wall,
        cpu_seconds=time.process_time() - clock.cpu,
    )  # fmt: skip
    return examine(problem, result, parametric=start)


def beside(problem: Problem, start: FitResult) -> np.ndarray:
    """theta (n,) of an earlier result, what it does not have in the middle of its prior."""
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    return np.array([start[n] if n in start.names else m for n, m in zip(problem.names, middle, strict=True)])


@dataclasses.dataclass(frozen=True, eq=False)
class Settled:
    """Where ascents on the data themselves came to: the optimum, how ln posterior bends there, the term that this is
    of, what the search found, and theta (n,) of other optima that are as high."""

    end: Climb
    curvature: Bend
    near: Evidence
    search: Search
    alike: tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Followed:
    """Where ascents on the data themselves came to, from the best of a search and from others that are `close` to it.

    starts: theta (n,). ends, nears: where each came to, and the term that followed its rays. best: the number of the
    highest; the end of the other search, which may be one that is not right, is none of these unless it is close.
    """

    begun: Begun
    close: list[Basin]
    starts: list[np.ndarray]
    ends: list[Climb]
    nears: list[Evidence]
    best: int

    @property
    def end(self) -> Climb:
        """The highest."""
        return self.ends[self.best]

    @property
    def near(self) -> Evidence:
        """The term of the highest."""
        return self.nears[self.best]


def follow(problem: Problem, begun: Begun, told: Callable[[float, int], None]) -> Followed:
    """Ascents on the data themselves from the ends of a search on binned data.

    There two places can look alike that the data tell apart: of the ends, those elsewhere and not much lower are
    followed too, and that of the other search.
    """
    first, *others = begun.search.basins
    field = whole_field(problem.likelihood.grids[0])

    def radius(theta: np.ndarray) -> float:
        return einstein_radius_of(problem.space.build(jnp.asarray(theta)).only(), field)

    here = radius(first.theta)
    elsewhere = lambda theta: abs(radius(theta) / here - 1) > AGREE  # noqa: E731
    close = [b for b in others if b.score < first.score + CLOSE and elsewhere(b.theta)][:FOLLOWED]
    starts = [first.theta, *(b.theta for b in close)]
    other = begun.search.other
    if elsewhere(other) and not any(np.array_equal(other, theta) for theta in starts):
        starts.append(other)
    nears = [begun.near, *(_near(problem, theta) for theta in starts[1:])]
    ends = [
        ascend(problem.space, near, np.asarray(problem.to_z(theta)), told=told)
        for theta, near in zip(starts, nears, strict=True)
    ]
    best = max(range(1 + len(close)), key=lambda k: ends[k].log_posterior)
    if not _all_followed(nears[best], problem, ends[best]):
        nears[best] = cast(Evidence, problem.likelihood)
        ends[best] = ascend(problem.space, nears[best], ends[best].z, told=told)
    return Followed(begun, close, starts, ends, nears, best)


def settle(problem: Problem, followed: Followed, told: Callable[[float, int], None]) -> Settled:
    """The optimum that Newton's steps reach from the highest of several ends."""
    end, found, near = _finished(problem, followed.near, followed.end, told)
    basins = [Basin(np.asarray(problem.to_theta(one.z)), -2 * one.log_posterior) for one in (end, *followed.ends)]
    basins[1 + followed.best] = basins[0]
    first, *others = followed.begun.search.basins
    higher = basins[1].score - first.score
    left = [dataclasses.replace(b, score=b.score + higher) for b in others if b not in followed.close]
    other = followed.begun.search.other
    again = next((k for k, theta in enumerate(followed.starts) if np.array_equal(other, theta)), 0)
    rivals = [basin for basin in basins if basin is not basins[0]]
    same = basins[1 : 2 + len(followed.close)]
    alike = [b.theta for b in same if b is not basins[0] and b.score < basins[0].score + GAP]
    return Settled(end, found, near, Search((basins[0], *rivals, *left), basins[1 + again].theta), tuple(alike))


def _finished(
    problem: Problem, near: Evidence, end: Climb, told: Callable[[float, int], None]
) -> tuple[Climb, Bend, Evidence]:
    """The optimum near the end of an ascent, the curvature there, and the term that it is of: all rays are followed if
    some that `near` leaves out have come to end on the mesh."""
    found = None
    while found is None or not _all_followed(near, problem, end):
        if not _all_followed(near, problem, end):
            near = cast(Evidence, problem.likelihood)
            end = ascend(problem.space, near, end.z, told=told)
        end, found = finish(problem.space, near, end)
    return end, found, near


def _all_followed(near: Evidence, problem: Problem, end: Climb) -> bool:
    """Whether the term follows all the rays that end on the mesh."""
    theta, whole = problem.to_theta(end.z), cast(Evidence, problem.likelihood)
    pairs = zip(reach(problem, near, theta, 1.0), reach(problem, whole, theta, 1.0), strict=True)
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
    variants = [_named("as fitted", held.whole, first.theta, first.chi2, first.model)]
    for number, (name, changed) in enumerate(meshes.items()):
        source, strength = neighbour(base, changed, found)
        other = held.with_source(source)
        theta = np.where([n == STRENGTH for n in other.whole.names], strength, beside(other.whole, first))
        told = _part(progress, name, 0.5 + 0.25 * number)
        end = ascend(other.bare.space, near, np.asarray(other.bare.to_z(theta)), told=told)
        if not _all_followed(near, other.bare, end):
            near = cast(Evidence, other.bare.likelihood)
            end = ascend(other.bare.space, near, end.z, told=told)
        variant, log_likelihood = _variant(name, other, near, end.z)
        variants.append(variant)
        gain = log_likelihood - first.log_likelihood
        notes.append(describe_neighbour(name, gain, mesh, changed))
    return tuple(variants), tuple(notes)


def as_high(held: LightHeld, settled: Settled) -> list[Variant]:
    """Other optima of ln evidence that are as high as the fit's."""
    found = []
    for number, theta in enumerate(settled.alike):
        name = "another optimum" if number == 0 else f"another optimum, {number + 1}"
        found.append(_variant(name, held, _near(held.bare, theta), np.asarray(held.bare.to_z(theta)))[0])
    return found


def _variant(name: str, held: LightHeld, near: Evidence, z: np.ndarray) -> tuple[Variant, float]:
    """What stands at z (n,), and ln evidence there."""
    values = height(held.bare.space, near, jnp.asarray(z)).values
    theta = np.asarray(held.whole.to_theta(z))
    model = held.whole.space.build(jnp.asarray(theta)).filled(np.asarray(values.amplitudes)[held.places])
    return _named(name, held.whole, theta, float(values.chi2), model), float(values.log_likelihood)


def _named(name: str, problem: Problem, theta: np.ndarray, chi2: float, model: LensModel) -> Variant:
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
