"""What every fitter is, is given and gives: `Fitter`, `Progress`, `Checkpoint`, `FitResult`."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np

from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.progress import Progress
from lensfit.verdict import Trust

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


@dataclasses.dataclass(frozen=True)
class Variant:
    """The same data under a neighbouring model: its name, chi2 and the parameters it shares, by name.

    counts: it fits nearly as well as the fit itself, and the spread is over it too.
    """

    name: str
    chi2: float
    values: dict[str, float]
    counts: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """What says whether samples can be relied upon; None where it does not apply to the fitter.

    effective_samples: of the worst parameter for chains, else Kish's of the weights. chains: the samples are
    that many chains of one length, one after the other. r_hat: the worst parameter's (below 1.01 is good).
    divergences: of NUTS (0 is good). pareto_k: of importance weights (below 0.7).
    """

    effective_samples: float
    chains: int = 1
    r_hat: float | None = None
    divergences: int | None = None
    pareto_k: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """What a fitter found; arrays follow the order of `names`, values in `units`.

    theta, errors (n,): best values and one-sigma statistical errors. covariance (n, n) of theta.
    amplitudes, amplitude_errors (K,): the solved ones, named in `amplitude_names`.
    spread (n,): half the range over those `variants`, models next to this one, that fit nearly as well; NaN
    where they do not have it.
    samples (S, n) with weights (S,) and ln L (S,), their diagnostics, log_evidence and its error: of samplers,
    else None.
    chi2 and log_likelihood are the problem's at theta; data_count is the number of pixels they sum over.
    evaluations and gradients count calls of the likelihood; None where the fitter does not count them.
    """

    fitter: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    symbols: tuple[str, ...]
    theta: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    amplitude_names: tuple[str, ...]
    amplitudes: np.ndarray
    amplitude_errors: np.ndarray
    spread: np.ndarray
    variants: tuple[Variant, ...]
    model: LensModel
    log_likelihood: float
    log_posterior: float
    chi2: float
    data_count: int
    evaluations: int | None
    gradients: int | None
    seconds: float
    cpu_seconds: float
    converged: bool
    trust: Trust
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    samples: np.ndarray | None = None
    weights: np.ndarray | None = None
    log_likelihoods: np.ndarray | None = None
    diagnostics: Diagnostics | None = None
    log_evidence: float | None = None
    log_evidence_error: float | None = None

    def __getitem__(self, name: str) -> float:
        """Best value of a parameter or a solved amplitude, by its dotted name."""
        if name in self.names:
            return float(self.theta[self.names.index(name)])
        if name in self.amplitude_names:
            return float(self.amplitudes[self.amplitude_names.index(name)])
        raise KeyError(f"{name}: the fit has {', '.join(self.names + self.amplitude_names)}")


class Fitter(Protocol):
    """An algorithm with its settings: a frozen dataclass, its fields the settings.

    needs_gradient: whether it asks for derivatives, which not every problem has (`Problem.has_gradient`).
    needs_optimum: whether it wants an optimum as its start; the command line and `compare` give it that of `staged`.
    packages: the distributions it needs; their version must not change between a fit and its resumption.
    """

    needs_gradient: ClassVar[bool]
    needs_optimum: ClassVar[bool]
    packages: ClassVar[tuple[str, ...]]

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Fit the problem from `start`, theta (n,), or from its prior where that is None.

        Same seed, same result, also where it goes on from what `checkpoint` kept. `fit` has checked that ln L
        is finite at `start`. Raises FitError where no fit can be returned.
        """
        ...
