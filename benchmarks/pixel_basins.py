"""Sources on pixels from the right Einstein radius, from half of it and from twice it, on 40 simulated lenses.

python benchmarks/pixel_basins.py OUT [COUNT] fits each lens by the staged fitter, puts its source on pixels from
that optimum, and again with the Einstein radius of the start halved and doubled. It prints what the checks of
such a fit see (lensfit/pixelised/trust.py), and how many of the right and of the wrong answers they flag; OUT gets
rows.json and basins.png. Half of the lenses are bright, half faint; all sources have clumps.
"""
from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from population import hard, observed, ordinary

from lensfit import ImagingLikelihood, PixelImagingLikelihood, Problem, fit
from lensfit.datasets import Imaging
from lensfit.errors import FitError
from lensfit.fitters._base import FitResult
from lensfit.model import LensModel
from lensfit.pixel_fit import ascend
from lensfit.pixelised.mesh import Arcs, Mesh, pixel_source
from lensfit.pixelised.model import pixel_model
from lensfit.pixelised.trust import lensed_flux, measure
from lensfit.priors import Uniform
from lensfit.pytree import replace
from lensfit.standard import flexible

FACTORS = (1.0, 0.5, 2.0)
RADIUS = "mass.sie.einstein_radius"


def clumpy(model: LensModel, random: np.random.Generator) -> LensModel:
    """Half as bright, with two to five clumps about the source, each smaller than it and about as bright."""
    source: Any = model.source["sersic"]
    source = replace(source, intensity=0.5 * source.intensity)
    clumps = {}
    for k in range(random.integers(2, 6)):
        angle, distance = random.uniform(0, 2 * np.pi), source.effective_radius * random.uniform(0.5, 2.5)
        clumps[f"clump_{k}"] = replace(
            source,
            center_x=source.center_x + distance * np.cos(angle),
            center_y=source.center_y + distance * np.sin(angle),
            intensity=source.intensity * random.uniform(0.5, 2.0),
            effective_radius=source.effective_radius * random.uniform(0.25, 0.6),
            sersic_index=1.0,
        )
    return replace(model, source={"sersic": source} | clumps)


def lens(k: int) -> tuple[LensModel, Imaging, int]:
    """Truth, data and seed of lens k."""
    model, seed = (ordinary, hard)[k % 2](1000 + k // 2)
    model = clumpy(model, np.random.default_rng(seed))
    return model, observed(model, seed).binned(2), seed


def wide(model: LensModel, imaging: Imaging) -> LensModel:
    """The model with a prior of the Einstein radius that holds twice the radius, too."""
    sie: Any = model.mass["sie"]
    prior = Uniform(low=2 * imaging.pixel_scale, high=4 * float(np.max(imaging.x[~imaging.mask])))
    return replace(model, mass=model.mass | {"sie": replace(sie, einstein_radius=prior)})


def from_radius(
    imaging: Imaging, model: LensModel, start: FitResult, factor: float
) -> tuple[Problem, np.ndarray, dict[str, Any]]:
    """The fit on pixels from the staged one with its Einstein radius times `factor`: problem, theta, and its row."""
    likelihood = ImagingLikelihood.of(imaging)
    arcs, sie = Arcs.of(likelihood, start.model), start.model.mass["sie"]
    changed = replace(sie, einstein_radius=factor * sie.einstein_radius)
    mass = replace(start.model, mass=start.model.mass | {"sie": changed})
    right, source = (pixel_source(Mesh(), arcs, m) for m in (start.model, mass))
    source = replace(source, strength=right.strength)
    problem = Problem(pixel_model(wide(model, imaging), start, source), PixelImagingLikelihood.of(imaging))
    theta = np.where([name == RADIUS for name in start.names], factor, 1.0) * start.theta
    clock = time.process_time()
    end = ascend(problem, dataclasses.replace(start, theta=theta))
    theta = np.asarray(problem.to_theta(end.z))
    found = problem.reconstruct(theta)
    row = {"factor": factor, "radius": float(theta[problem.names.index(RADIUS)]), "log_posterior": end.log_posterior}
    row |= {"cpu_s": time.process_time() - clock, "evaluations": end.evaluations}
    row["chi2_per_pixel"] = float(found.solution.chi2) / problem.likelihood.data_count
    return problem, theta, row | vars(measure(problem.likelihood, found))


def main() -> None:
    """Fit the lenses, print their rows."""
    jax.config.update("jax_enable_x64", True)
    out, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for k in range(count):
        truth, imaging, seed = lens(k)
        model = flexible(imaging)
        start = fit(Problem(model, ImagingLikelihood.of(imaging)), seed=seed)
        for factor in FACTORS:
            row = {"lens": k, "truth": float(truth.mass["sie"].einstein_radius), "parametric": start[RADIUS]}
            row["parametric_trusted"] = start.trust.trusted
            row["parametric_flux"] = lensed_flux(ImagingLikelihood.of(imaging), start.model)
            try:
                row |= from_radius(imaging, model, start, factor)[2]
            except FitError as error:
                row |= {"factor": factor, "error": str(error)}
            rows.append(row)
            print(" ".join(f"{key} {v:.4g}" if isinstance(v, float) else f"{key} {v}" for key, v in row.items()),
                  flush=True)
        (out / "rows.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
