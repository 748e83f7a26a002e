"""Steps of the road: the region, the search, calibration, the posterior.

Each is a value; called with an analysis and a progress it gives the next analysis. Any may be left out, or stand
elsewhere, and one of your own is any such function.
"""
from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np

from lensfit.analysis.analysis import Analysis, Step
from lensfit.fitters.base import Fitter
from lensfit.fitters.checkpoint import Store
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.progress import Progress, part
from lensfit.recipe import FitSection
from lensfit.registry import fit, fitter, name_of
from lensfit.space import solve_amplitudes
from lensfit.staged.case import Case
from lensfit.staged.stages import Stages
from lensfit.trust import examine

MOVED = 1.0
"""Change of chi2 by calibrating anew at the end of a fit up to which it stays."""

logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True)
class Region:
    """Choose the mask of an image, or the window of visibilities, from the data, unless it was given."""

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with its region chosen."""
        return analysis.changed(seen=analysis.observation.region(analysis.fit.standard is not None))


@dataclasses.dataclass(frozen=True)
class Search:
    """Fit from the data and the priors alone, by any fitter; `checkpoint` is where it keeps what it needs to go on."""

    fitter: Fitter | str = "staged"
    checkpoint: Store | None = dataclasses.field(default=None, repr=False)

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with what was found."""
        analysis = analysis.ready()
        result = fit(analysis.problem, self.fitter, seed=analysis.fit.seed, progress=progress,
                     checkpoint=self.checkpoint)  # fmt: skip
        advice = analysis.observation.advice(analysis.problem.likelihood, result.model)
        result = dataclasses.replace(result, notes=(*result.notes, *advice))
        return analysis.changed(result=result, fit=_by(analysis.fit, self.fitter))


@dataclasses.dataclass(frozen=True)
class Posterior:
    """Fit by another fitter, a sampler for instance; one that needs an optimum begins at that of the analysis."""

    fitter: Fitter | str = "importance"
    checkpoint: Store | None = dataclasses.field(default=None, repr=False)

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis with the fitter's result."""
        chosen = fitter(self.fitter) if isinstance(self.fitter, str) else self.fitter
        start = analysis.fitted if chosen.needs_optimum else None
        result = fit(analysis.problem, chosen, seed=analysis.fit.seed, start=start, progress=progress,
                     checkpoint=self.checkpoint)  # fmt: skip
        if analysis.parametric is not None:
            result = examine(analysis.problem, result, start=start, parametric=analysis.parametric.fitted)
        return analysis.changed(result=result, fit=_by(analysis.fit, self.fitter))


def _by(section: FitSection, chosen: Fitter | str) -> FitSection:
    """A section of a recipe with this fitter and those of its settings that are not as by default."""
    if isinstance(chosen, str):
        return dataclasses.replace(section, fitter=chosen, settings=None)
    fields = [(f.name, getattr(chosen, f.name), f.default) for f in dataclasses.fields(chosen)]  # pyright: ignore
    settings = {name: value for name, value, default in fields if value != default}
    return dataclasses.replace(section, fitter=name_of(chosen), settings=settings or None)


def with_time(result: FitResult, before: FitResult) -> FitResult:
    """The result with the time of the one before added to its own."""
    spent = {name: getattr(before, name) + getattr(result, name) for name in ("seconds", "cpu_seconds")}
    return dataclasses.replace(result, **spent)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Fit flux scales, shifts and antenna phases of visibilities together with the model.

    Shifts are aligned on the non-negative image of all datasets; a model comes from the fit so far or, without one,
    from the stages of the staged fitter, whose best basins are all calibrated: data with phase errors may favour a
    wrong one. Model and calibration go to their joint optimum, and the search begins
    again from the data as they are calibrated there, so that a basin which the first calibration alone favoured is
    found out; a fit that moved away from its calibration is calibrated anew, at most `passes` times.

    Nothing is done where the data have no calibration that is to be fitted.
    """

    search: Step = Search()
    passes: int = 3

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis calibrated, and fitted so."""
        if not analysis.observation.free:
            return analysis
        analysis, case, thetas, chi2 = _first_models(analysis, part(progress, 0.0, 0.3))
        now = analysis.observation.calibrated_with(case, thetas)
        for _ in range(self.passes):
            analysis = self.search(analysis.changed(seen=now), part(progress, 0.4, 0.6))
            problem, result = analysis.problem, analysis.fitted
            now = now.calibrated(problem.likelihood, result.model)
            after = Problem(problem.model, now.term(problem.model))
            if abs(-2 * float(after.log_likelihood(result.theta) - result.log_likelihood)) < MOVED:
                break
            now = now.calibrated_with(case, [np.array([result[name] for name in case.space.names])])
        gain = f"{now.free} calibration parameters, fitted with the model, lowered chi2 by {chi2 - result.chi2:.0f}"
        told = dataclasses.replace(result, notes=(*result.notes, gain, *now.calibration_notes()))
        return analysis.changed(seen=now, posed=problem, result=told)


def _first_models(analysis: Analysis, progress: Progress) -> tuple[Analysis, Case, list[np.ndarray], float]:
    """The analysis aligned, its case, thetas (n,) of the case that may be right, and the chi2 of the first: that of
    the fit so far, or the basins of the stages."""
    aligned = analysis.changed(seen=analysis.observation.aligned()).ready()
    term: Any = aligned.problem.likelihood
    stages = Stages.of(term)
    case = stages.case(solve_amplitudes(aligned.problem.model), term)
    if analysis.result is not None:
        return aligned, case, [np.array([analysis.result[name] for name in case.space.names])], analysis.result.chi2

    def tell(stage: str, chi2: float, share: float, point: Any) -> None:
        progress(stage, chi2, share)

    found = stages.run(case, np.random.default_rng(analysis.fit.seed), tell)
    others = [basin.theta for basin in found.basins[1:]]
    return aligned, case, [found.theta, *others], float(found.point.chi2)
