"""A fit that takes no time, and small helpers of the tests of this folder."""

import warnings

import numpy as np

from lensfit.fitters.result import FitResult
from lensfit.results import enlist
from lensfit.verdict import Check, Outcome, Trust


class Fits:
    """Stands in for `lensfit.registry.fit`, and keeps what it was asked for."""

    def __init__(self, *, trusted=True, error=None):
        self.trusted, self.error = trusted, error

    def __call__(self, problem, fitter="staged", *, seed=0, start=None, progress, checkpoint=None):
        self.problem, self.fitter, self.seed, self.start, self.checkpoint = problem, fitter, seed, start, checkpoint
        progress("search", float("nan"), 0.2)
        progress("search", 900.5, 0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("something odd", UserWarning, stacklevel=1)
        if self.error is not None:
            raise self.error
        progress("fine fit", 850.25, 0.9)
        n = problem.ndim
        basins = Check("basins", Outcome.UNCHECKED, "no search says so")
        if self.trusted is not None:
            basins = Check.of("basins", self.trusted, "two basins are as good")
        checks = (Check.of("chi2", True, "fine"), basins)
        return FitResult(
            fitter=fitter if isinstance(fitter, str) else "stand-in",
            names=problem.names, units=("",) * n, symbols=("",) * n,
            theta=np.asarray(problem.to_theta(np.zeros(n))), errors=np.full(n, 0.01), covariance=np.eye(n),
            amplitude_names=(), amplitudes=np.zeros(0), amplitude_covariance=np.zeros((0, n)),
            spread=np.where(np.arange(n) % 2, 0.02, np.nan), variants=(), model=problem.model,
            log_likelihood=-1.0, log_posterior=-2.0, chi2=850.25, data_count=800, evaluations=1, gradients=1,
            seconds=1.0, cpu_seconds=1.0, converged=True, trust=Trust(checks),
        )  # fmt: skip


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def earlier_run(folder, names):
    """A folder as a run left it, with "old" in every file."""
    folder.mkdir()
    for name in names:
        write(folder / name, "old")
        enlist(folder, name, grows=name == "log.txt")
    return folder


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path
