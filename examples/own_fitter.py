"""A fitter of one's own: the cross-entropy method. From the root of the repository:

    python examples/own_fitter.py
"""
import dataclasses
from typing import ClassVar

import numpy as np

import lensfit
from lensfit.fitters import Calls, Clock, Term, at_least, result_of


@dataclasses.dataclass(frozen=True)
class CrossEntropy:
    """Draw points z from a normal distribution, fit it to the best of them, repeat.

    population: points of a generation. elite: how many of them shape the next. generations: how many.
    """

    population: int = 100
    elite: int = 20
    generations: int = 30
    needs: ClassVar[type[Term]] = Term
    needs_gradient: ClassVar[bool] = False
    needs_optimum: ClassVar[bool] = False
    explores_prior: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()  # distributions that it needs, the same when resumed

    def run(self, problem, *, seed, start, progress, checkpoint):
        """The best point seen."""
        at_least(self, population=2, elite=1, generations=1)
        clock, rng = Clock.start(), np.random.default_rng(seed)
        density = Calls(problem, problem.log_posterior)  # counts, and raises where it is NaN
        center = np.zeros(problem.ndim) if start is None else np.asarray(problem.to_z(start))
        now = {"mean": center, "width": np.ones(problem.ndim), "best": center, "top": -np.inf, "done": 0, "calls": 0}
        now = checkpoint.load() or now
        density.count = now["calls"]
        rng.bit_generator.state = now.get("rng", rng.bit_generator.state)
        for done in range(now["done"], self.generations):
            z = now["mean"] + now["width"] * rng.standard_normal((self.population, problem.ndim))
            values = density(z)  # all in one call
            elite = z[np.argsort(values)[-self.elite :]]
            if values.max() > now["top"]:
                now = now | {"best": z[np.argmax(values)], "top": float(values.max())}
            now = now | {"mean": elite.mean(0), "width": elite.std(0), "done": done + 1, "calls": density.count}
            now["rng"] = rng.bit_generator.state
            progress("cross-entropy", np.nan, (done + 1) / self.generations, f"ln posterior {now['top']:.6g}")
            checkpoint.offer(lambda: now)  # noqa: B023 (called before the next generation)
        theta = np.asarray(problem.to_theta(now["best"]))
        converged = bool(np.all(now["width"] < 0.01))
        return result_of(problem, theta, fitter="cross-entropy", clock=clock, converged=converged,
                         evaluations=density.count, gradients=None)  # fmt: skip


if __name__ == "__main__":
    lensfit.setup()
    imaging = lensfit.read_imaging("data/jwst_mock").binned(2)
    problem = lensfit.Problem(lensfit.standard.parametric(imaging), lensfit.ImagingLikelihood.of(imaging, 1))
    result = lensfit.fit(problem, CrossEntropy(generations=20), seed=0)
    print(f"chi2 {result.chi2:.0f} of {result.data_count} pixels after {result.evaluations} calls")
    print(result.trust.headline, *result.trust.reasons, sep="\n  ")
