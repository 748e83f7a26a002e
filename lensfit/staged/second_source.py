"""A fit of one source carried on to two: from where its neighbouring model with a second source ended, from the other
basins of its search, and from other places of the second source.
"""
from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.lm import Point
from lensfit.fitters.result import Clock, FitResult, Variant
from lensfit.model import Models
from lensfit.problem import Problem
from lensfit.progress import Progress
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Score, Tally, objective_score
from lensfit.staged.joint import Joint, start_beside, with_second_source
from lensfit.staged.larger import RIVALS, TWO_SOURCES, Larger, finish_larger, objective
from lensfit.staged.nested import grow
from lensfit.staged.stages import Stages
from lensfit.staged.sum_search import leading
from lensfit.terms import LeastSquares, Sum

ONE_SOURCE = "one source"


def neighbour_with_two_sources(result: FitResult) -> Variant | None:
    """The neighbouring model with a second source, where one was fitted."""
    return next((v for v in result.variants if v.name == TWO_SOURCES), None)


def fit_two_sources(problem: Problem, result: FitResult, seed: int, progress: Progress) -> tuple[Problem, FitResult]:
    """The problem with a second source like the first, and its fit, not examined yet.

    What the search of the smaller model found is asked again: each of its basins is a start of the larger one, and the
    end of its other search is one with the second source at other places.

    Raises:
        FitError: the result has no neighbour with two sources, or was not searched for.
    """
    clock, neighbour, search = Clock.start(), neighbour_with_two_sources(result), result.search
    if neighbour is None or search is None:
        raise FitError("a second source is added to a fit of one source by staged, which has it as a neighbour")
    larger = Problem(with_second_source(problem.model), problem.likelihood)
    likelihood = cast(LeastSquares, problem.likelihood)
    (stages, score), tally = _stages_of(problem), Tally()
    one, two = (solve_amplitudes(p.model) for p in (problem, larger))
    small = Joint.over(one, Space.of(one), tally, score)
    joint = Joint.over(two, Space.of(two), tally, score)

    def widened(theta: np.ndarray) -> np.ndarray:
        values = dict(zip(problem.names, theta, strict=True))
        return small.widened(np.array([values[name] for name in small.space.names]))

    def from_basin(theta: np.ndarray) -> Point:
        start = widened(theta)
        tried = [joint.descend(likelihood, start_beside(small, start, s), 10, 1.0) for s in stages.seconds]
        best = min(tried, key=objective)
        return joint.descend(likelihood, np.asarray(best.theta), 15, 1.0)

    progress("two sources", neighbour.chi2, 0.0)
    found = np.array([neighbour.values[name] for name in joint.space.names])
    first = joint.descend(likelihood, found, 10, 1.0)
    if isinstance(likelihood, Sum):
        other = from_basin(search.other)
    else:
        case = dataclasses.replace(stages.case(two, likelihood), tally=tally)
        grown = grow(case, joint, widened(search.other), np.random.default_rng([seed, 2]))
        other = joint.descend(likelihood, grown.theta, 25, 1.0)
    rivals = [from_basin(basin.theta) for basin in search.basins[1 : 1 + RIVALS]]
    smaller = [dataclasses.replace(v, name=_renamed(v.name)) for v in result.variants if TWO_SOURCES not in v.name]
    begun = Larger(larger, joint, stages)
    return larger, finish_larger(begun, (first, other, *rivals), clock, result, smaller, progress)


def _stages_of(problem: Problem) -> tuple[Stages, Score]:
    """The stages of the data, of several those of the leading ones, and what ends of descents are ranked by."""
    likelihood = cast(LeastSquares, problem.likelihood)
    if not isinstance(likelihood, Sum):
        stages = Stages.of(likelihood)
        return stages, stages.score
    return Stages.of(likelihood.terms[leading(likelihood, cast(Models, problem.model))]), objective_score


def _renamed(name: str) -> str:
    return ONE_SOURCE if name == "as fitted" else f"{ONE_SOURCE}, {name}"
