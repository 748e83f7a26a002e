"""How often the staged fit ends at the global optimum: python benchmarks/optimum.py ordinary|hard|epl FIRST STOP.

Truth, noise and start of each lens are drawn anew (population.py). The reference is a Levenberg-Marquardt
run from the truth on the same data; a fit has arrived if its objective (chi2 + |z|^2) is less than 10 above
it. One line of JSON for each lens, then the count.
"""
from __future__ import annotations

import argparse
import json
import time

import jax
import numpy as np
import population

from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.names import MassModel
from lensfit.progress import silent
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.joint import Joint
from lensfit.staged.stages import Stages
from lensfit.standard import parametric

WITHIN = 10.0


def main() -> None:
    """Run the lenses FIRST to STOP - 1 of one population."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("population", choices=("ordinary", "hard", "epl"))
    parser.add_argument("first", type=int)
    parser.add_argument("stop", type=int)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    for k in range(arguments.first, arguments.stop):
        truth, seed = getattr(population, arguments.population)(k)
        mass = "epl" if arguments.population == "epl" else "sie"
        rows.append({"lens": k, **one(truth, seed, mass)})
        print(json.dumps(rows[-1]), flush=True)
    arrived = sum(row["excess"] < WITHIN for row in rows)
    cpu = float(np.median([row["cpu_s"] for row in rows]))
    print(json.dumps({"population": arguments.population, "lenses": len(rows), "arrived": arrived, "cpu_s": cpu}))


def one(truth: LensModel, seed: int, mass: MassModel) -> dict[str, float]:
    """Excess of the staged fit over a descent from the truth, and the CPU seconds of the stages."""
    imaging = population.observed(truth, seed)
    model, likelihood = solve_amplitudes(parametric(imaging, mass)), ImagingLikelihood.of(imaging)
    start = time.process_time()
    stages = Stages.of(likelihood)
    case = stages.case(model, likelihood)
    found = stages.run(case, np.random.default_rng(seed), silent)
    cpu = time.process_time() - start
    reference = Joint.of(case).descend(likelihood, true_theta(case.space, truth), 60, 1e-3)
    told = [k for k, p in enumerate(case.space.parameters) if p.role in ("einstein_radius", "slope")]
    true = true_theta(case.space, truth)
    return {
        "excess": float(found.point.objective - reference.objective),
        "chi2": float(found.point.chi2),
        "found": [float(found.theta[k]) for k in told],
        "reference": [float(reference.theta[k]) for k in told],
        "truth": [float(true[k]) for k in told],
        "cpu_s": cpu,
    }


def true_theta(space: Space, truth: LensModel) -> np.ndarray:
    """theta (n,) of the space at the truth, which has the same tree."""
    leaves = jax.tree.leaves(truth)
    theta = np.zeros(space.ndim)
    for slot, leaf in zip(space.slots, leaves, strict=True):
        if slot.kind == "free":
            theta[slot.index] = leaf
    return theta


if __name__ == "__main__":
    main()
