"""Fit the mock lens of data/jwst_mock and write its report: python examples/fit_image.py [FOLDER]"""
import sys
from pathlib import Path

import jax
import numpy as np

import lensfit
from lensfit.report import write_report
from lensfit.results import write_results

jax.config.update("jax_enable_x64", True)  # before the first array is made

imaging = lensfit.read_imaging(Path(__file__).parents[1] / "data" / "jwst_mock")
# The folder holds a mask, which is kept. Without one: lensfit.field.choose_mask(imaging), or
# imaging.circular_mask(radius, center=(x, y)), all in arcsec.

model = lensfit.standard.parametric(imaging)
problem = lensfit.Problem(model, lensfit.ImagingLikelihood.of(imaging))

theta = problem.to_theta(np.zeros(problem.ndim))  # the middle of every prior
value, gradient = problem.value_and_grad(theta)
print(f"{problem.ndim} parameters; ln L = {value:.0f} in the middle of the prior")
steepest = np.argmax(np.abs(gradient * np.std(problem.draw(np.random.default_rng(0), 100), axis=0)))
print(f"steepest there: {problem.names[steepest]}")

result = lensfit.fit(problem, seed=0)
k = result.names.index("mass.sie.einstein_radius")
print(f"Einstein radius {result.theta[k]:.4f} arcsec, +- {result.errors[k]:.4f} from the noise, "
      f"+- {result.spread[k]:.4f} over neighbouring models")  # fmt: skip
print("trusted" if result.trust.trusted else f"NOT TRUSTED: {'; '.join(result.trust.reasons)}")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_image")
folder.mkdir(parents=True, exist_ok=True)
write_results(folder, problem, imaging, result)
print(write_report(folder))
