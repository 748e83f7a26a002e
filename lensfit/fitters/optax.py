"""L-BFGS and Adam of optax from many starts."""
from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters.base import Checkpoint, Progress, at_least
from lensfit.fitters.descents import Moved, Objective, Plan, run_descents
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.terms import Term


@dataclasses.dataclass(frozen=True)
class LBFGS:
    """Quasi-Newton descents in z with `optax.lbfgs` and its zoom line search.

    starts: descents from draws of the prior; one where a start is given. More find more basins.
    steps: most steps of each. memory_size: gradients that shape a step, 10 to 50.
    max_linesearch_steps: evaluations of one line search. tolerance: gain in ln posterior that is none.
    lanes: descents side by side, 1 on a CPU, as many as its memory holds on a GPU.
    """

    starts: int = 16
    steps: int = 400
    memory_size: int = 20
    max_linesearch_steps: int = 20
    tolerance: float = 1e-4
    lanes: int = 1
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("optax",)

    def _optimiser(self) -> Any:
        import optax

        search = optax.scale_by_zoom_linesearch(self.max_linesearch_steps, initial_guess_strategy="one")
        return optax.lbfgs(memory_size=self.memory_size, linesearch=search)

    def begin(self, objective: Objective, z: jax.Array) -> tuple[Any, int, int]:
        """See `Method`."""
        value, slope = jax.value_and_grad(objective)(z)
        return (self._optimiser().init(z), value, slope), 1, 1

    def step(self, objective: Objective, z: jax.Array, memory: Any) -> Moved:
        """See `Method`."""
        import optax

        state, value, slope = memory
        updates, state = self._optimiser().update(slope, state, z, value=value, grad=slope, value_fn=objective)
        z = z + updates
        calls = optax.tree.get(state, "info").num_linesearch_steps
        value, slope = optax.tree.get(state, "value"), optax.tree.get(state, "grad")
        slope = jnp.asarray(slope)
        return Moved(z=z, memory=(state, value, slope), point=z, value=value, evaluations=calls, gradients=calls)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents."""
        at_least(self, starts=1, steps=1, memory_size=1, max_linesearch_steps=1, tolerance=0.0, lanes=1)
        plan = Plan(self.starts, self.steps, self.tolerance, self.lanes)
        return run_descents("lbfgs", self, plan, problem, seed=seed, start=start, progress=progress,
                            checkpoint=checkpoint)


@dataclasses.dataclass(frozen=True)
class Adam:
    """First-order descents in z with `optax.adam`, its learning rate falling to zero along a cosine.

    starts: descents from draws of the prior; one where a start is given. steps: of each.
    learning_rate: first length of a step in each z, prior widths; 0.01 to 0.1. b1, b2: memory of the mean
    and of the square of the slope. lanes: descents side by side, 1 on a CPU, as many as its memory holds on
    a GPU.
    """

    starts: int = 16
    steps: int = 1000
    learning_rate: float = 0.05
    b1: float = 0.9
    b2: float = 0.99
    lanes: int = 1
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("optax",)

    def _optimiser(self) -> Any:
        import optax

        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, self.steps), b1=self.b1, b2=self.b2)

    def begin(self, objective: Objective, z: jax.Array) -> tuple[Any, int, int]:
        """See `Method`."""
        return self._optimiser().init(z), 0, 0

    def step(self, objective: Objective, z: jax.Array, memory: Any) -> Moved:
        """See `Method`."""
        value, slope = jax.value_and_grad(objective)(z)
        updates, memory = self._optimiser().update(slope, memory, z)
        one = jnp.asarray(1)
        return Moved(z=z + updates, memory=memory, point=z, value=value, evaluations=one, gradients=one)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents."""
        at_least(self, starts=1, steps=1, learning_rate=1e-12, b1=0.0, b2=0.0, lanes=1)
        plan = Plan(self.starts, self.steps, -np.inf, self.lanes)  # its gains rise and fall: all steps are taken
        return run_descents("adam", self, plan, problem, seed=seed, start=start, progress=progress,
                            checkpoint=checkpoint)
