"""Nested sampling of dynesty, static and dynamic."""
from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from lensfit.fitters.base import Checkpoint, Progress, State, at_least, one_of
from lensfit.fitters.calls import Calls, log_normal
from lensfit.fitters.checkpoint import pickled, unpickled
from lensfit.fitters.diagnostics import Diagnostics, kish
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.problem import Problem
from lensfit.terms import Term

SAMPLES = ("auto", "unif", "rwalk", "rslice")
UNSAFE = ("BASE_DONE", "INBASEADDLIVE", "INBATCHADDLIVE", "BATCH_DONE")
"""States of a dynamic run from which it would not go on as it was."""
EVERY = 25
"""Iterations between two reports of progress."""
ALLOWED = frozenset({
    "dynesty.bounding:Ellipsoid", "dynesty.bounding:MultiEllipsoid", "dynesty.bounding:UnitCube",
    "dynesty.dynamicsampler:DynamicSamplerStatesEnum", "dynesty.dynesty:DynamicNestedSampler",
    "dynesty.dynesty:_function_wrapper", "dynesty.internal_samplers:RSliceSampler",
    "dynesty.internal_samplers:RWalkSampler", "dynesty.internal_samplers:UniformBoundSampler",
    "dynesty.internal_samplers:UnitCubeSampler", "dynesty.sampler:Sampler", "dynesty.utils:DelayTimer",
    "dynesty.utils:LogLikelihood", "dynesty.utils:RunRecord", "numpy._core.multiarray:_reconstruct",
    "numpy._core.multiarray:scalar", "numpy._core.numeric:_frombuffer", "numpy.random._pcg64:PCG64",
    "numpy.random._pickle:__bit_generator_ctor", "numpy.random._pickle:__generator_ctor",
    "numpy.random.bit_generator:SeedSequence", "numpy.random.bit_generator:__pyx_unpickle_SeedSequence",
    "numpy:dtype", "numpy:ndarray",
})  # fmt: skip
"""Every name in the pickle of a sampler of dynesty 3."""


@dataclasses.dataclass(frozen=True)
class Dynesty:
    """Nested sampling with a fixed number of live points: evidence and posterior over the whole prior.

    nlive: live points, 25 or more for each parameter. bound: "multi" ellipsoids, or a "single" one. sample:
    how a live point is replaced, "auto" choosing by dimension: "unif", "rwalk" or "rslice". dlogz: remaining
    ln evidence at which it ends, None for dynesty's own.
    """

    nlive: int = 500
    bound: str = "multi"
    sample: str = "auto"
    dlogz: float | None = None
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = False
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("dynesty",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Weighted samples and ln evidence."""
        at_least(self, nlive=2 * problem.ndim)
        if self.dlogz is not None:
            at_least(self, dlogz=1e-6)
        return _run("dynesty", self, problem, seed, progress, checkpoint)

    def begin(self, density: Any, transform: Any, ndim: int, rng: np.random.Generator) -> Any:
        """dynesty's sampler."""
        import dynesty

        sampler: Any = dynesty.NestedSampler
        return sampler(density, transform, ndim, nlive=self.nlive, bound=self.bound, sample=self.sample, rstate=rng)

    def go(self, sampler: Any, watch: Any, resume: bool) -> None:
        """Run it to its end."""
        sampler.run_nested(dlogz=self.dlogz, print_func=watch, save_bounds=False, resume=resume)


@dataclasses.dataclass(frozen=True)
class DynestyDynamic:
    """Nested sampling that adds live points where the posterior is: more effective samples for the same calls.

    nlive: live points of the first run and of each batch. n_effective: effective samples at which it ends.
    dlogz_init: remaining ln evidence at which the first run ends. bound, sample: as in `Dynesty`.
    """

    nlive: int = 250
    n_effective: int = 5000
    dlogz_init: float = 0.01
    bound: str = "multi"
    sample: str = "auto"
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = False
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("dynesty",)

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Weighted samples and ln evidence."""
        at_least(self, nlive=2 * problem.ndim, n_effective=1, dlogz_init=1e-6)
        return _run("dynesty-dynamic", self, problem, seed, progress, checkpoint)

    def begin(self, density: Any, transform: Any, ndim: int, rng: np.random.Generator) -> Any:
        """dynesty's sampler."""
        import dynesty

        sampler: Any = dynesty.DynamicNestedSampler
        return sampler(density, transform, ndim, nlive=self.nlive, bound=self.bound, sample=self.sample, rstate=rng)

    def go(self, sampler: Any, watch: Any, resume: bool) -> None:
        """Run it to its end."""
        sampler.run_nested(dlogz_init=self.dlogz_init, n_effective=self.n_effective, print_func=watch,
                           save_bounds=False, resume=resume)


class _Watch:
    """What dynesty calls at every iteration: a report of progress, and a safe point."""

    def __init__(
        self, name: str, density: Calls, ours: dict[str, Any], progress: Progress, checkpoint: Checkpoint
    ) -> None:
        self.name, self.density, self.ours, self.progress, self.checkpoint = name, density, ours, progress, checkpoint
        self.sampler: Any = None
        self.most = 0.0

    def __call__(self, results: Any, niter: int, ncall: int, add_live_it: int | None = None, **more: Any) -> None:
        """As `print_func` of `run_nested`."""
        if niter % EVERY == 0:
            self._report(results, more.get("nbatch") or 0)
        state = getattr(self.sampler, "internal_state", None)
        if add_live_it is None and (state is None or state.name not in UNSAFE):
            self.checkpoint.offer(self._state)

    def _state(self) -> State:
        return {"sampler": pickled(self.sampler, self.ours), "count": self.density.count}

    def _report(self, results: Any, batch: int) -> None:
        left = float(results.delta_logz)
        note = f"ln Z {results.logz:.2f}, ln L {results.loglstar:.7g}, efficiency {results.eff:.3g} %"
        if batch:
            self.progress(f"{self.name}, batch {batch}", np.nan, 0.9, note, self.density.best)
        elif np.isfinite(left):
            self.most = max(self.most, np.log1p(left))
            share = 1 - np.log1p(left) / self.most if self.most else 0.0
            self.progress(self.name, np.nan, 0.9 * share, f"{note}, remaining ln Z {left:.3g}", self.density.best)


def _run(
    name: str, fitter: Dynesty | DynestyDynamic, problem: Problem, seed: int, progress: Progress,
    checkpoint: Checkpoint,
) -> FitResult:
    one_of(fitter, "bound", ("multi", "single"))
    one_of(fitter, "sample", SAMPLES)
    clock = Clock.start()
    density = Calls(problem, problem.log_likelihood)
    ours = {"density": density, "transform": lambda u: np.asarray(problem.prior_transform(u))}
    watch = _Watch(name, density, ours, progress, checkpoint)
    kept = checkpoint.load()
    if kept is not None:
        watch.sampler, density.count = unpickled(kept["sampler"], ours, ALLOWED), kept["count"]
    else:
        watch.sampler = fitter.begin(density, ours["transform"], problem.ndim, np.random.default_rng(seed))
    fitter.go(watch.sampler, watch, kept is not None)
    found = watch.sampler.results
    theta, log_l, u = (np.asarray(found[key]) for key in ("samples", "logl", "samples_u"))
    best = int(np.argmax(log_l + log_normal(ndtri(u))))
    weights = np.asarray(found.importance_weights())
    samples = Samples(theta=theta, weights=weights, log_likelihoods=log_l,
                      diagnostics=Diagnostics(effective_samples=kish(weights)),
                      log_evidence=float(found["logz"][-1]),
                      log_evidence_error=float(found["logzerr"][-1]))
    notes = (f"{1 / np.sum(weights**2):.0f} effective samples",)
    return result_of(problem, theta[best], fitter=name, clock=clock, converged=True, evaluations=density.count,
                     gradients=None, samples=samples, notes=notes)
