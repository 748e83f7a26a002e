"""The source of visibilities, and what is not lensed, by components: each where what the last model leaves asks."""
from __future__ import annotations

import dataclasses
import logging
from typing import Any, cast

import numpy as np

from lensfit.analysis.analysis import Analysis
from lensfit.analysis.steps import with_time
from lensfit.observations import Addition, Observation, again
from lensfit.problem import Problem
from lensfit.progress import Progress, part
from lensfit.space import solve_amplitudes
from lensfit.staged.larger import Larger, Values, fit_larger
from lensfit.staged.second_source import neighbour_with_two_sources
from lensfit.trust import examine
from lensfit.trust.examine import ABOUT_THE_DATA
from lensfit.trust.facts import PRIOR_WIDTHS
from lensfit.verdict import Trust

MOST = 4
"""Components that are added, at most."""

logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True)
class _Grown:
    """A model on its way: the data as they are calibrated for it, its problem, its values by name, chi2, what was added
    in words, and notes on that."""

    seen: Observation
    problem: Problem
    values: dict[str, float]
    chi2: float
    added: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> Any:
        """The model of numbers."""
        space = self.problem.space
        amplitudes = [self.values[p.name] for p in space.amplitudes]
        return space.build([self.values[name] for name in space.names]).filled(np.array(amplitudes))  # pyright: ignore


def with_components(analysis: Analysis, support: float, progress: Progress) -> Analysis:
    """The analysis with the components that gain more than `support` in Akaike's criterion, chi2 + 2 k; the same where
    none does. The noise of visibilities is known: it is that stated, or what they scatter by where that is more."""
    fitted = analysis.fitted
    values = dict(zip((*fitted.names, *fitted.amplitude_names), (*fitted.theta, *fitted.amplitudes), strict=True))
    now = _Grown(analysis.observation, analysis.problem, values, fitted.chi2)
    known, note = _second_beside(analysis), ""
    for k in range(MOST):
        tried = [_tried(now, one) for one in now.seen.additions(now.problem, now.model, known)]
        if not tried:
            break
        gain, words, end = max(tried, key=lambda one: one[0])
        note = _told(words, gain, support)
        logger.info("source: %s", note)
        if not gain > support:
            break
        end = dataclasses.replace(end, added=(*now.added, words), notes=(*now.notes, note))
        now, known = _calibrated(end), {}
        progress(words, now.chi2, 0.5 * (k + 1) / MOST)
    if not now.notes:
        return analysis.changed(result=dataclasses.replace(fitted, notes=(*fitted.notes, *([note] * bool(note)))))
    return _fitted(analysis, now, part(progress, 0.5, 0.5))


def _told(words: str, gain: float, support: float) -> str:
    if np.isneginf(gain):
        return f"{words} takes the mass far out of its prior, and was left out"
    done = "lowered" if gain > support else "would lower" if gain > 0 else "would raise"
    return f"{words} {done} Akaike's criterion by {abs(gain):.0f}"


def _second_beside(analysis: Analysis) -> dict[str, float]:
    """The values of a second source where it stands beside the fit as a neighbour."""
    neighbour = neighbour_with_two_sources(analysis.fitted)
    own = {*analysis.fitted.names, *analysis.fitted.amplitude_names}
    return {} if neighbour is None else {n: v for n, v in neighbour.values.items() if n not in own}


def _tried(now: _Grown, addition: Addition) -> tuple[float, str, _Grown]:
    """By how much an addition lowers the criterion, its name, and where it ends; infinitely little where it takes the
    mass far out of its priors."""
    problem = Problem(addition.model, now.problem.likelihood)
    larger = Larger.of(problem)
    point = larger.begun(now.values, lambda _: addition.starts)
    end = dataclasses.replace(now, problem=problem, values=larger.values(point), chi2=float(point.chi2))
    gain = _gain(now, end)
    logger.info("source: %s: %.0f", addition.words, gain)
    masses = np.array([p.group == "mass" for p in larger.joint.space.parameters])
    far = np.any(abs(np.asarray(point.z))[masses] > PRIOR_WIDTHS)
    return -np.inf if far else gain, addition.words, end


def _gain(now: _Grown, larger: _Grown) -> float:
    """By how much a larger model lowers the criterion."""
    counts = [len(one.problem.space.names) + len(one.problem.space.amplitudes) for one in (now, larger)]
    scatter = larger.chi2 / cast(Any, larger.problem.likelihood).data_count
    return (now.chi2 - larger.chi2) / max(scatter, 1.0) - 2 * (counts[1] - counts[0])


def _calibrated(now: _Grown) -> _Grown:
    """The same with the calibration at the joint optimum with it."""
    if not now.seen.free:
        return now
    larger = Larger.of(now.problem)
    case = larger.stages.case(solve_amplitudes(now.problem.model), cast(Any, now.problem.likelihood))
    seen = now.seen.calibrated_with(case, [np.array([now.values[name] for name in case.space.names])])
    problem = Problem(now.problem.model, seen.term(now.problem.model))
    larger = Larger.of(problem)
    point = larger.begun(now.values, lambda _: ({},))
    return dataclasses.replace(now, seen=seen, problem=problem, values=larger.values(point), chi2=float(point.chi2))


def _fitted(analysis: Analysis, now: _Grown, progress: Progress) -> Analysis:
    """The whole fit of the model that was grown, with its rivals, neighbours, errors and checks."""
    before, new = analysis.fitted, [name for name in now.problem.names if name not in analysis.fitted.names]

    def starts(known: Values) -> tuple[Values, ...]:
        return (again(known, now.values, new),)

    smaller = f"without {', '.join(now.added)}"
    result = fit_larger(analysis.problem, before, now.problem, now.values, starts, smaller, progress)
    result = examine(now.problem, result)
    kept = tuple(check for check in before.trust.checks if check.name in ABOUT_THE_DATA)
    old = tuple(note for note in before.notes if note not in analysis.observation.calibration_notes())
    result = dataclasses.replace(
        with_time(result, before), trust=Trust((*result.trust.checks, *kept)), provenance=before.provenance,
        notes=(*old, *result.notes, *now.notes, *now.seen.calibration_notes()),
    )  # fmt: skip
    return analysis.changed(seen=now.seen, model=now.problem.model, posed=now.problem, result=result)
