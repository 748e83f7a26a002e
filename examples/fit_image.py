"""Fit the mock lens and write its report. From the root of the repository:

    python examples/fit_image.py [FOLDER]
"""
import sys
from pathlib import Path

import jax
import numpy as np

import lensfit
from lensfit.report import write_report
from lensfit.results import write_results

jax.config.update("jax_enable_x64", True)  # before the first array is made

# The folder holds a mask, which is kept; without one: lensfit.field.choose_mask(imaging), or
# imaging.circular_mask(radius, center=(x, y)) in arcsec.
imaging = lensfit.read_imaging("data/jwst_mock")
model = lensfit.standard.parametric(imaging)
problem = lensfit.Problem(model, lensfit.ImagingLikelihood.of(imaging))

k = problem.names.index("mass.sie.einstein_radius")
middle = problem.to_theta(np.zeros(problem.ndim))  # of every prior
value, gradient = problem.value_and_grad(middle)
print(f"{problem.ndim} parameters; in the middle of the prior ln L = {value:.4g}, "
      f"d ln L / d theta_E = {gradient[k]:.4g} per arcsec")  # fmt: skip

result = lensfit.fit(problem, seed=0)
print(f"Einstein radius {result.theta[k]:.4f} arcsec, +- {result.errors[k]:.4f} from the noise, "
      f"+- {result.spread[k]:.4f} over neighbouring models")  # fmt: skip
print("trusted" if result.trust.trusted else f"NOT TRUSTED: {'; '.join(result.trust.reasons)}")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_image")
folder.mkdir(parents=True, exist_ok=True)
write_results(folder, problem, imaging, result)
print(write_report(folder))
