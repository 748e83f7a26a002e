"""The posterior of the bundled lens: python benchmarks/posterior.py importance|nuts|nested [--samples N]

importance: effective samples per CPU second after the optimum, programs compiled (the second of two runs).
nuts: the same for a NUTS run of 4 chains of N samples, and how far means and widths of importance are from it.
nested: ln evidence by nautilus with normal priors around the optimum, 5 errors wide, and by importance on the
same problem. Each prints lines of JSON. The optimum is that of the staged fit.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lensfit.datasets import read_imaging
from lensfit.fitters.base import NoCheckpoint
from lensfit.fitters.importance import Importance
from lensfit.fitters.nautilus import Nautilus
from lensfit.fitters.nuts import NUTS
from lensfit.fitters.result import FitResult
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import LogNormal, Normal, Part, Prior, Solved
from lensfit.problem import Problem
from lensfit.progress import silent
from lensfit.registry import fit
from lensfit.standard import parametric

DATA = Path(__file__).resolve().parents[1] / "data" / "jwst_mock"
WIDTH = 5.0
"""Errors of a parameter in the width of its prior around the optimum."""


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("importance", "nuts", "nested"))
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--effective", type=int, default=2000)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    imaging = read_imaging(DATA)
    problem = Problem(parametric(imaging), ImagingLikelihood.of(imaging))
    start = fit(problem)
    weighted = importance(problem, start.theta, arguments.effective)
    if arguments.what == "nuts":
        against_nuts(problem, weighted, arguments.samples)
    if arguments.what == "nested":
        against_nested(around(problem, start), start.theta)


def importance(problem: Problem, start: np.ndarray, effective: int) -> FitResult:
    """Run twice, tell the second."""
    for seed in (1, 2):
        result = run(Importance(effective_samples=effective), problem, start, seed)
    tell(result, pareto_k=result.diagnostics.pareto_k, draws=len(result.weights))  # pyright: ignore
    return result


def run(fitter: Any, problem: Problem, start: np.ndarray | None, seed: int = 1) -> FitResult:
    """A fit without checkpoint."""
    return fitter.run(problem, seed=seed, start=start, progress=silent, checkpoint=NoCheckpoint())


def tell(result: FitResult, **more: Any) -> None:
    """One line."""
    size = result.diagnostics.effective_samples  # pyright: ignore[reportOptionalMemberAccess]
    line = {"fitter": result.fitter, "effective": size, "cpu_s": result.cpu_seconds,
            "effective_per_cpu_s": size / result.cpu_seconds, "log_evidence": result.log_evidence,
            "log_evidence_error": result.log_evidence_error}  # fmt: skip
    print(json.dumps(line | more), flush=True)


def against_nuts(problem: Problem, weighted: FitResult, samples: int) -> None:
    """Means and widths of importance in units of those of NUTS."""
    run(NUTS(samples=25, warmup=25, chains=1), problem, weighted.theta)  # compiles
    chain = run(NUTS(samples=samples), problem, weighted.theta)
    tell(chain, **{k: v for k, v in dataclasses.asdict(chain.diagnostics).items() if k != "effective_samples"})  # pyright: ignore
    mean = chain.samples.mean(axis=0)  # pyright: ignore[reportOptionalMemberAccess]
    shift = (weighted.weights @ weighted.samples - mean) / chain.errors  # pyright: ignore
    ratio = weighted.errors / chain.errors
    print(json.dumps({
        "largest_shift_in_errors": float(abs(shift).max()), "of": chain.names[np.argmax(abs(shift))],
        "rms_shift": float(np.sqrt(np.mean(shift**2))),
        "width_ratio": [float(ratio.min()), float(np.median(ratio)), float(ratio.max())],
        "farthest_of_1": chain.names[np.argmax(abs(ratio - 1))],
    }))  # fmt: skip


def around(problem: Problem, result: FitResult) -> Problem:
    """The problem with independent normal priors about the optimum, of the log of numbers that are positive."""
    positive = ("radius", "index", "intensity")
    priors = [
        LogNormal(median=value, sigma=WIDTH * error / value)
        if name.endswith(positive) else Normal(mean=value, sigma=WIDTH * error)
        for name, value, error in zip(result.names, result.theta, result.errors, strict=True)
    ]  # fmt: skip
    before = jax.tree.leaves(problem.model, is_leaf=lambda node: isinstance(node, (Prior, Part, Solved)))
    slots = zip(problem.space.slots, before, strict=True)
    leaves: list[Any] = [priors[slot.index] if slot.kind == "free" else leaf for slot, leaf in slots]
    model: LensModel = jax.tree.unflatten(problem.space.treedef, leaves)
    return Problem(model, problem.likelihood)


def against_nested(problem: Problem, start: np.ndarray) -> None:
    """Both evidences, and their difference in joint errors."""
    weighted = run(Importance(effective_samples=2000), problem, start)
    tell(weighted, pareto_k=weighted.diagnostics.pareto_k)  # pyright: ignore[reportOptionalMemberAccess]
    begin = time.process_time()
    nested = run(Nautilus(n_live=2000, n_eff=2000), problem, None)
    tell(nested, evaluations=nested.evaluations, all_cpu_s=time.process_time() - begin)
    apart = nested.log_evidence - weighted.log_evidence  # pyright: ignore[reportOptionalOperand]
    joint = np.hypot(nested.log_evidence_error, weighted.log_evidence_error)  # pyright: ignore[reportArgumentType]
    print(json.dumps({"difference": apart, "joint_errors": apart / joint}))


if __name__ == "__main__":
    main()
