"""What every fitter gives: `FitResult`, and `result_of`, which makes it of what a fitter found, the same for all."""
from __future__ import annotations

import dataclasses
import time
from html import escape
from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.laplace import Laplace, laplace, values_at
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.verdict import Trust
from lensfit.words import counted, no_such, number_text

DRAWS = 128
"""Samples over which the scatter of the solved amplitudes is measured."""


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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FitResult:
    """What a fitter found; arrays follow the order of `names`, values in `units`.

    Attributes:
        fitter: its name.
        names, units, symbols: of each parameter: dotted name, unit, symbol in LaTeX.
        theta, errors: (n,) best values and one-sigma statistical errors.
        covariance: (n, n) of theta.
        amplitude_names: of the solved amplitudes.
        amplitudes: (K,) of these. amplitude_covariance: (K, n + K) of them with theta and with one another, NaN of one
            that is held at zero.
        spread: (n,) half the range over those `variants` that fit nearly as well; NaN where they do not have it.
        variants: models next to this one, this one first.
        model: the best, a number at every leaf.
        log_likelihood, log_posterior, chi2: the problem's at theta.
        data_count: number of pixels, or of real and imaginary parts, that these sum over.
        evaluations, gradients: calls of the likelihood; None where the fitter does not count them.
        seconds, cpu_seconds: what the fit took.
        converged: whether the fitter ended by its own criterion.
        trust: the verdict.
        notes: on the fit, in plain words.
        provenance: versions, seed and settings.
        samples, weights, log_likelihoods: (S, n), (S,), (S,) of samplers, else None.
        diagnostics: of the samples, None without them.
        log_evidence, log_evidence_error: ln of the evidence where the fitter tells it, else None.
        search: of a fitter that searched from the data.
        explored: whether its fitter looked at the whole prior.
        gain: by how much chi2 + |z|^2 fell when its descent went on.
        widened: factor of the errors, and of those of the amplitudes, for what the model leaves on the arcs beyond the
            noise (see `lensfit.trust.of_image.OnArcs.extra`); of samples always 1.
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
    amplitude_covariance: np.ndarray
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
    widened: float = 1.0

    @property
    def amplitude_errors(self) -> np.ndarray:
        """One-sigma statistical errors (K,) of the solved amplitudes, NaN of one that is held at zero."""
        return np.sqrt(np.diag(self.amplitude_covariance[:, len(self.theta) :]))

    @property
    def joint_covariance(self) -> np.ndarray:
        """(n + K, n + K) of theta and the solved amplitudes."""
        above = np.concatenate([self.covariance, self.amplitude_covariance[:, : len(self.theta)].T], axis=1)
        return np.concatenate([above, self.amplitude_covariance])

    def __getitem__(self, name: str) -> float:
        """Best value of a parameter or a solved amplitude, by its dotted name."""
        if name in self.amplitude_names:
            return float(self.amplitudes[self.amplitude_names.index(name)])
        return float(self.theta[self.index(name)])

    def index(self, name: str) -> int:
        """Where a parameter, by its dotted name, stands in `names`, `theta`, `errors` and the columns of `samples`.

        Raises:
            KeyError: no parameter has that name; a solved amplitude is none.
        """
        if name in self.amplitude_names:
            raise KeyError(f"{name}: a solved amplitude, no parameter; its error is among amplitude_errors")
        if name not in self.names:
            raise KeyError(no_such(name, "parameter of the fit", self.names + self.amplitude_names))
        return self.names.index(name)

    def __repr__(self) -> str:
        ratio = f"chi2 {self.chi2:.1f} / {self.data_count} = {self.chi2 / self.data_count:.3f}"
        known = [counted(len(self.names), "parameter"), ratio]
        known += [] if self.samples is None else [counted(len(self.samples), "sample")]
        return f"<FitResult of {self.fitter}: {self.trust.word}, {', '.join(known)}>"

    def rows(self) -> list[tuple[str, str, str]]:
        """(name, value +- total error to its digits, unit) of each parameter, then of each solved amplitude."""
        spread = np.where(np.isnan(self.spread), 0.0, self.spread)
        found = zip(self.names, self.theta, np.hypot(self.errors, spread), self.units, strict=True)
        solved = zip(self.amplitude_names, self.amplitudes, self.amplitude_errors, strict=True)
        every = [*found, *((name, value, error, "data unit") for name, value, error in solved)]
        return [(name, f"{number_text(value, error)} +- {error:.2g}", unit) for name, value, error, unit in every]

    def summary(self) -> str:
        """Verdict with its reasons, chi2, and all parameters with their total errors, one a line."""
        ratio = f"chi2 {self.chi2:.1f} / {self.data_count} = {self.chi2 / self.data_count:.3f}"
        rows = self.rows()
        width = max((len(name) for name, _, _ in rows), default=0)
        return "\n".join([
            self.trust.headline,
            *(f"  {reason}" for reason in self.trust.reasons),
            f"{ratio}, ln L {self.log_likelihood:.1f}, {self.fitter} in {self.seconds:.1f} s",
            *(f"{name:<{width}}  {number} {unit}".rstrip() for name, number, unit in rows),
        ])  # fmt: skip

    def _repr_html_(self) -> str:
        """The summary as a table, for Jupyter."""
        cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows())
        about = escape(repr(self).strip("<>"))
        return f"<p><b>{escape(self.trust.headline)}</b><br>{about}</p><table>{cells}</table>"


@dataclasses.dataclass(frozen=True)
class Clock:
    """When a fit began, by the clock on the wall and by the processor's [s]."""

    wall: float
    cpu: float

    @classmethod
    def start(cls) -> Clock:
        """Begin now."""
        return cls(time.perf_counter(), time.process_time())


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Draws (S, n) of theta from the posterior with weights (S,); where known ln L (S,), ln evidence with its error."""

    theta: np.ndarray
    weights: np.ndarray
    log_likelihoods: np.ndarray | None = None
    diagnostics: Diagnostics | None = None
    log_evidence: float | None = None
    log_evidence_error: float | None = None

    @classmethod
    def equal(cls, theta: np.ndarray) -> Samples:
        """Draws (S, n) of equal weight, as Markov chains give them."""
        return cls(theta=theta, weights=np.full(len(theta), 1 / len(theta)))

    def in_result(self) -> dict[str, Any]:
        """They as the fields of a `FitResult`."""
        others = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "theta"}
        return {"samples": self.theta, **others}


def result_of(
    problem: Problem,
    theta: np.ndarray,
    *,
    fitter: str,
    clock: Clock,
    converged: bool,
    evaluations: int | None,
    gradients: int | None,
    samples: Samples | None = None,
    curvature: Laplace | None = None,
    notes: tuple[str, ...] = (),
    spread: np.ndarray | None = None,
    variants: tuple[Variant, ...] = (),
    trust: Trust = Trust(),  # noqa: B008 (frozen)
    search: Search | None = None,
    gain: float | None = None,
) -> FitResult:
    """The result of a fitter named `fitter` that began at `clock` and ended at theta (n,), its best point.

    Errors and covariance are those of the samples, or without samples those of the curvature at theta
    (`laplace`; a fitter that has them already gives them as `curvature`). Amplitudes, model, ln L and chi2
    are the problem's at theta.

    Raises FitError where the result would not be finite.
    """
    theta = np.asarray(theta, float)
    found = curvature or (
        laplace(problem.space, problem.likelihood, theta) if samples is None else _sampled(problem, theta, samples)
    )
    values = found.values
    log_likelihood, z = float(values.log_likelihood), np.asarray(values.z)
    amplitudes = np.asarray(values.amplitudes)
    if not (np.isfinite(log_likelihood) and np.all(np.isfinite(z))):
        raise FitError(f"{fitter}: ln L or the prior is not finite at the best point; start from elsewhere")
    parameters, n = problem.space.parameters, problem.ndim
    return FitResult(
        fitter=fitter,
        names=problem.names,
        units=tuple(p.unit for p in parameters),
        symbols=tuple(p.symbol for p in parameters),
        theta=theta,
        errors=np.sqrt(np.diag(found.covariance)[:n]),
        covariance=found.covariance[:n, :n],
        amplitude_names=tuple(p.name for p in problem.space.amplitudes),
        amplitudes=amplitudes,
        amplitude_covariance=found.covariance[n:],
        spread=np.full(n, np.nan) if spread is None else spread,
        variants=variants,
        model=problem.space.build(theta).filled(amplitudes),  # pyright: ignore[reportArgumentType]
        log_likelihood=log_likelihood,
        log_posterior=log_likelihood - 0.5 * float(z @ z) - 0.5 * n * np.log(2 * np.pi),
        chi2=float(values.chi2),
        data_count=problem.likelihood.data_count,
        evaluations=evaluations,
        gradients=gradients,
        seconds=time.perf_counter() - clock.wall,
        cpu_seconds=time.process_time() - clock.cpu,
        converged=converged,
        trust=trust,
        search=search,
        gain=gain,
        notes=notes + _profiled(problem, samples),
        **({} if samples is None else samples.in_result()),
    )


def _profiled(problem: Problem, samples: Samples | None) -> tuple[str, ...]:
    """What an evidence means where amplitudes were solved: L was maximised over them, not integrated."""
    count = len(problem.space.amplitudes)
    if samples is None or samples.log_evidence is None or not count:
        return ()
    return (
        f"ln evidence is that of L at its maximum over {count} solved amplitudes, which have no prior: it does not "
        "pay for them, so compare it with that of the same light profiles only",
    )


def _sampled(problem: Problem, theta: np.ndarray, samples: Samples) -> Laplace:
    """Values at theta with the covariance (n + K, n + K) of the samples and of the amplitudes solved at them.

    At each sample the amplitudes scatter about their best as well: that part is measured at theta.
    """
    weights = samples.weights / samples.weights.sum()
    spread = np.atleast_2d(np.cov(samples.theta, rowvar=False, aweights=weights))
    if not problem.space.amplitudes:
        return Laplace(values_at(problem.space, problem.likelihood, jnp.asarray(theta)), spread)
    n = problem.ndim
    held = laplace(problem.space, problem.likelihood, theta)
    chosen = samples.theta[np.random.default_rng(0).choice(len(weights), DRAWS, p=weights)]
    covariance = np.cov(np.concatenate([chosen, np.asarray(problem.amplitudes(chosen))], 1), rowvar=False)
    covariance[:n, :n] = spread
    covariance[n:, n:] += _given_theta(held.covariance, n)
    return Laplace(held.values, covariance)


def _given_theta(covariance: np.ndarray, n: int) -> np.ndarray:
    """Covariance (K, K) of the amplitudes with theta (n,) held; zero for one that is held itself."""
    known = np.isfinite(np.diag(covariance))
    precision = np.linalg.inv(covariance[np.ix_(known, known)])
    given = np.zeros((len(known) - n,) * 2)
    given[np.ix_(known[n:], known[n:])] = np.linalg.inv(precision[n:, n:])
    return given
