"""What is measured while a fitter runs: its time, its best point so far, its calls; and the end at the budget."""
from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax.monitoring
import numpy as np
from jax.core import Tracer

from lensfit.fitters.base import Progress
from lensfit.fitters.calls import log_normal
from lensfit.problem import Problem

COMPILING = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
"""What JAX reports of every program that it traces, lowers and compiles or loads from its cache."""


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
