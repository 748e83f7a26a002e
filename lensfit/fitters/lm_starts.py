"""Levenberg-Marquardt with variable projection from many starts."""
from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters._base import Checkpoint, FitResult
from lensfit.fitters._descents import with_convergence
from lensfit.fitters._result import Clock, result_of
from lensfit.fitters._settings import at_least
from lensfit.fitters._starts import drawn
from lensfit.fitters.lm import descend
from lensfit.problem import Problem
from lensfit.progress import Progress


@dataclasses.dataclass(frozen=True)
class LM:
    """lensfit's own Levenberg-Marquardt (`fitters/lm.py`): solved amplitudes are exact at every point.

    starts: descents from draws of the prior; one where a start is given. iterations: most accepted steps of
    each. tolerance: gain in chi2 + |z|^2 that is none.
    """

    starts: int = 16
    iterations: int = 60
    tolerance: float = 1e-3
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents; a safe point follows each."""
        at_least(self, starts=1, iterations=1, tolerance=0.0)
        clock = Clock.start()
        kept = checkpoint.load()
        if kept is not None:
            ends, thetas, calls = kept["ends"], kept["thetas"], np.array(kept["calls"])
        else:
            ends, thetas, calls = np.zeros(0), np.zeros((0, problem.ndim)), np.zeros(2, int)
        starts, drawing = self._starts(problem, seed, start)
        for k in range(len(ends), len(starts)):
            end, theta, more = self._descend(problem, starts[k])
            ends, thetas, calls = np.append(ends, end), np.concatenate([thetas, theta[None]]), calls + more
            best = int(np.argmin(ends))
            note = f"chi2 + |z|^2 {ends[best]:.7g}, descent {k + 1} of {len(starts)}"
            progress("lm", np.nan, (k + 1) / len(starts), note, thetas[best])
            checkpoint.offer(partial(dict, ends=ends, thetas=thetas, calls=calls.tolist()))
        best = int(np.argmin(ends))
        if not np.isfinite(ends[best]):
            raise FitError(f"lm: chi2 is not finite at any start; give a start, or narrow the priors of "
                           f"{', '.join(problem.names)}")
        near = int(np.sum(ends < ends[best] + 2))
        notes = (f"{near} of {len(ends)} descents ended within 1 of the best ln posterior",) if len(ends) > 1 else ()
        result = result_of(
            problem, thetas[best], fitter="lm", clock=clock, converged=True,
            evaluations=drawing + int(calls[0]), gradients=int(calls[1]),
        )  # fmt: skip
        return with_convergence(problem, result, notes)

    def _starts(self, problem: Problem, seed: int, start: np.ndarray | None) -> tuple[np.ndarray, int]:
        """theta (B, n) of the starts, and the evaluations it took to find them."""
        if start is not None:
            return start[None], 0
        z, _, drawing = drawn(problem, np.random.default_rng(seed), self.starts)
        return np.asarray(problem.to_theta(z)), drawing

    def _descend(self, problem: Problem, theta: np.ndarray) -> tuple[float, np.ndarray, Any]:
        """Objective and theta (n,) at the end of a descent, and its evaluations and Jacobians."""
        free = np.ones(problem.ndim, bool)
        end = descend(problem.space, problem.likelihood, theta, free, self.iterations, self.tolerance)
        objective = float(end.point.objective)
        calls = np.array([int(end.trials), int(end.accepted) - int(end.stale)])
        return objective if np.isfinite(objective) else np.inf, np.asarray(end.point.theta), calls
