"""Fit the ALMA-like mock lens and write its report. From the root of the repository:

    python examples/fit_visibilities.py [FOLDER]
"""
import sys

import lensfit

lensfit.setup()  # double precision, and compiled programs kept for the next run

# A list of paths fits several datasets of the same lens jointly, each further one with a flux scale and a shift of
# its own; antenna_phases=True fits the phases of the antennas as well.
analysis = lensfit.analyse("data/alma_mock", seed=0)
print(analysis.observation.notes[-1])  # the window that was chosen
print(analysis.summary())

folder = analysis.save(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_visibilities")
print(folder / "report.html")
