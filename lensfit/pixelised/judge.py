"""The checks of a source on pixels, put to the result of any fitter."""
from __future__ import annotations

import dataclasses

from lensfit.fitters.result import FitResult
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.pixelised.trust import check_source, measure
from lensfit.problem import Problem
from lensfit.staged.judge import own_checks
from lensfit.verdict import Trust


def judged(problem: Problem, result: FitResult) -> FitResult:
    """The result with its trust: its fitter's own checks, or whether it converged, and those of the source."""
    return checked(problem, result, problem.reconstruct(result.theta))


def checked(problem: Problem, result: FitResult, found: Reconstruction) -> FitResult:
    """The same where the result is reconstructed already."""
    checks = [*own_checks(result), *check_source(measure(problem.likelihood, found))]
    return dataclasses.replace(result, trust=Trust(tuple(checks)))
