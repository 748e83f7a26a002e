"""What every fitter is, is given and gives: `Fitter`, `Progress`, `Checkpoint`, `FitResult`."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.verdict import Trust

State = dict[str, Any]
"""What a fitter needs to go on: NumPy arrays, bytes (a file of its library), or what JSON can hold, by name."""


class Progress(Protocol):
    """Is told how a fit goes on."""

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """The stage, the best chi2 (NaN where unknown) and the share of the work that is done.

        note: what else matters for this fitter, as "acceptance 0.31". theta (n,): the best point so far.
        """
        ...


def silent(stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None) -> None:
    """Progress that nobody sees."""


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
    """The same data under a neighbouring model: its name, chi2, the parameters it fits by name, and its numbers.

    counts: it fits nearly as well as the fit itself, and the spread is over it too.
    """

    name: str
    chi2: float
    values: dict[str, float]
    counts: bool
    model: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Basin:
    """A place found by a search: theta (n,), and the score it is ranked by (small is good, never NaN)."""

    theta: np.ndarray
    score: float


@dataclasses.dataclass(frozen=True, eq=False)
class Search:
    """What a search from the data found: the basins that came closest, best first, and the `other` theta (n,) at which
    a search with other random numbers ended."""

    basins: tuple[Basin, ...]
    other: np.ndarray


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
    search: of a fitter that searched from the data. explored: it looked at the whole prior. gain: by how much
    chi2 + |z|^2 fell when its descent went on.
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
    search: Search | None = None
    explored: bool = False
    gain: float | None = None

    def save(self, folder: str | Path) -> None:
        """Write result.json and, where there are samples, samples.ecsv into a folder, as `lensfit fit` does.

        Raises DataError where it cannot be written.
        """
        _saved().save(folder, self)

    @classmethod
    def load(cls, folder: str | Path) -> FitResult:
        """The result that `save` or `lensfit fit` wrote into a folder; nothing in it is a pickle.

        Units of the data come as the data named them. Raises DataError where files are missing or damaged.
        """
        return _saved().load(folder)

    def __getitem__(self, name: str) -> float:
        """Best value of a parameter or a solved amplitude, by its dotted name."""
        if name in self.names:
            return float(self.theta[self.names.index(name)])
        if name in self.amplitude_names:
            return float(self.amplitudes[self.amplitude_names.index(name)])
        raise KeyError(f"{name}: the fit has {', '.join(self.names + self.amplitude_names)}")


def _saved() -> Any:
    """The module of the files, which itself needs what is defined here."""
    from lensfit.fitters import _saved as module

    return module


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
