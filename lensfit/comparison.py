"""Fitters measured against each other on one problem: what they cost, and how near they come.

A `Watch` measures a run: its time, its best point so far, its calls; and ends it at the budget. A comparison is
then a table, a page of Markdown and a picture.
"""
from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import jax.monitoring
import numpy as np
from astropy.table import Column, Table
from jax.core import Tracer

from lensfit import registry
from lensfit.errors import DataError, FitError
from lensfit.fitters.base import Fitter
from lensfit.fitters.calls import log_normal
from lensfit.fitters.result import FitResult
from lensfit.plots import Course, comparison_figure
from lensfit.problem import Problem
from lensfit.progress import Progress, silent
from lensfit.results.document import plain, write_json
from lensfit.whole_files import replacing
from lensfit.words import counted

ARRIVED = 10.0
"""Chi2 above the best known optimum within which a run has arrived."""
FINISHED, STOPPED, FAILED = "finished", "stopped at the budget", "failed"
COMPILING = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
"""What JAX reports of every program that it traces, lowers and compiles or loads from its cache."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One fitter with one seed; what is not known is None.

    outcome: FINISHED, STOPPED or FAILED, the `reason` of which is the error's. seconds (wall), cpu_seconds: of
    the whole fit with its errors and checks. compile_seconds: the part of cpu_seconds in which JAX traced and
    compiled, or loaded what it had compiled. evaluations, gradients: calls of the likelihood. log_likelihood: the
    best that was seen. effective_samples, log_evidence with its error: of samplers that finished.
    trace: (cpu_seconds - compile_seconds, best ln L) at each gain.
    """

    fitter: str
    seed: int
    outcome: str
    reason: str
    seconds: float
    cpu_seconds: float
    compile_seconds: float
    evaluations: int | None
    gradients: int | None
    log_likelihood: float | None
    effective_samples: float | None
    log_evidence: float | None
    log_evidence_error: float | None
    trusted: bool | None
    trace: tuple[tuple[float, float], ...]

    @property
    def working(self) -> float:
        """CPU seconds without compilation [s]."""
        return self.cpu_seconds - self.compile_seconds

    @property
    def samples_per_second(self) -> float | None:
        """Effective samples per CPU second without compilation."""
        return None if self.effective_samples is None else self.effective_samples / self.working


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """All runs, each within `budget` CPU seconds, compilation not counted."""

    runs: tuple[Run, ...]
    budget: float

    def __repr__(self) -> str:
        return f"<Comparison of {counted(len(self.runs), 'run')} of {self.budget:g} CPU s each; best ln L {self.best}>"

    @property
    def best(self) -> float | None:
        """The best known optimum: ln L of the best point that any run saw."""
        return max((run.log_likelihood for run in self.runs if run.log_likelihood is not None), default=None)

    def gap(self, run: Run) -> float | None:
        """By how much the best ln L of a run stays below the best known."""
        return None if run.log_likelihood is None or self.best is None else self.best - run.log_likelihood

    def arrived(self, run: Run) -> bool:
        """Whether a run came within `ARRIVED` in chi2 of the best known optimum."""
        gap = self.gap(run)
        return gap is not None and 2 * gap <= ARRIVED

    def arrival(self, run: Run) -> float | None:
        """CPU seconds without compilation [s] after which a run had arrived, None where it did not."""
        best = self.best
        return None if best is None else next((at for at, value in run.trace if 2 * (best - value) <= ARRIVED), None)


def compare(
    problem: Problem,
    fitters: Iterable[str] | Mapping[str, Fitter],
    *,
    seeds: int = 2,
    budget: float = 60.0,
    progress: Progress = silent,
) -> Comparison:
    """Fit a problem with each fitter from its prior, with seeds 0 to `seeds` - 1 and `budget` CPU seconds each.

    Fitters that need an optimum to start at (`needs_optimum`) first get that of `staged`, at their own cost. A run
    that spends its budget is stopped and kept with the best it saw; one that raises FitError is kept with its reason.

    Args:
        problem: what is fitted.
        fitters: names, with their default settings, or objects with settings under names of your choice.
        seeds: how many runs each fitter has.
        budget: CPU seconds of a run, compilation not counted.
        progress: is told how each run goes on.

    Returns:
        All runs, with their courses.

    Raises:
        FitError: there is no fitter of a name or its package is missing, no fitter at all, or seeds or budget are
            not positive.
    """
    chosen = dict(fitters) if isinstance(fitters, Mapping) else dict.fromkeys(fitters)
    _check(chosen, seeds, budget)
    runs: list[Run] = []
    for name, given in chosen.items():
        for seed in range(seeds):
            told = _part(progress, f"{name}, seed {seed}", len(runs), len(chosen) * seeds)
            runs.append(_run(problem, name, given, seed, Watch(problem, budget, told)))
    return Comparison(tuple(runs), budget)


def _check(chosen: Mapping[str, Fitter | None], seeds: int, budget: float) -> None:
    if not chosen:
        raise FitError("compare: no fitters; name at least one, as staged")
    if not (seeds >= 1 and 0 < budget < np.inf):
        raise FitError(f"compare: seeds = {seeds}, budget = {budget}; give at least one seed and a budget above 0 s")
    for name, given in chosen.items():
        if given is None:
            registry.fitter(name)  # raises where there is none, or its package is missing


def _part(progress: Progress, label: str, done: int, count: int) -> Progress:
    """Progress of one run as that of all."""

    def told(stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None) -> None:
        progress(f"{label}: {stage}", chi2, (done + share) / count, note, theta)

    return told


def _run(problem: Problem, name: str, given: Fitter | None, seed: int, watch: Watch) -> Run:
    results: tuple[FitResult, ...] = ()
    outcome, reason, chosen = FINISHED, "", given
    with watch.measuring():
        try:
            chosen = given or registry.fitter(name)
            results = _fits(cast(Any, Watched(problem, watch)), chosen, seed, watch)
        except Stopped:
            outcome = STOPPED
        except FitError as error:
            outcome, reason = FAILED, str(error)
    seconds, cpu_seconds = time.perf_counter() - watch.wall, watch.cpu_seconds
    last = results[-1] if results else None
    if last is not None:
        watch.record(last.log_likelihood)
    evaluations, gradients = _calls(results, chosen, watch)
    diagnostics = None if last is None else last.diagnostics
    return Run(
        fitter=name, seed=seed, outcome=outcome, reason=reason, seconds=seconds, cpu_seconds=cpu_seconds,
        compile_seconds=watch.compiled, evaluations=evaluations, gradients=gradients,
        log_likelihood=float(watch.best) if np.isfinite(watch.best) else None,
        effective_samples=None if diagnostics is None else float(diagnostics.effective_samples),
        log_evidence=None if last is None else last.log_evidence,
        log_evidence_error=None if last is None else last.log_evidence_error,
        trusted=None if last is None else last.trust.trusted, trace=tuple(watch.trace),
    )  # fmt: skip


def _fits(problem: Problem, chosen: Fitter, seed: int, watch: Watch) -> tuple[FitResult, ...]:
    """The fit, behind that of the staged fitter where it starts at one."""
    if not chosen.needs_optimum:
        return (registry.fit(problem, chosen, seed=seed, progress=watch),)
    start = registry.fit(problem, "staged", seed=seed, progress=watch)
    return start, registry.fit(problem, chosen, seed=seed, start=start, progress=watch)


def _calls(results: tuple[FitResult, ...], chosen: Fitter | None, watch: Watch) -> tuple[int | None, int | None]:
    """Likelihood and gradient calls; without a result those that the watch saw, which are all where none has slopes."""
    if results:
        return _sum(r.evaluations for r in results), _sum(r.gradients for r in results)
    return (None if chosen is None or chosen.needs_gradient else watch.count), None


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


class Stopped(Exception):
    """The budget of a run is spent."""


class Watch:
    """Clock and record of one run; it is the run's progress as well.

    trace: (CPU seconds without compilation, best ln L so far) at each gain. count: points at which the fitter
    asked the problem for its density.
    """

    def __init__(self, problem: Problem, budget: float, progress: Progress) -> None:
        self.problem, self.budget, self.progress = problem, budget, progress
        self.best, self.count, self.compiled = -np.inf, 0, 0.0
        self.trace: list[tuple[float, float]] = []
        self.wall, self.cpu = self.mark = time.perf_counter(), time.process_time()
        self.spans: list[tuple[float, tuple[float, float], float]] = []  # start, mark before it, CPU seconds
        self.hushed = contextlib.ExitStack()

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds so far [s], compilation included."""
        return time.process_time() - self.cpu

    @property
    def working(self) -> float:
        """CPU seconds so far [s] without compilation: what the budget and the trace count."""
        return self.cpu_seconds - self.compiled

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Begin now, and count what JAX compiles."""
        self.wall, self.cpu = self.mark = time.perf_counter(), time.process_time()
        jax.monitoring.register_event_duration_secs_listener(self._compiled)
        try:
            with self.hushed:
                yield
        finally:
            jax.monitoring.unregister_event_duration_listener(self._compiled)

    def _compiled(self, event: str, duration_secs: float, **more: Any) -> None:
        """Count the CPU seconds of an event that ends now; those that lie inside it were counted before it."""
        if event not in COMPILING:
            return
        wall, cpu = time.perf_counter(), time.process_time()
        before = self.mark
        while self.spans and self.spans[-1][0] >= wall - duration_secs:
            _, before, counted = self.spans.pop()
            self.compiled -= counted
        # JAX tells no CPU time: its share of the wall since the last mark is taken
        counted = min(1.0, duration_secs / max(wall - before[0], 1e-9)) * (cpu - before[1])
        self.spans.append((wall - duration_secs, before, counted))
        self.compiled += counted
        self.mark = wall, cpu

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Time that the run does not pay for."""
        wall, cpu, compiled, spans = time.perf_counter(), time.process_time(), self.compiled, len(self.spans)
        yield
        del self.spans[spans:]
        self.mark = time.perf_counter(), time.process_time()
        self.wall, self.cpu, self.compiled = self.wall + self.mark[0] - wall, self.cpu + self.mark[1] - cpu, compiled

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """See `Progress`; raises Stopped where the budget is spent and the fitter would go on."""
        with self._aside():
            value = -np.inf if theta is None else float(self.problem.log_likelihood(theta))
            self.progress(stage, chi2, share, note, theta)
        self.record(value)
        if share < 1:
            self._check()

    def seen(self, values: np.ndarray) -> None:
        """The fitter asked for ln L, these values (...); raises Stopped where the budget is spent."""
        self.mark = time.perf_counter(), time.process_time()
        self.count += values.size
        self.record(float(np.max(values, where=np.isfinite(values), initial=-np.inf)))
        self._check()

    def record(self, log_likelihood: float) -> None:
        """Keep it where it is the best so far."""
        if log_likelihood > self.best:
            self.best = log_likelihood
            self.trace.append((self.working, log_likelihood))

    def _check(self) -> None:
        if self.working > self.budget:
            # emcee and dynesty print every exception that passes through them
            self.hushed.enter_context(contextlib.redirect_stdout(io.StringIO()))
            self.hushed.enter_context(contextlib.redirect_stderr(io.StringIO()))
            raise Stopped


class Watched:
    """A problem whose densities tell a watch what they were asked for, so that no sampler overruns its budget."""

    def __init__(self, problem: Problem, watch: Watch) -> None:
        self._problem, self._watch = problem, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)

    def log_likelihood(self, theta: Any) -> Any:
        """See `Problem`."""
        values = self._problem.log_likelihood(theta)
        if not isinstance(values, Tracer):
            self._watch.seen(np.asarray(values))
        return values

    def log_posterior(self, z: Any) -> Any:
        """See `Problem`."""
        values = self._problem.log_posterior(z)
        if not isinstance(values, Tracer):
            self._watch.seen(np.asarray(values) - log_normal(np.asarray(z)))
        return values


FILES = ("compare.ecsv", "compare.md", "compare.png", "compare.json")
COLUMNS = {
    "fitter": ("", "name"),
    "seed": ("", "of the fit"),
    "outcome": ("", "finished, stopped at the budget, or failed"),
    "arrived": ("", f"within {ARRIVED:g} in chi2 of the best known optimum"),
    "arrival": ("s", "CPU time until then, without compilation"),
    "seconds": ("s", "time on the wall"),
    "cpu_seconds": ("s", "CPU time"),
    "compile_seconds": ("s", "CPU time of tracing and compiling, part of cpu_seconds"),
    "evaluations": ("", "calls of the likelihood"),
    "gradients": ("", "calls of its derivatives"),
    "log_likelihood": ("", "best ln L"),
    "gap": ("", "best known ln L less log_likelihood"),
    "effective_samples": ("", "of samplers that finished"),
    "samples_per_second": ("1 / s", "effective samples per CPU second without compilation"),
    "log_evidence": ("", "of nested samplers and importance sampling"),
    "log_evidence_error": ("", "one sigma"),
    "trusted": ("", "whether every check passed; empty where there is no result"),
    "reason": ("", "why it failed"),
}
"""Unit and meaning of each column, one row a run."""
WORDS = {
    "outcome": "outcome", "arrived": "arrived", "arrival": "arrived after [s]", "seconds": "wall [s]",
    "cpu_seconds": "CPU [s]", "compile_seconds": "compiling [s]", "evaluations": "ln L calls",
    "gradients": "gradient calls", "log_likelihood": "best ln L", "gap": "below best", "effective_samples": "ESS",
    "samples_per_second": "ESS per CPU s", "log_evidence": "ln evidence", "trusted": "trusted",
}  # fmt: skip
"""Headings in Markdown, behind fitter and seed."""


def write_comparison(folder: str | Path, comparison: Comparison) -> None:
    """Write compare.ecsv and compare.md (one row a run), compare.png and, last, compare.json with the traces.

    Raises:
        DataError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make it first")
    table, text, figure, document = (folder / name for name in FILES)
    with replacing(table) as path:
        as_table(comparison).write(path, format="ascii.ecsv")
    with replacing(text) as path:
        path.write_text(markdown(comparison), encoding="utf-8")
    with replacing(figure) as path:
        comparison_figure(courses(comparison), ARRIVED / 2).savefig(path)
    with replacing(document) as path:
        write_json(path, as_document(comparison))


def courses(comparison: Comparison) -> list[Course]:
    """The runs as the figure draws them."""
    best = comparison.best
    gaps = [() if best is None else tuple((at, best - value) for at, value in run.trace) for run in comparison.runs]
    return [
        Course(run.fitter, trace, run.working, comparison.arrived(run))
        for run, trace in zip(comparison.runs, gaps, strict=True)
    ]


def as_document(comparison: Comparison) -> dict[str, Any]:
    """The content of compare.json: None where a number is unknown."""
    rows = [_row(comparison, run) | {"trace": run.trace} for run in comparison.runs]
    head = {"schema": "lensfit.compare", "version": 1, "budget": comparison.budget, "best": comparison.best}
    return plain({**head, "within": ARRIVED, "runs": rows})


def as_table(comparison: Comparison) -> Table:
    """One row a run; numbers that are not known are NaN, words that are not known empty."""
    rows = [_row(comparison, run) for run in comparison.runs]
    columns = []
    for name, (unit, words) in COLUMNS.items():
        values = [row[name] for row in rows]
        if name == "trusted":
            values = ["" if value is None else str(value) for value in values]
        elif name not in ("fitter", "seed", "outcome", "arrived", "reason"):
            values = [np.nan if value is None else float(value) for value in values]
        columns.append(Column(values, name, unit=unit or None, description=words))
    return Table(columns, meta={"budget": comparison.budget, "best": comparison.best})


def markdown(comparison: Comparison) -> str:
    """How many runs of each fitter arrived, then every run."""
    best = "none" if comparison.best is None else f"{comparison.best:.2f}"
    head = f"Budget {comparison.budget:g} CPU s a run, compilation not counted; best known ln L {best}."
    return "\n\n".join([head, _summary(comparison), _every_run(comparison), *_reasons(comparison)]) + "\n"


def _row(comparison: Comparison, run: Run) -> dict[str, Any]:
    made = {"arrived": comparison.arrived(run), "arrival": comparison.arrival(run), "gap": comparison.gap(run)}
    return {name: made[name] if name in made else getattr(run, name) for name in COLUMNS}


def _summary(comparison: Comparison) -> str:
    lines = ["| fitter | runs arrived | median CPU s until then | median distance in ln L |", "|---|---|---|---|"]
    for name in dict.fromkeys(run.fitter for run in comparison.runs):
        runs = [run for run in comparison.runs if run.fitter == name]
        times = [at for at in map(comparison.arrival, runs) if at is not None]
        gaps = [gap for gap in map(comparison.gap, runs) if gap is not None]
        middle = [_cell(float(np.median(values))) if values else "-" for values in (times, gaps)]
        arrived = sum(map(comparison.arrived, runs))
        lines.append(f"| {name} | {arrived} of {len(runs)} | {' | '.join(middle)} |")
    return "\n".join(lines)


def _every_run(comparison: Comparison) -> str:
    lines = [f"| fitter | seed | {' | '.join(WORDS.values())} |", "|---" * (2 + len(WORDS)) + "|"]
    for run in comparison.runs:
        row = _row(comparison, run)
        cells = {name: _cell(row[name]) for name in WORDS}
        cells["log_likelihood"] = "-" if run.log_likelihood is None else f"{run.log_likelihood:.2f}"
        if run.log_evidence is not None:
            cells["log_evidence"] = f"{run.log_evidence:.2f} +- {run.log_evidence_error:.2g}"
        lines.append(f"| {run.fitter} | {run.seed} | {' | '.join(cells.values())} |")
    return "\n".join(lines)


def _reasons(comparison: Comparison) -> list[str]:
    return [f"{run.fitter}, seed {run.seed}, failed: {run.reason}" for run in comparison.runs if run.outcome == FAILED]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
