"""A fit examined: its fitter's own checks, the questions, and what an earlier fit at the same optimum answers."""
from __future__ import annotations

import dataclasses

import numpy as np

from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.trust.facts import AGREE, gather, is_lens
from lensfit.trust.questions import QUESTIONS, answers
from lensfit.verdict import Check, Outcome, Trust

SAME = 1.0
"""Errors of each parameter within which a fit is taken to have stayed at the optimum of its start."""
ABOUT_THE_DATA = ("companions",)
"""Checks made elsewhere that hold for every fit at the same optimum."""
ABOUT_THE_BASIN = ("another seed", "next basin", *ABOUT_THE_DATA)
"""Checks of a fit of profiles that hold for one with its source on pixels that began there and kept its radius."""


def examine(
    problem: Problem, result: FitResult, *, start: FitResult | None = None, parametric: FitResult | None = None
) -> FitResult:
    """The result with its trust, its neighbours that count and the spread over them.

    Args:
        start: the result that it began at. Where the optimum is the same, what was found of that one holds here.
        parametric: the fit of profiles that one with its source on pixels began at.
    """
    if start is not None and not _same(result, start):
        start = None
    if start is not None:
        result = _with_found(result, start)
    names = {question.name for question in QUESTIONS} | {"lens", "converged"}
    own = [check for check in result.trust.checks if check.name not in names]
    word = "it converged" if result.converged else "it did not converge; let it run longer or from elsewhere"
    if not own and result.gain is None:
        own = [Check.of("converged", result.converged, f"{result.fitter}: {word}")]
    about = ABOUT_THE_DATA
    if is_lens(problem, result):
        result, facts = gather(problem, result, parametric)
        alone = tuple(str(s) for s in facts.slopes if s.prior_alone and str(s) not in result.notes)
        result = dataclasses.replace(result, notes=(*result.notes, *alone))
        checks = [*own, *answers(facts)]
        if facts.against is not None and abs(facts.against.radius - 1) < AGREE:
            about = ABOUT_THE_BASIN
    else:
        told = "no check of a lens was made: the model has no mass or no source, or its data are of no known kind"
        checks = [*own, Check("lens", Outcome.UNCHECKED, told)]
    if start is not None:
        checks = _answered(checks, start, {*names, *ABOUT_THE_DATA})
    if parametric is not None:
        checks = _answered(checks, parametric, set(about))
    return dataclasses.replace(result, trust=Trust(tuple(checks)))


def _same(result: FitResult, start: FitResult) -> bool:
    """Whether a fit stayed at the optimum that it began at."""
    return start.names == result.names and bool(np.all(abs(result.theta - start.theta) < SAME * result.errors))


def _with_found(result: FitResult, start: FitResult) -> FitResult:
    """The result with the search and the neighbours of the one that it began at."""
    if result.search is None:
        result = dataclasses.replace(result, search=start.search, explored=result.explored or start.explored)
    if not result.variants:
        result = dataclasses.replace(result, variants=start.variants, spread=start.spread)
    return result


def _answered(checks: list[Check], earlier: FitResult, names: set[str]) -> list[Check]:
    """The checks, those of these names that are unchecked or were not asked with the answers of an earlier fit."""
    answers = {check.name: check for check in earlier.trust.checks if check.name in names}
    made = [answers.pop(c.name, c) if c.outcome is Outcome.UNCHECKED else c for c in checks]
    asked = {check.name for check in made}
    return [*made, *(check for name, check in answers.items() if name not in asked)]
