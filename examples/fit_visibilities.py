"""Fit the ALMA-like mock lens and write its report. From the root of the repository:

    python examples/fit_visibilities.py [FOLDER]
"""
import sys
from pathlib import Path

import jax
from lensfit.calibrated_fit import fit_observations
from lensfit.window import choose_window

import lensfit
from lensfit.likelihood.calibration import Observations
from lensfit.report import write_report
from lensfit.results import write_results

jax.config.update("jax_enable_x64", True)  # before the first array is made

# Further datasets of the same lens stand beside the first one in the list: they are fitted jointly, each with a
# flux scale and a shift. Observations.of(..., antenna_phases=True) fits the phases of the antennas as well.
datasets = choose_window([lensfit.read_interferometer("data/alma_mock")])
observations = Observations.of(datasets)
print(f"{len(datasets[0].visibilities)} visibilities; {datasets[0].notes[-1]}")

done = fit_observations(lensfit.standard.one_source(datasets[0]), observations, seed=0)
result = done.result
k = result.names.index("mass.sie.einstein_radius")
print(f"Einstein radius {result.theta[k]:.4f} arcsec, +- {result.errors[k]:.4f} from the noise, "
      f"+- {result.spread[k]:.4f} over neighbouring models")  # fmt: skip
print("trusted" if result.trust.trusted else f"NOT TRUSTED: {'; '.join(result.trust.reasons)}")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_visibilities")
folder.mkdir(parents=True, exist_ok=True)
write_results(folder, done.problem, done.observations, result)
print(write_report(folder))
