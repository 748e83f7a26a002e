"""Importance nested sampling of nautilus, its bounds drawn by neural networks."""
from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lensfit.fitters.base import Checkpoint, Progress, State, at_least
from lensfit.fitters.calls import Calls, log_normal
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.problem import Problem
from lensfit.terms import Term


@dataclasses.dataclass(frozen=True)
class Nautilus:
    """Evidence and posterior over the whole prior, ln L in batches.

    The points that its bounds were drawn by are left out of both, so that they do not bias the evidence.

    n_live: live points, 2000 to 4000. n_networks: networks that draw a bound, 0 for ellipsoids alone.
    f_live: share of the evidence in the live points at which its exploration ends. n_eff: effective samples at
    which it ends. n_batch: points in one call of the likelihood.
    """

    n_live: int = 2000
    n_networks: int = 4
    n_eff: int = 5000
    f_live: float = 0.01
    n_batch: int = 100
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = False
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("nautilus-sampler", "scikit-learn")

    def run(
        self, problem: Problem, *, seed: int, start: np.ndarray | None, progress: Progress, checkpoint: Checkpoint
    ) -> FitResult:
        """Weighted samples and ln evidence."""
        at_least(self, n_live=2 * problem.ndim, n_networks=0, n_eff=1, f_live=1e-9, n_batch=1)
        clock = Clock.start()
        density = Calls(problem, problem.log_likelihood)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sampler.h5"
            sampler = self._begin(problem, density, seed, checkpoint.load(), path)

            def state() -> State:
                sampler.write(path, overwrite=True)
                return {"sampler": path.read_bytes(), "count": density.count}

            while not sampler.run(
                f_live=self.f_live, n_eff=self.n_eff, n_like_max=sampler.n_like + 1, discard_exploration=True
            ):
                best = max(float(np.max(values, initial=-np.inf)) for values in sampler.log_l)
                note = f"ln L {best:.7g}, {sampler.n_eff:.0f} effective samples"
                if sampler.explored:  # ln Z is incomplete until each shell has new points
                    share = 0.5 + 0.5 * min(sampler.n_eff / self.n_eff, 1.0)
                    progress("nautilus, sampling", np.nan, share, note, density.best)
                else:
                    note = f"ln Z {sampler.log_z:.2f}, live share {sampler.f_live:.2g}, {note}"
                    progress("nautilus, exploration", np.nan, 0.25, note, density.best)
                checkpoint.offer(state)
        theta, log_w, log_l = sampler.posterior()
        weights = np.exp(log_w - np.max(log_w))
        best = int(np.argmax(log_l + log_normal(np.asarray(problem.to_z(theta)))))
        samples = Samples(theta=theta, weights=weights / weights.sum(), log_likelihoods=log_l,
                          diagnostics=Diagnostics(effective_samples=float(sampler.n_eff)),
                          log_evidence=float(sampler.log_z),
                          log_evidence_error=float(1 / np.sqrt(sampler.n_eff)))
        return result_of(problem, theta[best], fitter="nautilus", clock=clock, converged=True,
                         evaluations=density.count, gradients=None, samples=samples,
                         notes=(f"{sampler.n_eff:.0f} effective samples",))

    def _begin(self, problem: Problem, density: Calls, seed: int, kept: State | None, path: Path) -> Any:
        """nautilus' sampler, from the file that was kept where there is one; it does not write by itself."""
        import nautilus

        if kept is not None:
            density.count = kept["count"]
            path.write_bytes(kept["sampler"])
        sampler = nautilus.Sampler(
            lambda u: np.asarray(problem.prior_transform(u)), density, problem.ndim, n_live=self.n_live,
            n_networks=self.n_networks, n_batch=self.n_batch, seed=seed, vectorized=True, pass_dict=False,
            filepath=path, resume=kept is not None,
        )  # fmt: skip
        sampler.filepath = None
        return sampler
