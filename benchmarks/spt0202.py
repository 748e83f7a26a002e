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

from lensfit.analysis import Analysis, analyse
from lensfit.progress import silent

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


def line(done: Analysis) -> str:
    """What a fit found."""
    result, radius, held = done.fitted, done.einstein_radius, done.observation.observations.held().likelihood()
    residual = np.abs(held.dirty_residual(held.image(result.model))).max()
    gain = next((note.split()[-1] for note in result.notes if "lowered" in note), "-")
    return (
        f"{radius.value:.4f} +- {radius.error:.4f} +- {radius.spread:.3f}  "
        f"{result.chi2 / result.data_count:.4f}  {residual:5.2f}  {gain:>6}  {'yes' if result.trust.trusted else 'NO'}"
    )


def main() -> None:
    """Fit all cases and print the table."""
    jax.config.update("jax_enable_x64", True)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("data     model                phases seed  radius, errors             chi2/N  resid.  gain  trusted  CPU s")
    for names, model, phases, every in CASES:
        paths = [DATA / f"SPT0202-61_{name}.npz" for name in names]
        for seed in range(seeds if every else 1):
            started = time.process_time()
            done = analyse(paths, model, seed=seed, sign=1, east="left", antenna_phases=phases, progress=silent)
            seconds = time.process_time() - started
            case = f"{'+'.join(names):8} {model:20} {'yes' if phases else 'no':6}"
            print(f"{case} {seed:4}  {line(done)}  {seconds:.1f}", flush=True)
            for reason in done.trust.reasons:
                print(f"           {reason}", flush=True)


if __name__ == "__main__":
    main()
