"""Descents, and the count of what they cost."""
from __future__ import annotations

from typing import Any

import numpy as np

from lensfit.fitters.lm import Descent, descend
from lensfit.space import Space


class Tally:
    """Runs the descents of one fit and counts evaluations of the likelihood and of its derivatives."""

    def __init__(self) -> None:
        self.evaluations = 0
        self.gradients = 0

    def descend(
        self,
        space: Space,
        likelihood: Any,
        theta: np.ndarray,
        free: np.ndarray,
        iterations: int,
        tolerance: float,
        groups: tuple[str, ...],
        shown: np.ndarray | bool = True,
        exact: bool = False,
    ) -> Descent:
        """See `lensfit.fitters.lm.descend`."""
        end = descend(space, likelihood, theta, free, iterations, tolerance, groups, shown, exact)
        self.evaluations += int(end.trials)
        self.gradients += int(end.systems)
        return end
