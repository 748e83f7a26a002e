"""Particle swarm of PySwarms."""
from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lensfit.fitters.base import Checkpoint, Progress, State, at_least
from lensfit.fitters.calls import Calls, around, drawn
from lensfit.fitters.descents import with_convergence
from lensfit.fitters.result import Clock, FitResult, result_of
from lensfit.problem import Problem
from lensfit.terms import Term

CHUNK = 10
"""Iterations between two safe points."""
ARRAYS = ("position", "velocity", "pbest_pos", "pbest_cost", "best_pos")


@dataclasses.dataclass(frozen=True)
class PySwarms:
    """Global-best swarm in z; needs no gradient and finds basins, then converges slowly.

    n_particles: 4 to 10 for each parameter. iters: most iterations. c1, c2, w: pull to a particle's own best,
    to the swarm's best, and inertia; the defaults are Clerc's constriction. ftol, ftol_iter: it ends where
    ln posterior gained less than ftol in ftol_iter iterations. bound: every z stays within +- bound.
    """

    n_particles: int = 100
    iters: int = 2000
    c1: float = 1.49618
    c2: float = 1.49618
    w: float = 0.7298
    ftol: float = 1e-2
    ftol_iter: int = 100
    bound: float = 4.0
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = False
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("pyswarms",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best point that the swarm saw."""
        at_least(self, n_particles=2, iters=1, c1=0.0, c2=0.0, w=0.0, ftol=0.0, ftol_iter=1, bound=0.1)
        clock = Clock.start()
        density = Calls(problem, problem.log_posterior)
        kept = checkpoint.load()
        with _harmless():
            from pyswarms.backend.handlers import BoundaryHandler, VelocityHandler

            handlers = BoundaryHandler("nearest"), VelocityHandler("unmodified")
            swarm, costs, random = self._begin(problem, density, seed, start, kept)
        while len(costs) < self.iters and not self._still(costs):
            for _ in range(min(CHUNK, self.iters - len(costs))):
                random = self._iterate(swarm, density, handlers, random)
                costs = np.append(costs, swarm.best_cost)
            note = f"ln posterior {-swarm.best_cost:.7g}, iteration {len(costs)}"
            best = np.asarray(problem.to_theta(swarm.best_pos))
            progress("pyswarms", np.nan, len(costs) / self.iters, note, best)
            checkpoint.offer(partial(_state, swarm, costs, random, density.count))
        still = bool(self._still(costs))
        result = result_of(
            problem, np.asarray(problem.to_theta(swarm.best_pos)), fitter="pyswarms", clock=clock, converged=still,
            evaluations=density.count, gradients=None,
        )  # fmt: skip
        return with_convergence(problem, result) if problem.has_gradient else result

    def _still(self, costs: np.ndarray) -> bool:
        return len(costs) > self.ftol_iter and costs[-1 - self.ftol_iter] - costs[-1] < self.ftol

    def _begin(
        self, problem: Problem, density: Calls, seed: int, start: np.ndarray | None, kept: State | None
    ) -> tuple[Any, np.ndarray, Any]:
        """The swarm, its best costs so far, and the state of NumPy's global generator that it draws from."""
        from pyswarms.backend import swarms

        Swarm: Any = swarms.Swarm  # its fields are attrs', which type checkers do not see
        options = {"c1": self.c1, "c2": self.c2, "w": self.w}
        if kept is not None:
            density.count = kept["count"]
            swarm = Swarm(options=options, best_cost=float(kept["costs"][-1]), **{name: kept[name] for name in ARRAYS})
            return swarm, kept["costs"], ("MT19937", kept["random_keys"], *kept["random_rest"])
        rng = np.random.default_rng(seed)
        if start is None:
            z, _, calls = drawn(problem, rng, self.n_particles)
        else:
            z, calls = around(problem, rng, start, self.n_particles)
        z = np.clip(z, -self.bound, self.bound)
        density.count = calls
        random: Any = np.random.RandomState(rng.integers(2**32)).get_state()
        velocity = rng.uniform(-0.1, 0.1, z.shape)
        far = np.full(len(z), np.inf)
        swarm = Swarm(z, velocity, options=options, pbest_pos=z, pbest_cost=far, best_pos=z[0], best_cost=np.inf)
        return swarm, np.zeros(0), random

    def _iterate(self, swarm: Any, density: Calls, handlers: Any, random: Any) -> Any:
        """One iteration; the state of the generator after it."""
        from pyswarms.backend import operators

        bounds = np.full(swarm.position.shape[1], -self.bound), np.full(swarm.position.shape[1], self.bound)
        swarm.current_cost = -density(swarm.position)
        swarm.pbest_pos, swarm.pbest_cost = operators.compute_pbest(swarm)
        best = int(np.argmin(swarm.pbest_cost))
        if swarm.pbest_cost[best] < swarm.best_cost:
            swarm.best_pos, swarm.best_cost = swarm.pbest_pos[best].copy(), float(swarm.pbest_cost[best])
        before = np.random.get_state()  # noqa: NPY002
        np.random.set_state(random)  # noqa: NPY002
        try:
            swarm.velocity = operators.compute_velocity(swarm, None, handlers[1], bounds)
            swarm.position = operators.compute_position(swarm, bounds, handlers[0])
            return np.random.get_state()  # noqa: NPY002
        finally:
            np.random.set_state(before)  # noqa: NPY002


def _state(swarm: Any, costs: np.ndarray, random: Any, count: int) -> State:
    arrays = {name: getattr(swarm, name) for name in ARRAYS}
    return arrays | {"costs": costs, "random_keys": random[1], "random_rest": random[2:], "count": count}


@contextmanager
def _harmless() -> Iterator[None]:
    """PySwarms takes over logging and writes report.log unless LOG_CFG names a configuration: one that does nothing."""
    before = os.environ.get("LOG_CFG")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nothing.yaml"
        path.write_text("version: 1\nincremental: true\n", encoding="utf-8")
        os.environ["LOG_CFG"] = str(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["LOG_CFG"]
            else:
                os.environ["LOG_CFG"] = before
