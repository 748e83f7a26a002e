"""Posterior and evidence of the mock lens, in seconds after the fit. From the root of the repository:

    python examples/posterior.py [FOLDER]
"""
import sys

import numpy as np

import lensfit
from lensfit.analysis import Posterior
from lensfit.fitters import Importance

lensfit.setup()  # double precision, and compiled programs kept for the next run

best = lensfit.analyse("data/jwst_mock", seed=0)  # the optimum, and whether it may be believed
analysis = best.then(Posterior(Importance(effective_samples=500)))
result = analysis.result
print(result.trust.checks[0].finding)  # whether the weights can be relied upon
print(f"ln evidence {result.log_evidence:.2f} +- {result.log_evidence_error:.2f}")

k = result.names.index("mass.sie.einstein_radius")
order = np.argsort(result.samples[:, k])
share = np.cumsum(result.weights[order])
low, middle, high = result.samples[order, k][np.searchsorted(share, [0.16, 0.5, 0.84])]
print(f"einstein_radius of the SIE {middle:.5f} arcsec, 68 % between {low:.5f} and {high:.5f}")
print(analysis.summary())

folder = analysis.save(sys.argv[1] if len(sys.argv) > 1 else "runs/posterior")
print(folder / "report.html")  # beside samples.ecsv, samples.h5 for ArviZ, corner.png, trace.png
