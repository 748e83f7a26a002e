"""Mock lenses on the real baselines of SPT0202-61: are the truth and its errors found?

python benchmarks/visibility_mocks.py [COUNT] draws lenses with the baselines and the noise of the extended
configuration (../shared/data), every second one with phase errors of 8 degrees an antenna, fits each blindly with
antenna phases, and prints for each the pulls (fit - truth)/error of Einstein radius and shear, and what the phases
lowered chi2 by in units of their number: about 1 where there are no errors.
"""
from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np

from lensfit.analysis import analyse
from lensfit.datasets import read_interferometer
from lensfit.likelihood.calibration import Observations
from lensfit.model import LensModel
from lensfit.observations.window import choose_window
from lensfit.profiles import SIE, Sersic, Shear
from lensfit.progress import silent
from lensfit.simulate import simulate_interferometer

jax.config.update("jax_enable_x64", True)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "visilens_spt0202" / "SPT0202-61_ext.npz"
SHOWN = ("mass.sie.einstein_radius", "mass.shear.gamma1", "mass.shear.gamma2")
FLUX = 5e-3
"""Of the unlensed source [Jy]."""


def draw(rng: np.random.Generator, pixel: float) -> LensModel:
    """A lens up to 2 arcsec from the phase centre with a source inside its caustics."""
    x, y = rng.uniform(-1.5, 1.5, 2)
    radius, size, index = rng.uniform(0.6, 1.1), rng.uniform(0.06, 0.15), 1.0
    (e1, e2), (g1, g2) = 0.12 * rng.standard_normal(2), 0.05 * rng.standard_normal(2)
    mass = {
        "sie": SIE(center_x=x, center_y=y, e1=e1, e2=e2, einstein_radius=radius),
        "shear": Shear(gamma1=g1, gamma2=g2),
    }
    at = (x * (1 - g1) - g2 * y, y * (1 + g1) - g2 * x) + 0.12 * radius * rng.standard_normal(2)
    intensity = FLUX * (pixel / size) ** 2 / (2 * np.pi * 1.678**-2 * np.exp(1.678))  # n = 1: flux of one Sersic
    source = Sersic(
        center_x=at[0], center_y=at[1], e1=0.1 * rng.standard_normal(), e2=0.1 * rng.standard_normal(),
        intensity=intensity, effective_radius=size, sersic_index=index,
    )  # fmt: skip
    return LensModel(light={}, mass=mass, source={"sersic": source})


def true(model: LensModel, name: str) -> float:
    """The number at a dotted name."""
    group, profile, field = name.split(".")
    return float(getattr(getattr(model, group)[profile], field))


def main() -> None:
    """Fit the mocks and print the table."""
    jax.config.update("jax_enable_x64", True)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    layout = read_interferometer(DATA, sign=1, east="left").regridded(pixel_scale=0.1, shape=(96, 96))
    print("mock phases radius  fit     pulls: radius gamma1 gamma2  gain/phases  trusted")
    worst = 0.0
    for number in range(count):
        errors = 8.0 * (number % 2)
        model = draw(np.random.default_rng([number, 17]), layout.pixel_scale)
        (data,) = choose_window([simulate_interferometer(model, layout, seed=number, phase_errors=errors)])
        observations = Observations.of([data], antenna_phases=True)
        result = analyse(observations, seed=number, progress=silent).fitted
        pulls = [(result[name] - true(model, name)) / result.errors[result.names.index(name)] for name in SHOWN]
        gain = float(next(note.split()[-1] for note in result.notes if "lowered" in note)) / observations.free
        worst = max(worst, *np.abs(pulls))
        print(
            f"{number:4} {errors:6.0f} {true(model, SHOWN[0]):.4f} {result[SHOWN[0]]:.4f}  "
            f"{pulls[0]:+13.1f} {pulls[1]:+6.1f} {pulls[2]:+6.1f}  {gain:11.1f}  "
            f"{'yes' if result.trust.trusted else 'NO: ' + '; '.join(result.trust.reasons)}",
            flush=True,
        )
    print(f"worst pull {worst:.1f}")


if __name__ == "__main__":
    main()
