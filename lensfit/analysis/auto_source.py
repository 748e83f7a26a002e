"""The step that gives the source what the data ask for: one profile, two, or pixels."""
from __future__ import annotations

import dataclasses
import logging
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.analysis.analysis import Analysis
from lensfit.analysis.components import with_components
from lensfit.analysis.pixel_model import Mesh
from lensfit.analysis.source_on_pixels import try_on_pixels
from lensfit.analysis.steps import with_time
from lensfit.compiled import compiled
from lensfit.fitters.result import FitResult, Variant
from lensfit.inversion.regularisation import regularisation
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.progress import Progress, part
from lensfit.staged.second_source import fit_two_sources, neighbour_with_two_sources
from lensfit.trust import examine
from lensfit.trust.examine import ABOUT_THE_DATA
from lensfit.trust.facts import far_out
from lensfit.trust.of_image import OnArcs, left_by
from lensfit.verdict import Trust

A_LENS = ("lensed source", "magnified")
"""Checks without which there is no lensed source that could be richer."""
SUPPORT = 10.0
"""By how much a richer source must lower the criterion: what is as far behind has essentially no support (Burnham &
Anderson 2002, section 2.6)."""
FEWEST = 250
"""Effective parameters that a source on pixels takes: what is left on the arcs must be worth them. 240 to 530 were
seen, of real and simulated lenses."""
UNCONVERGED = ", but it did not converge"

logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True)
class AutoSource:
    """Try a second profile of the source, then pixels, each where what the last one leaves on the arcs asks for it.

    Models are compared by Akaike's criterion for data that scatter more than their noise says, chi2 / c + 2 k (Burnham
    & Anderson 2002, section 2.5): c is the mean square that the richer model leaves on the arcs, no less than that of
    the sky. A structure that no model explains so widens the noise, and a richer model has to lower chi2 for good. k
    counts parameters and amplitudes; of a source on pixels it is the effective number, that of the coefficients which
    the data say more of than the regularisation does.

    The answer, its errors and its checks are those of the last model that gained; the others are its neighbours. A
    model ends it that takes the mass far out of its priors, where the simpler one left it inside, or whose source is
    partly negative: it has taken up light that is not lensed. A source on pixels that does not gain where ascents end
    is a neighbour as it is there, without errors and checks of its own.
    Of images in several bands each has its own c, and the source does not go onto pixels. Visibilities get further
    components in place of pixels, see `with_components`. Nothing is done for images beside visibilities, and to a fit
    that has samples or its source on pixels.
    """

    mesh: Mesh = dataclasses.field(default_factory=Mesh)

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with the source that the data ask for."""
        self.mesh.check()
        if analysis.parametric is not None or analysis.fitted.samples is not None:
            return analysis
        analysis = analysis.ready()
        settled = analysis.changed(fit=dataclasses.replace(analysis.fit, source="profiles"))
        if not _may_be_richer(analysis):
            return settled
        if analysis.observation.source_by_components:
            return with_components(settled, SUPPORT, progress)
        if neighbour_with_two_sources(analysis.fitted) is None:
            return settled
        images = [_Arcs.of(*part) for part in analysis.problem.parts(analysis.fitted.model)]
        if not all(image.arcs.seen for image in images):
            return settled
        settled, fits = _second_source(analysis, settled, images, part(progress, 0.0, 0.3))
        if len(images) > 1 or not fits:
            return settled
        return _onto_pixels(settled, fits, images[0], self.mesh, part(progress, 0.3, 0.7))


def _second_source(
    analysis: Analysis, settled: Analysis, images: list[_Arcs], progress: Progress
) -> tuple[Analysis, tuple[Analysis, ...]]:
    """The fit with the number of profiles that the data ask for, and those that a source on pixels is to begin at,
    none where a second profile took up light that is not lensed."""
    first, richer = analysis.fitted.variants[0], cast(Variant, neighbour_with_two_sources(analysis.fitted))
    more = len(richer.values) - len(first.values)
    gain = sum(image.gain(first.model, richer.model) for image in images) - 2 * more
    if gain <= SUPPORT:
        settled = settled.changed(result=_noted(analysis.fitted, _told("a second source", gain)))
        return settled, (settled,)
    two = _with_two_sources(settled, gain, progress)
    if wrong := _carried_off(settled, two):
        return settled.changed(result=_noted(settled.fitted, _refused("a second source", gain, wrong))), ()
    return two, (analysis, two)


def _onto_pixels(
    settled: Analysis, fits: tuple[Analysis, ...], image: _Arcs, mesh: Mesh, progress: Progress
) -> Analysis:
    """The fit with its source on pixels, where what profiles leave on the arcs is worth it and it gains."""
    left = image.left(settled.fitted.model)
    excess = np.count_nonzero(image.arcs.pixels) * (image.arcs.variance(left) / image.arcs.noise(left) - 1)
    logger.info("source: chi2 on the arcs is %.0f above noise", excess)
    if excess <= 2 * FEWEST:
        return settled
    tried = try_on_pixels(fits, mesh, part(progress, 0.0, 0.5))
    beside = tried.variant("source on pixels")
    gain = _gain_on_pixels(settled, image, tried.problem, tried.theta, beside.chi2)
    if gain <= SUPPORT:
        told = _told("the source on pixels", gain) + ("" if tried.followed.end.arrived else UNCONVERGED)
        return settled.changed(result=_noted(_beside(settled, beside), told))
    on_pixels = tried.finished(part(progress, 0.5, 0.5))
    fitted = on_pixels.fitted
    gain = _gain_on_pixels(settled, image, on_pixels.problem, fitted.theta, fitted.chi2)
    told = _told("the source on pixels", gain)
    if gain > SUPPORT and (wrong := _carried_off(settled, on_pixels) or _no_light(on_pixels)):
        told = _refused("the source on pixels", gain, wrong)
    elif not fitted.converged:
        told += UNCONVERGED
    elif gain > SUPPORT:
        return on_pixels.changed(result=_noted(fitted, told))
    return settled.changed(result=_noted(_beside(settled, fitted.variants[0]), told))


def _gain_on_pixels(settled: Analysis, image: _Arcs, problem: Problem, theta: np.ndarray, chi2: float) -> float:
    """By how much a source on pixels at theta (n,) lowers the criterion from that of the profiles."""
    found = problem.reconstruct(theta)
    inflation = _inflation(image.arcs, -np.asarray(found.seen[0].residuals))
    effective = _effective(found)
    logger.info("source: pixels take %.0f effective parameters", effective)
    return (settled.fitted.chi2 - chi2) / inflation - 2 * (effective - _of_source(settled.problem))


@dataclasses.dataclass(frozen=True)
class _Arcs:
    """One image: its name, empty where there is one alone, its term, and where it shows arcs."""

    name: str
    term: Any
    arcs: OnArcs

    @classmethod
    def of(cls, name: str, term: Any, model: LensModel) -> _Arcs:
        return cls(name, term, OnArcs.of(term, model))

    def left(self, model: Any) -> np.ndarray:
        """What the model of numbers of all images leaves here (H, W)."""
        return left_by(self.term, model[self.name] if self.name else model)

    def gain(self, model: Any, richer: Any) -> float:
        """By how much a richer model of numbers lowers chi2 here, over its inflation."""
        before, after = self.left(model), self.left(richer)
        return float(np.sum(before**2) - np.sum(after**2)) / _inflation(self.arcs, after)


def _inflation(arcs: OnArcs, left: np.ndarray) -> float:
    """c of the criterion, of what the richer model leaves (H, W)."""
    return max(arcs.variance(left), arcs.noise(left))


def _may_be_richer(analysis: Analysis) -> bool:
    """Whether the data can ask for a source, and have a lensed one."""
    checks = analysis.trust.checks
    passed = {check.name for check in checks if check.passed} - {check.name for check in checks if not check.passed}
    return analysis.observation.source_by_data and passed.issuperset(A_LENS)


def _with_two_sources(analysis: Analysis, gain: float, progress: Progress) -> Analysis:
    before = analysis.fitted
    problem, found = fit_two_sources(analysis.problem, before, analysis.fit.seed, progress)
    result = examine(problem, found)
    kept = tuple(check for check in before.trust.checks if check.name in ABOUT_THE_DATA)
    notes = (*before.notes, *result.notes, _told("a second source", gain))
    result = dataclasses.replace(with_time(result, before), trust=Trust((*result.trust.checks, *kept)), notes=notes,
                                 provenance=before.provenance)  # fmt: skip
    return analysis.changed(model=problem.model, posed=problem, result=result)


def _carried_off(before: Analysis, richer: Analysis) -> str:
    """What of the mass is far out in its prior with a richer source and was not before; empty where nothing is."""
    far = () if far_out(before.problem, before.fitted, "mass") else far_out(richer.problem, richer.fitted, "mass")
    return f"takes the mass far out of its prior [widths]: {', '.join(far)}" if far else ""


def _no_light(on_pixels: Analysis) -> str:
    """What says that a source on pixels is not light; empty where it is."""
    failed = [check for check in on_pixels.trust.checks if check.name == "light" and not check.passed]
    return f"is none: {failed[0].finding}" if failed else ""


def _beside(analysis: Analysis, on_pixels: Variant) -> FitResult:
    """The fit of profiles with the source on pixels as a neighbour."""
    mass = {name: value for name, value in on_pixels.values.items() if name.startswith("mass.")}
    beside = dataclasses.replace(on_pixels, name="source on pixels", values=mass)
    before = analysis.fitted
    return examine(analysis.problem, dataclasses.replace(before, variants=(*before.variants, beside)))


def _refused(what: str, gain: float, wrong: str) -> str:
    told = f"{what} would lower Akaike's criterion by {gain:.0f}, but {wrong}"
    return f"{told}; it takes up light that is not lensed, and stands beside this fit"


def _told(what: str, gain: float) -> str:
    done = "lowered" if gain > SUPPORT else "would lower" if gain > 0 else "would raise"
    return f"{what} {done} Akaike's criterion by {abs(gain):.0f}"


def _noted(result: FitResult, note: str) -> FitResult:
    logger.info("source: %s", note)
    return dataclasses.replace(result, notes=(*result.notes, note))


def _effective(found: Reconstruction) -> float:
    """Effective number of parameters of a source on pixels: of its coefficients, what the data say of them."""
    return float(_said_by_data(found))


@compiled
def _said_by_data(found: Reconstruction) -> jax.Array:
    size = found.coefficients.size
    held = regularisation(found.source).plus(jnp.zeros((size, size)))
    spread = found.solution.covariance()[:size, :size]
    return jnp.count_nonzero(found.solution.moving[:size]) - jnp.sum(held * spread)


def _of_source(problem: Problem) -> int:
    """Parameters and amplitudes of the source."""
    return sum(p.group == "source" for p in (*problem.space.parameters, *problem.space.amplitudes))
