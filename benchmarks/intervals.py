"""Whether intervals of the slope and the Einstein radius hold: python benchmarks/intervals.py FITTER OUT [FIRST STOP]

FITTER is laplace, importance or nuts. The posterior of each power law FIRST to STOP - 1 of population.py, model
`parametric` with an EPL whose prior of the slope is flat over what is drawn, about the optimum that a descent from the
truth comes to (optimum.py says how often a fit from the data comes there). None is left out: a sampler that refuses to
give a posterior is counted beside those whose intervals hold. A line of JSON for each
lens is added to OUT, which lenses that are there already are not made again for; then how many of the 68 and 95 %
intervals (equal tails) of all lenses in OUT hold the truth, and the one-sigma binomial error of that.
"""
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import population
from scipy.special import ndtr

import lensfit
from lensfit.fitters.base import NoCheckpoint
from lensfit.fitters.importance import Importance
from lensfit.fitters.lm import LM
from lensfit.fitters.nuts import NUTS
from lensfit.fitters.result import FitResult
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import Uniform
from lensfit.problem import Problem
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.standard import parametric

ASKED = ("mass.epl.slope", "mass.epl.einstein_radius")
TAILS = {68: (0.16, 0.84), 95: (0.025, 0.975)}
SAMPLERS = {"importance": Importance(effective_samples=500), "nuts": NUTS(samples=250, warmup=150, chains=2)}


def posed(k: int) -> tuple[Problem, LensModel, int]:
    """The problem of lens k, its truth and its seed."""
    truth, seed = population.epl(k)
    imaging = population.observed(truth, seed)
    model = parametric(imaging, "epl")
    low, high = population.SLOPES
    epl = replace(model.mass["epl"], slope=Uniform(low=low, high=high))
    return Problem(replace(model, mass=model.mass | {"epl": epl}), ImagingLikelihood.of(imaging)), truth, seed


def row(k: int, fitter: str) -> dict[str, Any]:
    """Where the truth lies in the posterior of lens k: the share of it below."""
    problem, truth, seed = posed(k)
    flat = {f"{group}.{name}.{key}": value for group in ("light", "mass", "source")
            for name, profile in getattr(truth, group).items() for key, value in vars(profile).items()}  # fmt: skip
    theta = np.array([flat[name] for name in problem.names], float)
    begin = time.process_time()
    best = LM(tolerance=1e-3).run(problem, seed=seed, start=theta, progress=silent, checkpoint=NoCheckpoint())
    result = best
    if fitter != "laplace":
        sampler = SAMPLERS[fitter]
        try:
            result = sampler.run(problem, seed=seed, start=best.theta, progress=silent, checkpoint=NoCheckpoint())
        except lensfit.errors.FitError as error:
            return {"lens": k, "refused": str(error), "cpu_s": time.process_time() - begin}
    below = {name: share_below(result, name, flat[name]) for name in ASKED}
    diagnostics = result.diagnostics
    return {
        "lens": k, "below": below, "truth": {name: flat[name] for name in ASKED},
        "error": {name: float(result.errors[result.names.index(name)]) for name in ASKED},
        "effective": diagnostics and diagnostics.effective_samples, "pareto_k": diagnostics and diagnostics.pareto_k,
        "r_hat": diagnostics and diagnostics.r_hat, "cpu_s": time.process_time() - begin,
    }  # fmt: skip


def share_below(result: FitResult, name: str, value: float) -> float:
    """Share of the posterior of a parameter below a value."""
    k = result.names.index(name)
    if result.samples is None or result.weights is None:
        return float(ndtr((value - result.theta[k]) / result.errors[k]))
    return float(np.average(result.samples[:, k] < value, weights=result.weights))


def told(rows: list[dict[str, Any]]) -> str:
    """Coverage of all rows."""
    lines = [f"{len(rows)} lenses, median {np.median([r['cpu_s'] for r in rows]):.1f} CPU s"]
    refused = [r for r in rows if "refused" in r]
    lines += [f"refused: lens {r['lens']}, {r['refused']}" for r in refused]
    rows = [r for r in rows if r not in refused]
    for name in ASKED:
        below = np.array([r["below"][name] for r in rows])
        for percent, (low, high) in TAILS.items():
            held, share = int(np.sum((below > low) & (below < high))), percent / 100
            error = np.sqrt(share * (1 - share) * len(rows))
            told = f"{held} of {len(rows)}, {share * len(rows):.1f} +- {error:.1f} expected"
            lines.append(f"{name}: {percent} % intervals hold {told}")
    return "\n".join(lines)


def main() -> None:
    """Sample the lenses that OUT does not hold, tell the coverage of all that it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fitter", choices=("laplace", *SAMPLERS))
    parser.add_argument("out", type=Path)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("stop", type=int, nargs="?", default=0)
    arguments = parser.parse_args()
    lensfit.setup()
    rows = [json.loads(line) for line in arguments.out.read_text().splitlines()] if arguments.out.is_file() else []
    for k in range(arguments.first, arguments.stop):
        if k not in {r["lens"] for r in rows}:
            rows.append(row(k, arguments.fitter))
            with arguments.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
    print(told(rows))


if __name__ == "__main__":
    main()
