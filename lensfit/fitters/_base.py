"""What every fitter is and gives: `Fitter`, `FitResult` with its `Trust`, and the progress it reports."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from lensfit.model import LensModel
from lensfit.problem import Problem

Progress = Callable[[str, float, float], None]
"""Called as progress(stage, best chi2, share of the work that is done)."""


def silent(stage: str, chi2: float, share: float) -> None:
    """Progress that nobody sees."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One question to a fit: what was asked, whether the answer is good, and the finding in words."""

    name: str
    passed: bool
    finding: str


@dataclasses.dataclass(frozen=True)
class Trust:
    """Whether a fit may be believed, and why not."""

    checks: tuple[Check, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether every check passed, and at least one was made."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings of the checks that failed."""
        return tuple(check.finding for check in self.checks if not check.passed)


@dataclasses.dataclass(frozen=True)
class Variant:
    """The same data under a neighbouring model: its name, chi2 and the parameters it shares, by name."""

    name: str
    chi2: float
    values: dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """What a fitter found; arrays follow the order of `names`, values in `units`.

    theta, errors (n,): best values and one-sigma statistical errors. covariance (n, n) of theta.
    amplitudes, amplitude_errors (K,): the solved ones, named in `amplitude_names`.
    spread (n,): half the range over those `variants`, models next to this one, that fit nearly as well; NaN
    where they do not have it.
    samples (S, n) with weights (S,), log_evidence and its error: of samplers, else None.
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
    """An algorithm with its settings."""

    def run(self, problem: Problem, *, seed: int, progress: Progress) -> FitResult:
        """Fit the problem; same seed, same result. Raises FitError where no fit can be returned."""
        ...
