"""What all stages of one fit share."""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lensfit.model import LensModel
from lensfit.space import Space
from lensfit.staged.roles import Roles
from lensfit.staged.tally import Tally


@dataclasses.dataclass(frozen=True)
class Basin:
    """A place found by the search: theta (n,), and the score it is ranked by (small is good, never NaN)."""

    theta: np.ndarray
    score: float


@dataclasses.dataclass(frozen=True)
class Levels:
    """One likelihood three times: 2x2-binned, full pixels with at most 2x2 sub-pixels, and as given."""

    coarse: Any
    medium: Any
    full: Any

    @classmethod
    def of(cls, likelihood: Any) -> Levels:
        """The levels of a likelihood."""
        coarse = type(likelihood).of(likelihood.observed().binned(2), 2)
        return cls(coarse=coarse, medium=likelihood.capped(2), full=likelihood)


@dataclasses.dataclass(frozen=True)
class Case:
    """One fit: the model whose amplitudes are solved, its space and roles, the data, and the tally of descents."""

    model: LensModel
    space: Space
    roles: Roles
    levels: Levels
    tally: Tally

    @classmethod
    def of(cls, model: LensModel, likelihood: Any) -> Case:
        """Raises FitError where the model cannot be staged."""
        space = Space.of(model)
        return cls(model, space, Roles.of(space), Levels.of(likelihood), Tally())
