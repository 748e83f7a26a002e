"""What is known of the slope of a mass: its value, how well the data tell it, and over which models it spreads."""
from __future__ import annotations

import dataclasses

import numpy as np

from lensfit.fitters.result import FitResult, Variant
from lensfit.problem import Problem

ALONE = 0.9
"""Error of a slope over the width of its prior from which on the prior alone decides it: the data have less than a
fifth of the weight."""


HELD = 0.006
"""What a slope that is not fitted adds to the spread of an Einstein radius, relative: galaxies have slopes of 2.08 +-
0.16, and of simulated ones, seeds 0 to 26 of benchmarks/realistic.py, two thirds come out within it by an SIE."""
UNSEEN = 0.02
"""What neighbouring models of an image do not show of a slope, added to its spread: a PSF that differs, masses and
light that none of them has. Chosen on lenses without a satellite of benchmarks/realistic.py, seeds 13 to 72 and 200 to
246: these are no test of it."""


@dataclasses.dataclass(frozen=True)
class Slope:
    """A slope that was fitted: its dotted name, value and statistical error, and the width of its prior."""

    name: str
    value: float
    error: float
    width: float

    @property
    def prior_alone(self) -> bool:
        """Whether the prior decides it, not the data."""
        return not self.error < ALONE * self.width

    def __str__(self) -> str:
        told = f"{self.name} = {self.value:.3f} +- {self.error:.3f}"
        if self.prior_alone:
            return f"{told} is decided by its prior alone, of width {self.width:.3f}, and is no measurement"
        return f"{told}, {100 * (self.error / self.width) ** 2:.0f} % of its weight from its prior"


def slopes_of(problem: Problem, result: FitResult) -> tuple[Slope, ...]:
    """The slopes among the parameters of a fit."""
    found = []
    for k in places(problem):
        steps = np.outer([1.0, -1.0], np.arange(problem.ndim) == k)
        above, below = np.asarray(problem.to_theta(steps))[:, k]
        share = float(result.errors[k]) / result.widened  # the prior's width is not widened
        found.append(Slope(problem.names[k], float(result.theta[k]), share, 0.5 * (above - below)))
    return tuple(found)


def places(problem: Problem) -> list[int]:
    """Where the slopes of masses stand among the parameters of a problem."""
    return [k for k, p in enumerate(problem.space.parameters) if p.group == "mass" and p.role == "slope"]


def of_held_slope(problem: Problem) -> float:
    """Relative error of an Einstein radius where no slope is fitted: `HELD`, else 0."""
    return 0.0 if places(problem) else HELD


def of_these_masses(problem: Problem, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """The variants that have all parameters of the masses: a slope without shear, say, is another quantity."""
    masses = {p.name for p in problem.space.parameters if p.group == "mass"}
    return tuple(v for v in variants if masses <= v.values.keys())
