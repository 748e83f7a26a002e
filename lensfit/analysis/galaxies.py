"""Galaxies beside the lens that a fit shows: in the model with their mass, or their light alone, or masked.

Where one lies near enough for its mass to bend the arcs the lens is fitted with it, and without its pixels; what
explains the rest of the image better stays.
"""
from __future__ import annotations

import dataclasses
import logging

import numpy as np

from lensfit.analysis.analysis import Analysis, Step
from lensfit.analysis.steps import Search, with_time
from lensfit.datasets import Galaxy
from lensfit.errors import ModelError
from lensfit.fitters.result import FitResult
from lensfit.lensing import einstein_radius_of, main_center, unmasked_field
from lensfit.model import LensModel, Models
from lensfit.names import GALAXY
from lensfit.observations.companions import Companion
from lensfit.progress import Progress
from lensfit.trust.facts import PRIOR_WIDTHS
from lensfit.verdict import Check, Trust
from lensfit.words import counted

AGREE = 0.05
"""Relative change of the Einstein radius by leaving companions out up to which an answer stands."""
NEEDED = ("lensed source", "arcs explained", "counter-image", "magnified")
"""Checks that a fit must pass before its residuals say what is a companion."""
NEAR = 1.5
"""Distance from the lens, in Einstein radii, up to which the mass of a companion is asked for."""

logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True)
class Companions:
    """Search again without the companions that a fit shows, or with them in the model, at most `rounds` times.

    A companion is bright light that neither lens nor source explains. With a standard model of images those near
    the lens are tried as galaxies of the model, with their mass or, where the data want none there, their light alone:
    they stay in it where that lowers Akaike's criterion on the pixels that the fit without them has. Where a fit does
    not explain the arcs, nothing is masked, and what may be a galaxy among them is tried as one.

    The check `companions` asks of those that were masked whether the Einstein radius stayed.
    """

    search: Step = dataclasses.field(default_factory=Search)
    rounds: int = 2

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with its companions masked or in the model."""
        unmasked, known = None, {*analysis.observation.notes}
        if analysis.fitted.model.pixels():
            raise ModelError("companions are looked for on a fit with profiles, before the source goes onto pixels")
        analysis = self._weighed(analysis, progress)
        for _ in range(self.rounds):
            before, explained = analysis, _explains(analysis)
            analysis = (self._settled if explained else self._suspected)(analysis, progress)
            if analysis is before:
                break
            if unmasked is None and analysis.observation.left_out != before.observation.left_out:
                unmasked = before.fitted
        for note in analysis.observation.notes:
            if note not in known:
                logger.info("data: %s", note)
        return analysis if unmasked is None else analysis.changed(result=_with_check(analysis, unmasked))

    def _settled(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The companions that a fit shows masked, or those near the lens in the model."""
        found = analysis.observation.companions(analysis.problem.likelihood, analysis.fitted.model)
        if not found:
            return analysis
        without = self._again(analysis.changed(seen=analysis.observation.without(found)), analysis, progress)
        near, far = _near(analysis, found)
        if not near:
            return without
        seen = analysis.observation.without(far) if far else analysis.observation
        galaxies = tuple(Galaxy(one.x, one.y, seen=True) for one in near)
        held = self._held(analysis.changed(seen=seen), galaxies, without, progress)
        gain = _gain(without, held)
        logger.info("companions in the model: Akaike's criterion %+.0f from without their pixels", -gain)
        return held if gain > 0 and _explains(held) else _timed(without, held)

    def _suspected(self, analysis: Analysis, progress: Progress) -> Analysis:
        """What may be a galaxy among the arcs in the model, where these are explained with it alone."""
        best = last = analysis
        for galaxy in analysis.observation.suspects() if _can_hold(analysis) else ():
            last = self._held(analysis, (galaxy,), last, progress)
            if _explains(last) and _gain(best, last) > 0:
                best = last
        return analysis if best is analysis else _timed(best, last)

    def _held(self, analysis: Analysis, galaxies: tuple[Galaxy, ...], last: Analysis, progress: Progress) -> Analysis:
        """Searched again with further galaxies in the model."""
        seen = analysis.observation.with_galaxies(galaxies)
        posed = analysis.changed(seen=seen, model=analysis.fit.standard)
        return self._weighed(self._again(posed, last, progress), progress)

    def _weighed(self, analysis: Analysis, progress: Progress) -> Analysis:
        """With the light alone of galaxies, seen in the data, that the data want no mass of."""
        seen = [k for k, one in enumerate(analysis.observation.galaxies_in_the_model, 1) if one.seen]
        if not (seen and _can_hold(analysis)):
            return analysis
        z = dict(zip(analysis.problem.names, np.asarray(analysis.problem.to_z(analysis.fitted.theta)), strict=True))
        light = [k for k in seen if z.get(f"mass.{GALAXY}{k}.einstein_radius", 0.0) < -PRIOR_WIDTHS]
        if not light:
            return analysis
        posed = analysis.changed(seen=analysis.observation.without_mass(light), model=analysis.fit.standard)
        return self._again(posed, analysis, progress)

    def _again(self, posed: Analysis, last: Analysis, progress: Progress) -> Analysis:
        """Searched, with the time of what was done before."""
        done = self.search(posed, progress)
        return done.changed(result=with_time(done.fitted, last.fitted))


def _timed(chosen: Analysis, last: Analysis) -> Analysis:
    """An analysis with the time that it took until the last one that it was compared with."""
    spent = {name: getattr(last.fitted, name) for name in ("seconds", "cpu_seconds")}
    return chosen.changed(result=dataclasses.replace(chosen.fitted, **spent))


def _explains(analysis: Analysis) -> bool:
    """Whether the arcs are explained; of several data each is asked."""
    checks = analysis.trust.checks
    passed = {check.name for check in checks if check.passed} - {check.name for check in checks if not check.passed}
    return passed.issuperset(NEEDED)


def _can_hold(analysis: Analysis) -> bool:
    """Whether galaxies can be added to the model."""
    return analysis.observation.holds_galaxies and analysis.fit.standard is not None


def _near(analysis: Analysis, found: tuple[Companion, ...]) -> tuple[tuple[Companion, ...], tuple[Companion, ...]]:
    """The companions whose mass would bend the arcs, where the model can have it and has none there, and the others."""
    if not _can_hold(analysis):
        return (), found
    model = _of_the_mass(analysis.fitted.model)
    center = main_center(model.mass)
    if center is None:
        return (), found
    reach = NEAR * einstein_radius_of(model.only(), unmasked_field(analysis.observation.frame))
    known = [(one.x, one.y) for one in analysis.observation.galaxies_in_the_model]
    near = tuple(one for one in found if np.hypot(one.x - center[0], one.y - center[1]) < reach
                 and all(np.hypot(one.x - x, one.y - y) > one.radius for x, y in known))  # fmt: skip
    return near, tuple(one for one in found if one not in near)


def _gain(smaller: Analysis, larger: Analysis) -> float:
    """By how much a larger model lowers Akaike's criterion, chi2 + 2 k, on the pixels of the smaller one's fit; the
    noise is that stated, or what the larger one leaves there if that is more."""
    term = smaller.problem.likelihood
    chi2 = [2 * float(term.log_norm - term(one.fitted.model)) for one in (smaller, larger)]
    count = [len(one.fitted.names) + len(one.fitted.amplitude_names) for one in (smaller, larger)]
    return (chi2[0] - chi2[1]) / max(chi2[1] / term.data_count, 1.0) - 2 * (count[1] - count[0])


def _of_the_mass(model: LensModel | Models) -> LensModel:
    """A model of numbers, of several data that in whose frame the mass is."""
    if isinstance(model, LensModel):
        return model
    return next((one for one in model.values() if one.alignment is None), next(iter(model.values())))


def _with_check(analysis: Analysis, first: FitResult) -> FitResult:
    """The result with the check whether leaving companions out moved the Einstein radius from that of the first fit."""
    masked = analysis.observation.left_out
    result, field = analysis.fitted, unmasked_field(analysis.observation.frame)
    masses = (_of_the_mass(found.model).only() for found in (first, result))
    before, after = (einstein_radius_of(mass, field) for mass in masses)
    change = abs(after / before - 1)
    where = "; ".join(str(c) for c in masked)
    finding = f"leaving out {counted(len(masked), 'companion')} ({where}) "
    if np.isfinite(change):
        finding += f"moved the Einstein radius by {100 * change:.1f} % (less than {100 * AGREE:g} %)"
    else:
        finding += "cannot be judged: without or with them there is no Einstein radius"
    check = Check.of("companions", bool(change < AGREE), finding)
    return dataclasses.replace(result, trust=Trust((*result.trust.checks, check)))
