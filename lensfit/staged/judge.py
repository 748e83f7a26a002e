"""The checks of the staged fitter put to the result of any other fitter."""
from __future__ import annotations

import dataclasses

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.space import solve_amplitudes
from lensfit.staged.joint import Joint
from lensfit.staged.stages import Stages
from lensfit.staged.trust import GAIN, check_fit
from lensfit.verdict import Check, Trust

POOR = 10.0
"""chi2 over the number of data from which on a fit that no search vouches for is taken to be in a wrong basin."""


def own_checks(result: FitResult) -> list[Check]:
    """Those that the fitter made, or whether it converged."""
    word = "it converged" if result.converged else "it did not converge; let it run longer or from elsewhere"
    return [*result.trust.checks] or [Check.of("converged", result.converged, f"{result.fitter}: {word}")]


def judged(problem: Problem, result: FitResult) -> FitResult:
    """The result with its trust: its fitter's own checks, or whether it converged, and those of a lens if it is one.

    The fitter made no search, or none that is known here: chi2 has to say that the basin is not a wrong one.

    The best of many samples need not be the optimum: chi2 + |z|^2 may still fall by 1 for each parameter.
    """
    checks = own_checks(result)
    try:
        stages = Stages.of(problem.likelihood)
        case = stages.case(solve_amplitudes(problem.model), problem.likelihood)
    except FitError as error:
        note = f"no checks of a lens: {error}"
        return dataclasses.replace(result, trust=Trust(tuple(checks)), notes=(*result.notes, note))
    joint = Joint.of(case)
    theta = np.array([result[name] for name in case.space.names])
    here, end = (joint.descend(problem.likelihood, theta, n, 1e-3) for n in (0, 10))
    gain = float(here.objective) - float(end.objective)
    most = GAIN if result.samples is None else max(GAIN, float(problem.ndim))
    evidence = stages.gather(problem.likelihood, result.model, here)
    checks += check_fit(case.space, case.roles, theta, evidence, gain, most)
    checks += stages.check_residual(problem.likelihood, here)
    ratio = result.chi2 / result.data_count
    found = f"chi2 is {ratio:.3g} times the number of data (less than {POOR:g}: no search says that no basin is better)"
    checks.append(Check.of("residuals", bool(ratio < POOR), found))
    return dataclasses.replace(result, trust=Trust(tuple(checks)))
