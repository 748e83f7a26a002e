"""L-BFGS, L-BFGS-B and Levenberg-Marquardt of jaxopt, for comparison: jaxopt is no longer maintained."""
from __future__ import annotations

import dataclasses
import warnings
from types import ModuleType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters.base import Checkpoint, Progress, at_least
from lensfit.fitters.descents import Moved, Objective, Plan, run_descents
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.terms import Residuals, Term


def _jaxopt() -> ModuleType:
    """jaxopt, without the warning at its import that it is no longer maintained."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "JAXopt is no longer maintained", DeprecationWarning)
        import jaxopt
    return jaxopt


def _moved(objective: Objective, solver: Any, z: jax.Array, state: Any, *more: Any) -> Moved:
    """A step of one of jaxopt's quasi-Newton solvers, which count their calls."""
    new, after = solver.update(z, state, *more)
    calls = after.num_fun_eval - state.num_fun_eval
    slopes = after.num_grad_eval - state.num_grad_eval
    return Moved(z=new, memory=after, point=new, value=after.value, evaluations=calls, gradients=slopes)


@dataclasses.dataclass(frozen=True)
class JaxoptLBFGS:
    """`jaxopt.LBFGS` in z. starts, maxiter (most steps), history_size, tolerance: as in `lbfgs`."""

    starts: int = 16
    maxiter: int = 400
    history_size: int = 20
    tolerance: float = 1e-4
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("jaxopt",)

    def _solver(self, objective: Objective) -> Any:
        return _jaxopt().LBFGS(objective, history_size=self.history_size, linesearch="zoom", implicit_diff=False)

    def begin(self, objective: Objective, z: jax.Array) -> tuple[Any, int, int]:
        """See `Method`."""
        return self._solver(objective).init_state(z), 1, 1

    def step(self, objective: Objective, z: jax.Array, memory: Any) -> Moved:
        """See `Method`."""
        return _moved(objective, self._solver(objective), z, memory)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents."""
        at_least(self, starts=1, maxiter=1, history_size=1, tolerance=0.0)
        plan = Plan(self.starts, self.maxiter, self.tolerance)
        return run_descents("jaxopt-lbfgs", self, plan, problem, seed=seed, start=start, progress=progress,
                            checkpoint=checkpoint)


@dataclasses.dataclass(frozen=True)
class JaxoptLBFGSB:
    """`jaxopt.LBFGSB` in z, every z within +- `bound` prior widths; the others as in `lbfgs`."""

    starts: int = 16
    maxiter: int = 400
    history_size: int = 20
    bound: float = 5.0
    tolerance: float = 1e-4
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("jaxopt",)

    def _solver(self, objective: Objective) -> Any:
        return _jaxopt().LBFGSB(objective, history_size=self.history_size, linesearch="zoom", implicit_diff=False)

    def _bounds(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.full_like(z, -self.bound), jnp.full_like(z, self.bound)

    def begin(self, objective: Objective, z: jax.Array) -> tuple[Any, int, int]:
        """See `Method`."""
        return self._solver(objective).init_state(z, self._bounds(z)), 1, 1

    def step(self, objective: Objective, z: jax.Array, memory: Any) -> Moved:
        """See `Method`."""
        return _moved(objective, self._solver(objective), z, memory, self._bounds(z))

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents."""
        at_least(self, starts=1, maxiter=1, history_size=1, bound=0.1, tolerance=0.0)
        plan = Plan(self.starts, self.maxiter, self.tolerance)
        return run_descents("jaxopt-lbfgsb", self, plan, problem, seed=seed, start=start, progress=progress,
                            checkpoint=checkpoint)


@dataclasses.dataclass(frozen=True)
class JaxoptLM:
    """`jaxopt.LevenbergMarquardt` on the residuals and z; the others as in `lbfgs`.

    damping_parameter: the first damping over the largest curvature. Solved amplitudes count as constants in
    its Jacobian; `lm` knows how they follow.
    """

    starts: int = 16
    maxiter: int = 100
    damping_parameter: float = 1e-3
    tolerance: float = 1e-4
    needs: ClassVar[type[Term]] = Residuals
    needs_gradient: ClassVar[bool] = True
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("jaxopt",)

    def _solver(self, objective: Objective) -> Any:
        return _jaxopt().LevenbergMarquardt(
            objective.residuals, damping_parameter=self.damping_parameter, materialize_jac=True, solver="cholesky",
            implicit_diff=False,
        )  # fmt: skip

    def begin(self, objective: Objective, z: jax.Array) -> tuple[Any, int, int]:
        """See `Method`."""
        return self._solver(objective).init_state(z), 2, 1

    def step(self, objective: Objective, z: jax.Array, memory: Any) -> Moved:
        """See `Method`."""
        new, state = self._solver(objective).update(z, memory)
        calls = jnp.asarray(3)  # it evaluates a step, then again with its Jacobian, taken or not
        one = jnp.asarray(1)
        return Moved(z=new, memory=state, point=new, value=state.value, evaluations=calls, gradients=one)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """The best of the descents."""
        at_least(self, starts=1, maxiter=1, damping_parameter=0.0, tolerance=0.0)
        plan = Plan(self.starts, self.maxiter, self.tolerance)
        return run_descents("jaxopt-lm", self, plan, problem, seed=seed, start=start, progress=progress,
                            checkpoint=checkpoint)
