"""Real ALMA visibilities of SPT0202-61: seeds, models, and each configuration alone.

python benchmarks/spt0202.py [SEEDS] prints, for both configurations jointly with antenna phases and for the
compact one alone, one line a fit: Einstein radius, statistical error, spread over neighbouring models, chi2 per
real number, the largest residual of the dirty image in sigma, what the calibration lowered chi2 by, trust and CPU
seconds (with compilation the first time). The data are in ../shared/data; nothing is published of this lens.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

import jax
import numpy as np
from lensfit.calibrated_fit import CalibratedFit, fit_observations
from lensfit.window import choose_window

from lensfit.datasets import Interferometer, read_interferometer
from lensfit.likelihood.calibration import Observations
from lensfit.standard import VISIBILITIES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "visilens_spt0202"
CASES = (
    (("ext", "com"), "one_source", True, True),
    (("ext", "com"), "one_source_and_core", True, False),
    (("ext", "com"), "two_sources", True, False),
    (("ext", "com"), "one_source", False, False),
    (("com",), "one_source", False, True),
    (("com",), "one_source", True, False),
)
"""Configurations, model, whether phases are fitted, whether with all seeds."""


def read(*names: str) -> list[Interferometer]:
    """The named configurations on one window."""
    found = [read_interferometer(DATA / f"SPT0202-61_{name}.npz", sign=1, east="left") for name in names]
    return choose_window(found)


def line(done: CalibratedFit) -> str:
    """What a fit found."""
    result, held = done.result, done.observations.held().likelihood()
    k = result.names.index("mass.sie.einstein_radius")
    residual = np.abs(held.dirty_residual(held.image(result.model))).max()
    gain = next((note.split()[-1] for note in result.notes if "lowered" in note), "-")
    return (
        f"{result.theta[k]:.4f} +- {result.errors[k]:.4f} +- {result.spread[k]:.3f}  "
        f"{result.chi2 / result.data_count:.4f}  {residual:5.2f}  {gain:>6}  {'yes' if result.trust.trusted else 'NO'}"
    )


def main() -> None:
    """Fit all cases and print the table."""
    jax.config.update("jax_enable_x64", True)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("data     model                phases seed  radius, errors             chi2/N  resid.  gain  trusted  CPU s")
    for names, model, phases, every in CASES:
        datasets = read(*names)
        observations = Observations.of(datasets, antenna_phases=phases)
        for seed in range(seeds if every else 1):
            started = time.process_time()
            done = fit_observations(VISIBILITIES[model](datasets[0]), observations, seed=seed)
            seconds = time.process_time() - started
            case = f"{'+'.join(names):8} {model:20} {'yes' if phases else 'no':6}"
            print(f"{case} {seed:4}  {line(done)}  {seconds:.1f}", flush=True)
            for reason in done.result.trust.reasons:
                print(f"           {reason}", flush=True)


if __name__ == "__main__":
    main()
