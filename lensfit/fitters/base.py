"""What every fitter is and is given: `Fitter` with its settings, and `Checkpoint`."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.progress import Progress
from lensfit.terms import Term

State = dict[str, Any]
"""What a fitter needs to go on: NumPy arrays, bytes (a file of its library), or what JSON can hold, by name."""


class Checkpoint(Protocol):
    """Where a fit keeps what it needs to go on after an interruption."""

    def load(self) -> State | None:
        """The last state that was kept, None where the fit begins."""
        ...

    def offer(self, make: Callable[[], State]) -> None:
        """To be called at every safe point, with a function that gives the state there.

        It is called and kept where an interval has passed. Raises KeyboardInterrupt, with the state kept,
        where the user asked the fit to stop.
        """
        ...


class NoCheckpoint:
    """Keeps nothing."""

    def load(self) -> State | None:
        """None."""
        return None

    def offer(self, make: Callable[[], State]) -> None:
        """Nothing."""


class Fitter(Protocol):
    """An algorithm with its settings: a frozen dataclass, its fields the settings.

    needs: what it asks of the likelihood, as a type: `Term` for a density alone.
    needs_gradient: whether it asks for derivatives, which not every problem has (`Problem.has_gradient`).
    needs_optimum: whether it wants an optimum as its start; the command line and `compare` give it that of `staged`.
    explores_prior: whether it looks at the whole prior; it takes no start then.
    packages: the distributions it needs; their version must not change between a fit and its resumption.

    `fit` refuses a problem that lacks what is needed.
    """

    needs: ClassVar[type[Term]]
    needs_gradient: ClassVar[bool]
    needs_optimum: ClassVar[bool]
    explores_prior: ClassVar[bool]
    packages: ClassVar[tuple[str, ...]]

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Fit the problem from `start`, theta (n,), or from its prior where that is None.

        Same seed, same result, also where it goes on from what `checkpoint` kept. `fit` has checked that ln L
        is finite at `start`. Raises FitError where no fit can be returned.
        """
        ...


def at_least(fitter: Any, **lowest: float) -> None:
    """Raise FitError where a setting of a fitter is below its lowest value or no number."""
    for name, low in lowest.items():
        value = getattr(fitter, name)
        kind = int if isinstance(low, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not value >= low:
            what = "whole number" if isinstance(low, int) else "number"
            raise FitError(f"{type(fitter).__name__}: {name} = {value!r} is out of range; give a {what} from {low} on")


def below(fitter: Any, **limits: float) -> None:
    """Raise FitError where a number among the settings of a fitter reaches its limit."""
    for name, limit in limits.items():
        value = getattr(fitter, name)
        if not value < limit:
            raise FitError(f"{type(fitter).__name__}: {name} = {value!r} is out of range; give a number below {limit}")


def one_of(fitter: Any, name: str, choices: tuple[str, ...]) -> None:
    """Raise FitError where a setting is none of the choices."""
    value = getattr(fitter, name)
    if value not in choices:
        raise FitError(f"{type(fitter).__name__}: {name} = {value!r}; give one of {', '.join(choices)}")
