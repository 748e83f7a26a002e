"""Adam of optax from many starts."""
from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters._base import Checkpoint, FitResult
from lensfit.fitters._descents import Moved, Objective, Plan, run_descents
from lensfit.fitters._settings import at_least
from lensfit.problem import Problem
from lensfit.progress import Progress


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
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
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
