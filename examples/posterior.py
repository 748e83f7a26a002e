"""Posterior and evidence of the mock lens, in seconds after the fit. From the root of the repository:

    python examples/posterior.py [FOLDER]
"""
import sys
from pathlib import Path

import jax
import numpy as np

import lensfit
from lensfit.fitters.importance import Importance
from lensfit.report import write_report
from lensfit.results import write_results

jax.config.update("jax_enable_x64", True)  # before the first array is made

imaging = lensfit.read_imaging("data/jwst_mock")
problem = lensfit.Problem(lensfit.standard.parametric(imaging), lensfit.ImagingLikelihood.of(imaging))

best = lensfit.fit(problem, seed=0)  # the optimum, and whether it may be believed
result = lensfit.fit(problem, Importance(effective_samples=500), seed=0, start=best)
print(result.trust.checks[0].finding)  # whether the weights can be relied upon
print(f"ln evidence {result.log_evidence:.2f} +- {result.log_evidence_error:.2f}")

k = result.names.index("mass.sie.einstein_radius")
order = np.argsort(result.samples[:, k])
share = np.cumsum(result.weights[order])
low, middle, high = result.samples[order, k][np.searchsorted(share, [0.16, 0.5, 0.84])]
print(f"Einstein radius {middle:.5f} arcsec, 68 % between {low:.5f} and {high:.5f}")
print("trusted" if result.trust.trusted else f"NOT TRUSTED: {'; '.join(result.trust.reasons)}")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/posterior")
folder.mkdir(parents=True, exist_ok=True)
write_results(folder, problem, imaging, result)  # samples.ecsv, samples.h5 for ArviZ, corner.png, trace.png
print(write_report(folder))
