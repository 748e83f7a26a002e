"""Makes the ALMA-like mock lens of this folder: python recipe.py NEW_FOLDER"""
import json
import sys
from pathlib import Path

import jax
import numpy as np

from lensfit.datasets import Interferometer, write_interferometer
from lensfit.instruments import earth_rotation, spiral
from lensfit.model import LensModel, describe
from lensfit.profiles import SIE, Sersic, Shear
from lensfit.simulate import simulate_interferometer

TRUTH = LensModel(
    light={},
    mass={"sie": SIE(center_x=0.24, center_y=-0.13, e1=0.12, e2=-0.07, einstein_radius=0.82),
          "shear": Shear(gamma1=0.035, gamma2=0.02)},
    source={"sersic": Sersic(center_x=0.33, center_y=-0.05, e1=-0.1, e2=0.16, intensity=5e-5,
                             effective_radius=0.14, sersic_index=1.1)},
)  # fmt: skip


def layout() -> Interferometer:
    """16 antennas 20 to 900 m apart for four hours at 870 micrometres; the place on the sky is made up."""
    track = earth_rotation(
        spiral(16, 900.0), latitude=-23.03, declination=-47.0, hour_angles=np.linspace(-1.9, 2.1, 40),
        wavelength=870e-6, noise=4e-3,
    )  # fmt: skip
    return Interferometer.of(track, pixel_scale=0.035, shape=(128, 128), primary_beam=18.0)


def mock() -> Interferometer:
    """4,800 visibilities."""
    return simulate_interferometer(TRUTH, layout(), seed=2031)


def truth() -> dict[str, dict[str, float | str]]:
    """True value and unit of each number of the model; intensities in Jy per pixel."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(TRUTH)
    known = [(describe(TRUTH, path), float(value)) for path, value in leaves]
    return {p.name: {"value": value, "unit": p.unit} for p, value in known if p.name != "sky"}


def write(folder: Path) -> None:
    """The mock's files and truth.json in a new folder."""
    write_interferometer(mock(), folder)
    (folder / "truth.json").write_text(json.dumps(truth(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
