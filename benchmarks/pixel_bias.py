"""Whether sources on pixels bias the mass: the bundled lens with other noise, parametric and on pixels.

python benchmarks/pixel_bias.py [SEEDS] prints, for each seed of the noise and each way of holding the source, value
less truth of Einstein radius, shear and ellipticity, and ln evidence; then their means and standard errors.
"""
from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np

from lensfit import ImagingLikelihood, PixelImagingLikelihood, Problem, fit
from lensfit.analysis.pixel_model import Arcs, Mesh, pixel_model, pixel_source
from lensfit.analysis.source_on_pixels import beside
from lensfit.fitters.optimum import optimum
from lensfit.instruments import jwst_f150w
from lensfit.simulate import simulate_imaging
from lensfit.standard import parametric

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data" / "jwst_mock"))
from recipe import TRUTH, truth

NAMES = [f"mass.{name}" for name in ("sie.einstein_radius", "shear.gamma1", "shear.gamma2", "sie.e1", "sie.e2")]
MESHES = {
    "gradient": (Mesh(), 2),
    "gradient, 4 x 4 rays": (Mesh(), 4),
    "curvature": (Mesh(regularisation="curvature"), 2),
    "adaptive": (Mesh(regularisation="adaptive"), 2),
    "positive": (Mesh(positive=True), 2),
}
"""Mesh, and rays per pixel and axis."""


def main() -> None:
    """Print the table."""
    jax.config.update("jax_enable_x64", True)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    off: dict[str, list[np.ndarray]] = {}
    for seed in range(seeds):
        imaging = simulate_imaging(TRUTH, jwst_f150w(), (150, 150), seed=seed).circular_mask(2.0)
        true = np.array([truth(imaging)[name]["value"] for name in NAMES], float)
        smooth = Problem(parametric(imaging), ImagingLikelihood.of(imaging))
        start = fit(smooth, seed=0)
        errors = [start.errors[start.names.index(name)] for name in NAMES]
        print("errors of the parametric fit", " ".join(f"{error:8.5f}" for error in errors))
        off.setdefault("parametric", []).append(np.array([start[name] for name in NAMES]) - true)
        for name, (mesh, rays) in MESHES.items():
            source = pixel_source(mesh, Arcs.of(smooth.likelihood, start.model), start.model)
            likelihood = PixelImagingLikelihood.of(imaging, sub_pixels=rays)
            problem = Problem(pixel_model(smooth.model, start, source), likelihood)
            theta = optimum(problem, beside(problem, start)).theta
            off.setdefault(name, []).append(theta[[problem.names.index(n) for n in NAMES]] - true)
            print(f"{seed} {name}: ln evidence {float(problem.log_likelihood(theta)):.1f}", flush=True)
    for name, rows in off.items():
        mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(seeds)
        print(f"{name:22}", " ".join(f"{m:+.5f} +- {e:.5f}" for m, e in zip(mean, error, strict=True)), flush=True)


if __name__ == "__main__":
    main()
