"""What is known of a fit, gathered once, before any question is asked."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.errors import ModelError
from lensfit.fitters.result import FitResult, Variant
from lensfit.lensing import Field, einstein_radius, einstein_radius_of, main_critical_curve, whole_field
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.pytree import replace
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Tally, objective_score
from lensfit.staged.fitter import GAIN
from lensfit.staged.joint import Joint
from lensfit.staged.sum_search import alone_name
from lensfit.terms import Evidence, LeastSquares
from lensfit.trust.kinds import KINDS, rejected_beyond, unseen_in
from lensfit.trust.measures import Measures
from lensfit.trust.of_bands import Colours, colours_of
from lensfit.trust.of_image import left_by
from lensfit.trust.of_pixels import lensed_flux
from lensfit.trust.slopes import Slope, of_held_slope, of_these_masses, places, slopes_of

STEP = 0.3
"""Step of the differences that give the Einstein radius its error, in errors of each parameter."""
FAINT = 5.0
"""Signal over noise of a profile's light up to which nothing hangs on where its parameters are."""
PRIOR_WIDTHS, OTHER_WIDTHS = 3.5, 4.0
"""Widths of its prior that a parameter may lie from its middle: one of a mass or the size of a source, and any other.
Sources of real lenses are no Sersic profiles: right fits make them as long as 3.8 widths, to follow their clumps."""
AGREE = 0.01
"""Relative difference in Einstein radius up to which two answers are one."""
APART = 0.03
"""The same of two optima of an evidence, which has several along its ridge: those this near that are as high stand
among the neighbours, and widen the spread."""
OF_THE_MASS = ("lensed source", "counter-image", "magnified", "not lensed", "slope", "optimum")
"""Checks of a fit of profiles whose failure a source on pixels does not mend: it can be anything."""
CHANCE = 3.0
"""Standard deviations by which noise may make chi2 of one band lower where it is fitted alone."""
MORE = 10
"""Steps for which a descent goes on that has ended."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One dataset: its name (empty where it is the only one), its kind, and what was measured in it."""

    name: str
    kind: str
    measures: Measures


@dataclasses.dataclass(frozen=True)
class Gain:
    """By how much chi2 + |z|^2 fell when the descent went on, and by how much it may."""

    fell: float
    most: float


@dataclasses.dataclass(frozen=True)
class Rivals:
    """What a search found beside the fit.

    change: relative, of the Einstein radius, by other random numbers; infinite where that end has none. gap: by how
    much the next basin is worse, infinite where there is none. whole: a sampler looked at the whole prior instead.
    """

    change: float = 0.0
    gap: float = np.inf
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A neighbouring model: by how much it lowers chi2, with how many more parameters, the share of the lensed
    signal's chi2 that this is, and its Einstein radius [arcsec]."""

    name: str
    gain: float
    parameters: int
    share: float
    radius: float
    counts: bool


@dataclasses.dataclass(frozen=True)
class OfBand:
    """One band alone against all: its name, chi2 in the fit of all over that in the fit of it alone, by how much of
    itself noise alone makes that differ, and the Einstein radius of the fit alone [arcsec]."""

    name: str
    worse: float
    chance: float
    radius: float


@dataclasses.dataclass(frozen=True)
class AgainstProfiles:
    """Against the parametric fit that it began at: Einstein radius, lensed flux and chi2, each over its own; and what
    was wrong with the mass there, in words."""

    radius: float
    flux: float
    chi2: float
    wrong: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """Of one fit; None where it is not known.

    chi2: of all data. far: the parameters far out in their priors, in words. slopes: those of the masses that were
    fitted. radius, total: the Einstein radius of the critical curve [arcsec] and its total error: the statistical one,
    half the range over the neighbours that count, and what a held slope adds, in quadrature. colours: of the arcs, in
    neighbouring bands. bands: how each agrees with all.
    """

    parts: tuple[Part, ...]
    far: tuple[str, ...]
    slopes: tuple[Slope, ...]
    gain: Gain | None
    rivals: Rivals | None
    chi2: float
    radius: float
    total: float
    neighbours: tuple[Neighbour, ...] | None
    against: AgainstProfiles | None
    colours: tuple[Colours, ...] | None = None
    bands: tuple[OfBand, ...] | None = None


def is_lens(problem: Problem, result: FitResult) -> bool:
    """Whether a fit is of a mass and a source, to data that can be measured."""
    parts = problem.parts(result.model)
    return all(term.kind in KINDS and model.mass and model.source for _, term, model in parts)


def gather(problem: Problem, result: FitResult, parametric: FitResult | None) -> tuple[FitResult, Facts]:
    """The result with its spread over the neighbours that count, and the facts of a fit of a lens.

    parametric: the fit of profiles that one with its source on pixels began at.
    """
    named = problem.parts(result.model)
    integrated = isinstance(problem.likelihood, Evidence)
    found = problem.reconstruct(result.theta) if integrated else None
    parts = tuple(
        Part(name, term.kind, KINDS[term.kind].measures(term, found or model)) for name, term, model in named
    )
    result = widened(parts, counted(parts, result, problem))
    name, term, model = next((part for part in named if part[2].alignment is None), named[0])
    radii = _Radii.of(term, problem, name)
    radius = radii.radius(model)
    neighbours = _neighbours(parts, result, radii)
    shown = [n.radius for n in neighbours or () if n.counts]
    over = [0.5 * np.ptp(shown), of_held_slope(problem) * radius] if len(shown) > 1 else []
    against = None
    if found and parametric:
        against = AgainstProfiles(
            radius=radius / radii.radius(parametric.model),
            flux=float(found.lensed_flux) / lensed_flux(term, parametric.model),
            chi2=result.chi2 / parametric.chi2,
            wrong=_wrong_with_the_mass(problem, parametric),
        )
    return result, Facts(
        parts=parts,
        far=far_out(problem, result),
        slopes=slopes_of(problem, result),
        gain=_gain(problem, result),
        rivals=_rivals(problem, result, radii, radius),
        chi2=result.chi2,
        radius=radius,
        total=float(np.linalg.norm([radii.error(result), *over])),
        neighbours=neighbours,
        against=against,
        colours=colours_of([part for part in named if KINDS[part[1].kind].band]),
        bands=_bands(named, result, radii),
    )


@dataclasses.dataclass(frozen=True)
class _Radii:
    """Einstein radii of models of one dataset, inside its field."""

    problem: Problem
    name: str
    field: Field

    @classmethod
    def of(cls, term: Any, problem: Problem, name: str) -> _Radii:
        return cls(problem, name, whole_field(term.grids[0]))

    def radius(self, model: LensModel) -> float:
        """Of a model of numbers [arcsec], NaN where no critical curve closes in the field."""
        return einstein_radius_of(model.only(), self.field)

    def at(self, theta: np.ndarray) -> float:
        """Of the model at theta (n,) of the problem."""
        return einstein_radius_of(self._mass(theta), self.field)

    def error(self, result: FitResult) -> float:
        """Of the Einstein radius, from the covariance of the masses; NaN where that is not known."""
        masses = [k for k, p in enumerate(self.problem.space.parameters) if p.group == "mass"]
        covariance = result.covariance[np.ix_(masses, masses)]
        try:
            curve = main_critical_curve(self._mass(result.theta), self.field)
        except ModelError:
            return np.nan
        slopes = []
        for k in masses:
            step = STEP * result.errors[k] * (np.arange(len(result.theta)) == k)
            ahead, behind = (einstein_radius(self._mass(result.theta + s), curve) for s in (step, -step))
            slopes.append((ahead - behind) / (2 * STEP * result.errors[k]))
        return float(np.sqrt(np.array(slopes) @ covariance @ np.array(slopes)))

    def _mass(self, theta: np.ndarray) -> LensModel:
        """The mass alone: one structure, and so one compiled program, for a fit and all its neighbours."""
        model = self.problem.space.build(np.asarray(theta))
        return (model[self.name] if self.name else model).only()


def _wrong_with_the_mass(problem: Problem, parametric: FitResult) -> tuple[str, ...]:
    """What failed in a fit of profiles that a source on pixels, `problem`, says nothing about: where its masses are far
    out in their priors, and the checks `OF_THE_MASS`. A satellite that was added is none of its masses."""
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    masses = [p.group == "mass" and p.name in parametric.names for p in problem.space.parameters]
    there = [parametric[n] if mass else m for n, m, mass in zip(problem.names, middle, masses, strict=True)]
    z = np.asarray(problem.to_z(np.array(there)))
    far = tuple(f"{problem.names[k]} = {there[k]:.4g}, {z[k]:+.1f} widths out in its prior"
                for k in np.flatnonzero(~(abs(z) < PRIOR_WIDTHS)))  # fmt: skip
    return far + tuple(check.finding for check in parametric.trust.failed if check.name in OF_THE_MASS)


def far_out(problem: Problem, result: FitResult, group: str = "") -> tuple[str, ...]:
    """The parameters far out in their priors, but for those of light that is hardly there: their names and values,
    with the distance in widths. group: of these alone."""
    z = np.asarray(problem.to_z(result.theta))
    parameters = problem.space.parameters
    firm = [p.group == "mass" or (p.group, p.role) == ("source", "radius") for p in parameters]
    most = np.where(firm, PRIOR_WIDTHS, OTHER_WIDTHS)
    asked = [k for k in np.flatnonzero(~(abs(z) < most)) if group in ("", parameters[k].group)]
    far = [k for k in asked if _matters(problem, result, int(k))]
    return tuple(f"{problem.names[k]} = {result.theta[k]:.4g} ({z[k]:+.1f})" for k in far)


def _matters(problem: Problem, result: FitResult, index: int) -> bool:
    """Whether a parameter is one of a mass, or of light that stands out of the noise."""
    space = problem.space
    owners = {path.rpartition(".")[0] for path, slot in zip(space.paths, space.slots, strict=True)
              if slot.kind == "free" and slot.index == index}  # fmt: skip
    for name, term, model in problem.parts(result.model):
        prefix = f"{name}." if name else ""
        for owner in owners:
            group, _, profile = owner.removeprefix(prefix).partition(".")
            if not owner.startswith(prefix) or (group in ("light", "source") and isinstance(term, LeastSquares)
                                                and _signal(term, model, (group, profile)) < FAINT):  # fmt: skip
                continue
            return True
    return False


def _signal(term: Any, model: LensModel, kept: tuple[str, str]) -> float:
    """Signal over noise of one profile's light."""

    def dimmed(group: str) -> dict[str, Any]:
        profiles = getattr(model, group)
        return {
            name: p if (group, name) == kept else replace(p, **{p.amplitude: 0 * getattr(p, p.amplitude)})
            for name, p in profiles.items()
        }

    alone = replace(model, light=dimmed("light"), source=dimmed("source"), sky=0 * model.sky)
    return float(_strength(term, alone))


@compiled
def _strength(term: Any, model: LensModel) -> jax.Array:
    columns = term.columns(model)
    _, residuals, _ = term.least(model, columns)
    curvature, _ = term.normal(model, term.light(model)[None], columns, residuals, True)
    return jnp.sqrt(curvature[0, 0])


def _gain(problem: Problem, result: FitResult) -> Gain | None:
    """By how much going on lowers chi2 + |z|^2; the best of many samples need not be the optimum."""
    if result.gain is not None:
        return Gain(result.gain, GAIN)
    if not isinstance(problem.likelihood, LeastSquares):
        return None
    model = solve_amplitudes(problem.model)
    space = Space.of(model)
    joint = Joint.over(model, space, Tally(), objective_score)
    theta = np.array([result[name] for name in space.names])
    here, end = (float(joint.descend(problem.likelihood, theta, n, 1e-3).objective) for n in (0, MORE))
    return Gain(here - end, GAIN if result.samples is None else max(GAIN, float(problem.ndim)))


def _rivals(problem: Problem, result: FitResult, radii: _Radii, radius: float) -> Rivals | None:
    if result.search is None:
        return Rivals(whole=True) if result.explored and result.converged else None
    first, *others = result.search.basins

    def change(theta: np.ndarray) -> float:
        found = abs(radii.at(theta) / radius - 1)
        return found if np.isfinite(found) else np.inf

    apart = APART if isinstance(problem.likelihood, Evidence) else AGREE
    gaps = [basin.score - first.score for basin in others if change(basin.theta) > apart]
    return Rivals(change(result.search.other), min(gaps, default=np.inf))


def _neighbours(parts: tuple[Part, ...], result: FitResult, radii: _Radii) -> tuple[Neighbour, ...] | None:
    """The variants of a fit, itself first."""
    if not result.variants:
        return None
    first, name = result.variants[0], radii.name
    signal = _signal_squared(parts)
    return tuple(
        Neighbour(
            name=v.name,
            gain=first.chi2 - v.chi2,
            parameters=len(v.values) - len(first.values),
            share=(first.chi2 - v.chi2) / max(signal, 1e-300),
            radius=radii.radius(v.model[name] if name else v.model),
            counts=v.counts,
        )
        for v in result.variants
    )


def _bands(named: list[tuple[str, Any, LensModel]], result: FitResult, radii: _Radii) -> tuple[OfBand, ...] | None:
    """Each of several images alone against all, of the variants that were fitted to it alone."""
    alone = {variant.name: variant.model for variant in result.variants}
    shared, found = _shared(radii.problem.space), []
    for name, term, model in named:
        own = alone.get(alone_name(name))
        if own is not None and KINDS[term.kind].band:
            there, here = (float(np.sum(left_by(term, one) ** 2)) for one in (model, own[name]))
            chance = (shared + CHANCE * np.sqrt(2 * shared)) / here
            found.append(OfBand(name, there / here, float(chance), radii.radius(own[radii.name])))
    return tuple(found) or None


def _shared(space: Space) -> int:
    """The number of parameters that stand in the models of several datasets."""
    terms: dict[int, set[str]] = {}
    for path, slot in zip(space.paths, space.slots, strict=True):
        if slot.kind == "free":
            terms.setdefault(slot.index, set()).add(path.partition(".")[0])
    return sum(len(of) > 1 for of in terms.values())


def widened(parts: tuple[Part, ...], result: FitResult) -> FitResult:
    """The result with its errors widened by what the model leaves on the arcs, that of the worst dataset; samples are
    those of the noise as stated, and so are their errors."""
    if result.samples is not None:
        return result
    extra = max((part.measures.extra for part in parts if part.measures.extra is not None), default=1.0)
    factor = np.sqrt(extra) / result.widened
    return dataclasses.replace(
        result, widened=float(np.sqrt(extra)), errors=factor * result.errors, covariance=factor**2 * result.covariance,
        amplitude_covariance=factor**2 * result.amplitude_covariance,
    )  # fmt: skip


def counted(parts: tuple[Part, ...], result: FitResult, problem: Problem) -> FitResult:
    """The result with those of its variants counting that fit nearly as well, and the spread over them; of a slope
    over those of the same masses with what they do not show, of an Einstein radius with what a held slope adds."""
    if not result.variants:
        return result
    first, kinds = result.variants[0].chi2, tuple(part.kind for part in parts)
    excess = rejected_beyond(kinds, first, _signal_squared(parts))
    variants = tuple(dataclasses.replace(v, counts=v.chi2 <= first + excess) for v in result.variants)
    over, slopes = spread(result.names, variants), places(problem)
    over[slopes] = np.hypot(spread(result.names, of_these_masses(problem, variants))[slopes], unseen_in(kinds))
    radii = np.array([(p.group, p.role) == ("mass", "einstein_radius") for p in problem.space.parameters])
    over = np.hypot(over, np.where(radii, of_held_slope(problem) * result.theta, 0.0))
    return dataclasses.replace(result, variants=variants, spread=over)


def _signal_squared(parts: tuple[Part, ...]) -> float:
    return sum(part.measures.signal**2 for part in parts if part.measures.signal is not None)


def spread(names: tuple[str, ...], variants: tuple[Variant, ...]) -> np.ndarray:
    """Half the range (n,) of each named parameter over the variants that count and have it, NaN where only one has."""
    values = [[v.values[name] for v in variants if v.counts and name in v.values] for name in names]
    return np.array([0.5 * np.ptp(some) if len(some) > 1 else np.nan for some in values])
