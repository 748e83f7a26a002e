"""A fit of visibilities whose calibration is fitted along: flux scales, shifts, antenna phases."""
from __future__ import annotations

import dataclasses

import numpy as np

from lensfit.fitters.base import Progress, silent
from lensfit.fitters.result import FitResult
from lensfit.likelihood.joint import Observations
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.registry import fit
from lensfit.space import solve_amplitudes
from lensfit.staged.stages import Stages
from lensfit.staged.visibility_stages import align, calibrate, seen

PASSES = 3
"""Most times that a fit which moved away from its calibration is calibrated anew."""
MOVED = 1.0
"""Change of chi2 by calibrating anew at the end of a fit up to which it stays."""


@dataclasses.dataclass(frozen=True, eq=False)
class CalibratedFit:
    """What was fitted in the end: the problem, its result, and the observations as they are calibrated there."""

    problem: Problem
    result: FitResult
    observations: Observations


def fit_observations(
    model: LensModel, observations: Observations, fitter: str = "staged", *, seed: int = 0, progress: Progress = silent
) -> CalibratedFit:
    """Fit a model to datasets together with their calibration.

    Shifts are aligned on the non-negative image of all datasets and a model is found by the stages.
    Model and calibration then go to their joint optimum, and the named fitter begins again from the data as
    they are calibrated there, so that a basin which the first calibration alone favoured is found out.

    Raises FitError as the fitter does.
    """
    if not observations.free:
        problem = Problem(model, observations.likelihood())
        return CalibratedFit(problem, fit(problem, fitter, seed=seed, progress=progress), observations)
    aligned = align(observations)
    likelihood = aligned.likelihood()
    stages = Stages.of(likelihood)
    case = stages.case(solve_amplitudes(model), likelihood)
    found = stages.run(case, np.random.default_rng(seed), lambda *told: _part(progress, 0.0, 0.3)(*told[:3]))
    now = calibrate(case, aligned, found.theta)
    for _ in range(PASSES):
        problem = Problem(model, now.likelihood())
        result = fit(problem, fitter, seed=seed, progress=_part(progress, 0.4, 0.6))
        now = now.calibrated(np.asarray(seen(problem.likelihood, result.model)))
        after = Problem(model, now.likelihood())
        if abs(-2 * float(after.log_likelihood(result.theta) - result.log_likelihood)) < MOVED:
            break
        values = dict(zip(result.names, result.theta, strict=True))
        now = calibrate(case, now, np.array([values[name] for name in case.space.names]))
    notes = (*result.notes, *describe(now, float(found.point.chi2) - result.chi2))
    return CalibratedFit(problem, dataclasses.replace(result, notes=notes), now)


def _part(progress: Progress, start: float, width: float) -> Progress:
    """Progress of a part of the whole that begins at share `start` and is `width` of it."""

    def told(stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None) -> None:
        progress(stage, chi2, start + width * share, note, theta)

    return told


def describe(observations: Observations, gain: float) -> list[str]:
    """What the calibration came out at, in plain words."""
    notes = [f"{observations.free} calibration parameters, fitted with the model, lowered chi2 by {gain:.0f}"]
    for number, c in enumerate(observations.calibrations):
        if c.aligned:
            scale, x, y = np.exp(c.numbers[0]), *c.numbers[1:3]
            notes.append(f"dataset {number + 1}: flux scale {scale:.4f}, shift ({x:.4f}, {y:.4f}) arcsec")
        if c.basis.size:
            phases = np.degrees(c.basis @ c.numbers[3 * c.aligned :])
            notes.append(f"dataset {number + 1}: phases of {len(phases)} antennas, rms {np.std(phases):.1f} degrees")
    return notes
