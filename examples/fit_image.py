"""Fit the mock lens and write its report, as `lensfit fit data/jwst_mock` does. From the root of the repository:

    python examples/fit_image.py [FOLDER]
"""
import sys

import lensfit

lensfit.setup()  # double precision, and compiled programs kept for the next run

analysis = lensfit.analyse("data/jwst_mock", seed=0)
print(analysis.summary())

radius = analysis.einstein_radius  # of the critical curve; .value, .error, .spread, .total
print(f"{radius.value:.4f} +- {radius.total:.4f} arcsec, {analysis.trust.word}")
for name in ("mass.sie.axis_ratio", "source_magnification"):
    print(f"{name:22} {analysis.derived[name]}")

folder = analysis.save(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_image")
print(folder / "report.html")
