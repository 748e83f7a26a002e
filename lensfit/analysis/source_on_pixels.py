"""The step that puts the source of a parametric fit on pixels: model and mesh from that fit, then to the optimum of ln
evidence, with neighbouring meshes and regularisations.
"""
from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from lensfit.analysis.analysis import Analysis
from lensfit.analysis.pixel_ascents import Begun, Followed, Settled, all_followed, follow, settle
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
from lensfit.analysis.pixel_search import FEW, MORE, Reached, search, within_reach
from lensfit.analysis.satellite import APART, Lens, Satellite, asked_satellites, companions_with_mass, with_satellite
from lensfit.errors import ModelError
from lensfit.fitters.laplace import height, laplace
from lensfit.fitters.lm import descend
from lensfit.fitters.optimum import Climb, ascend
from lensfit.fitters.result import Basin, Clock, FitResult, Search, Variant, result_of
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.profiles import PixelSource
from lensfit.progress import Progress
from lensfit.pytree import replace
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.second_source import ONE_SOURCE, TWO_SOURCES
from lensfit.terms import Evidence
from lensfit.trust import examine
from lensfit.trust.facts import PRIOR_WIDTHS

logger = logging.getLogger("lensfit")

STANDS_OUT = 5.0
"""Normalised residual from which on it is told where it is."""
BETTER = 10.0
"""Gain in ln evidence from which on a neighbouring mesh is to be asked for."""
ASKED, LIGHTS = 25.0, 6
"""Gain in ln posterior, over chi2/N where that is more than 1, from which on the lens light is fitted again and a
satellite is one; and how often at most the former."""
NO_SATELLITE, ELSEWHERE, WITH_MASS = "no satellite", "satellite elsewhere", "masked companion with mass"
"""The neighbours of a fit with a satellite, and that of one whose companion is masked."""
COMPANIONS = 2
"""How many of these are tried at most, the brightest first."""
OPTIONS = {"pixels": "--mesh-pixels", "regularisation": "--regularisation"}


@dataclasses.dataclass(frozen=True)
class SourceOnPixels:
    """Put the source of a parametric fit on pixels and go to the optimum of ln evidence.

    It is looked for from several masses (`pixel_search`), then refined in mass, mesh and strength, the amplitudes
    of the lens light integrated out with the source. That light is fitted again beside it, and a satellite added
    to the masses, where either raises ln posterior by far. Then the same with another regularisation, and
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
    tried = Tried(candidates[best], held[best], mesh, clock, followed)
    for refined in (_light_again, _with_satellite):
        more = refined(tried, progress)
        if more.far_out <= tried.far_out:
            tried = more
        else:  # it took up light that is not lensed
            logger.info("source on pixels: not so, as then far out of their priors: %s", ", ".join(more.far_out))
    return tried


def _light_again(tried: Tried, progress: Progress) -> Tried:
    """The same with the shape of the lens light fitted again, to the data less the source on pixels, and the source to
    that light, in turn while ln posterior rises by far: bright arcs turn the light of a fit of profiles."""
    space = Space.of(replace(solve_amplitudes(tried.before.problem.model), mass={}, source={}))
    light = dict(zip(tried.before.fitted.names, tried.before.fitted.theta.tolist(), strict=True))
    held, end, theta, asked, rounds = tried.held, tried.followed.end, tried.theta, tried.asked, 0
    free = np.ones(space.ndim, bool)
    while rounds < LIGHTS and space.ndim:
        term = cast(Evidence, held.whole.likelihood).less_source(held.whole.reconstruct(theta))
        if term is None:
            break
        start = np.array([light[name] for name in space.names])
        was, now = (descend(space, term, start, free, steps, 1.0, ("light",)).point for steps in (0, 20))
        if not 0.5 * float(was.chi2 - now.chi2) > asked:
            break
        light |= dict(zip(space.names, np.asarray(now.theta).tolist(), strict=True))
        source = cast(LensModel, held.whole.model).pixels()[NAME]
        model = pixel_model(cast(LensModel, tried.before.problem.model), light, source)
        again = LightHeld.of(Problem(model, held.whole.likelihood))
        near, z = within_reach(again.bare, theta), np.asarray(again.bare.to_z(theta))
        there = ascend(again.bare.space, near, z, curvature=end.curvature)
        logger.info("source on pixels: ln posterior %+.1f with light again", there.log_posterior - end.log_posterior)
        if not there.log_posterior > end.log_posterior + asked:
            break
        held, end, theta, rounds = again, there, np.asarray(again.whole.to_theta(there.z)), rounds + 1
    if not rounds:
        return tried
    first, *others = tried.followed.begun.search.basins
    basins = (Basin(theta, first.score), *others)  # scores are those on binned data
    begun = Begun(within_reach(held.bare, theta), Search(basins, tried.followed.begun.search.other))
    followed = follow(held.bare, begun, _part(progress, "lens light again", 0.35))
    gain = followed.end.log_posterior - tried.followed.end.log_posterior
    told = f"the lens light, fitted again beside the source on pixels, raised ln posterior by {gain:.1f}"
    return dataclasses.replace(tried, held=held, followed=followed, notes=(told,))


def _with_satellite(tried: Tried, progress: Progress) -> Tried:
    """The same with a satellite, where that raises ln posterior by far: of several, those of companions that are masked
    among them, a few steps say which one it is; the next best, elsewhere, is a neighbour. Where none does, the masked
    ones with mass are."""
    bare, before = tried.held.bare, tried.followed
    lens = Lens.of(bare, before.end.z)
    masked = companions_with_mass(lens, tried.before.observation.left_out[:COMPANIONS])
    promised = asked_satellites(lens, bare.space, before.near, before.end.z)
    asked = [one for one in promised if one.promise > tried.asked]
    few = [_begun_with(tried, one) for one in (*masked, *asked)]
    best_first = sorted(few, key=lambda one: -one.end.log_posterior)
    found = _followed_with(tried, best_first[0], progress) if few else None
    if found is None:
        names = [WITH_MASS + (f", {k + 1}" if k else "") for k in range(len(masked))]
        return dataclasses.replace(tried, beside=tuple(map(_settled, names, few)))
    least = before.end.log_posterior + tried.asked
    here = best_first[0].place
    apart = (one for one in best_first if np.hypot(*(one.place - here)) > APART * lens.radius)
    alike = [_settled(ELSEWHERE, one) for one in apart if one.end.log_posterior > least][:1]
    return dataclasses.replace(found, beside=(*found.beside, *alike))


@dataclasses.dataclass(frozen=True, eq=False)
class _Begun:
    """A satellite, the problem with it, and the end of few steps there."""

    satellite: Satellite
    held: LightHeld
    end: Climb

    @property
    def place(self) -> np.ndarray:
        """(2,) where it came to [arcsec]."""
        theta = dict(zip(self.held.whole.names, np.asarray(self.held.whole.to_theta(self.end.z)), strict=True))
        return np.array([theta[name] for name in list(self.satellite.values)[:2]])


def _begun_with(tried: Tried, seen: Satellite) -> _Begun:
    held = LightHeld.of(with_satellite(tried.problem, seen.mass))
    known = dict(zip(tried.problem.names, tried.theta.tolist(), strict=True)) | seen.values
    theta = np.array([known[name] for name in held.whole.names])
    end = ascend(held.bare.space, within_reach(held.bare, theta), np.asarray(held.bare.to_z(theta)), FEW)
    gain = end.log_posterior - tried.followed.end.log_posterior
    logger.info("source on pixels: %s: ln posterior +%.1f promised, %+.1f in few steps", seen.where, seen.promise, gain)
    return _Begun(seen, held, end)


def _settled(name: str, begun: _Begun) -> Variant:
    """The neighbour with a satellite."""
    near = within_reach(begun.held.bare, np.asarray(begun.held.whole.to_theta(begun.end.z)))
    end = ascend(begun.held.bare.space, near, begun.end.z, MORE, curvature=begun.end.curvature)
    return _variant(name, begun.held, near, end.z)[0]


def _followed_with(tried: Tried, one: _Begun, progress: Progress) -> Tried | None:
    """The fit with a satellite; None where ln posterior does not rise by far, or it is far out in its prior."""
    before, held = tried.followed, one.held
    if not one.end.log_posterior > before.end.log_posterior:
        return None
    found = before.begun.search

    def there(theta: np.ndarray) -> np.ndarray:
        known = dict(zip(tried.problem.names, theta.tolist(), strict=True)) | one.satellite.values
        return np.array([known[name] for name in held.whole.names])

    first = Basin(np.asarray(held.whole.to_theta(one.end.z)), found.basins[0].score)
    others = (Basin(there(b.theta), b.score) for b in found.basins[1:])
    begun = Begun(within_reach(held.bare, first.theta), Search((first, *others), there(found.other)))
    followed = follow(held.bare, begun, _part(progress, "satellite", 0.4))
    gain = followed.end.log_posterior - before.end.log_posterior
    logger.info("source on pixels: ln posterior %+.1f with a satellite", gain)
    own = [name not in tried.problem.names for name in held.whole.names]
    if not gain > tried.asked or np.any(abs(followed.end.z[own]) > PRIOR_WIDTHS):
        return None
    notes = (*tried.notes, f"a satellite, seen by its mass, raised ln posterior by {gain:.1f}")
    without = (tried.variant(NO_SATELLITE),)
    return dataclasses.replace(tried, held=held, followed=followed, notes=notes, beside=without)


@dataclasses.dataclass(frozen=True, eq=False)
class Tried:
    """A source on pixels near its optimum, without errors and neighbours yet: the parametric analysis whose light it
    has, where ascents came to, what is to be said of it, and neighbours with or without a satellite."""

    before: Analysis
    held: LightHeld
    mesh: Mesh
    clock: Clock
    followed: Followed
    notes: tuple[str, ...] = ()
    beside: tuple[Variant, ...] = ()

    @property
    def problem(self) -> Problem:
        """What is fitted."""
        return self.held.whole

    @property
    def theta(self) -> np.ndarray:
        """(n,) where the highest ascent ended."""
        return np.asarray(self.problem.to_theta(self.followed.end.z))

    @cached_property
    def asked(self) -> float:
        """Gain in ln posterior from which on more is asked for."""
        return ASKED * max(1.0, self.variant("").chi2 / self.problem.likelihood.data_count)

    @property
    def far_out(self) -> frozenset[str]:
        """The parameters of the mass far out of their priors."""
        named = zip(self.held.bare.space.parameters, self.followed.end.z, strict=True)
        return frozenset(p.name for p, z in named if p.group == "mass" and not abs(z) < PRIOR_WIDTHS)

    def variant(self, name: str) -> Variant:
        """The fit that it would be, as a neighbour of another one."""
        return _variant(name, self.held, self.followed.near, self.followed.end.z)[0]

    def finished(self, progress: Progress) -> Analysis:
        """The analysis with its source on pixels, at the optimum."""
        start = self.before.fitted
        result = fit_on_pixels(self.held, start, self.mesh, self.clock, progress, self.followed, self.beside)
        result = dataclasses.replace(result, notes=(*result.notes, *self.notes))
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
    return Begun(within_reach(held.bare, basins[0].theta), Search(basins, there(reached.other)))


def fit_on_pixels(
    held: LightHeld, start: FitResult, mesh: Mesh, clock: Clock, progress: Progress, followed: Followed,
    further: tuple[Variant, ...] = (),
) -> FitResult:
    """The optimum of ln evidence where ascents came to, with errors, spread and trust; start is the parametric result,
    and `further` are neighbours of it.
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
    variants, others = _neighbours(held, settled, first, found, mesh, progress)
    variants = (*variants, *further, *as_high(held, settled), *_profiles(start))
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


def _neighbours(
    held: LightHeld, settled: Settled, first: FitResult, found: Reconstruction, mesh: Mesh, progress: Progress
) -> tuple[tuple[Variant, ...], tuple[str, ...]]:
    """The fit and its refits with another regularisation and a coarser mesh; a note on what fits far better."""
    other_kind = "curvature" if mesh.regularisation == "gradient" else "gradient"
    meshes = {
        f"{other_kind} regularisation": dataclasses.replace(mesh, regularisation=other_kind),
        "coarser mesh": mesh.coarser(),
    }
    base, near, notes = held.whole.model.pixels()[NAME], settled.near, []
    variants = [_named("as fitted", held.whole, first.theta, first.chi2, first.model)]
    for number, (name, changed) in enumerate(meshes.items()):
        source, strength = neighbour(base, changed, found)
        other = held.with_source(source)
        theta = np.where([n == STRENGTH for n in other.whole.names], strength, beside(other.whole, first))
        told = _part(progress, name, 0.5 + 0.25 * number)
        known = settled.curvature.curvature if other.bare.names == held.bare.names else None
        end = ascend(other.bare.space, near, np.asarray(other.bare.to_z(theta)), told=told, curvature=known)
        if not all_followed(near, other.bare, end):
            near = cast(Evidence, other.bare.likelihood)
            end = ascend(other.bare.space, near, end.z, told=told, curvature=end.curvature)
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
        found.append(_variant(name, held, within_reach(held.bare, theta), np.asarray(held.bare.to_z(theta)))[0])
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
