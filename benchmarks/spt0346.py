"""Real ALMA visibilities of SPT0346-52: seeds and models against what is published.

python benchmarks/spt0346.py [SEEDS] [MODEL ...] fits with antenna phases, one line a fit: that of spt0202.py, and of
the mass its Einstein radius (intermediate axis), axis ratio and position angle East of North. Published, of two
sources with antenna phases: chi2 43,446, residual 4.1 sigma, 0.957 +- 0.009, 0.507, 70.9 degrees.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

import jax
import numpy as np
from spt0202 import line

from lensfit.analysis import Analysis, analyse
from lensfit.progress import silent

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "visilens_spt0346" / "SPT0346-52_cont.npz"


def mass(done: Analysis) -> str:
    """Einstein radius, axis ratio and position angle of the SIE; x is to the West, so East of North is the angle from
    +y towards -x."""
    sie = done.fitted.model.mass["sie"]
    e, angle = np.hypot(sie.e1, sie.e2), 0.5 * np.degrees(np.arctan2(sie.e2, sie.e1))
    return f"{float(sie.einstein_radius):.4f} {float((1 - e) / (1 + e)):.3f} {float((angle - 90) % 180):.1f}"


def main() -> None:
    """Fit and print the table."""
    jax.config.update("jax_enable_x64", True)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    for model in sys.argv[2:] or ("one_source", "two_sources"):
        for seed in range(seeds):
            begun = time.process_time()
            done = analyse(DATA, model, seed=seed, sign=1, east="left", antenna_phases=True, progress=silent)
            seconds = time.process_time() - begun
            chi2 = f"{done.fitted.chi2:.0f}"
            print(f"{model:20} {seed:4}  {line(done)}  chi2 {chi2}  {mass(done)}  CPU s {seconds:.1f}", flush=True)
            for reason in done.trust.reasons:
                print(f"           {reason}", flush=True)


if __name__ == "__main__":
    main()
