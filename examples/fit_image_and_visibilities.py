"""Fit an image of a lens and visibilities of its dust with one mass. From the root of the repository:

    python examples/fit_image_and_visibilities.py [FOLDER]
"""
import json
import sys
from pathlib import Path

import lensfit
from lensfit.datasets import Interferometer
from lensfit.model import LensModel
from lensfit.profiles import SIE, Exponential, Shear
from lensfit.simulate import simulate_interferometer

lensfit.setup()  # double precision, and compiled programs kept for the next run

# The lens of data/jwst_mock as the antennas of data/alma_mock would have seen its dust.
truth = {name: row["value"] for name, row in json.loads(Path("data/jwst_mock/truth.json").read_text()).items()}
sie, shear = ({name.rpartition(".")[2]: value for name, value in truth.items() if name.startswith(f"mass.{key}.")}
              for key in ("sie", "shear"))  # fmt: skip
dust = Exponential(center_x=0.05, center_y=0.06, e1=0.0, e2=0.1, intensity=6e-5, effective_radius=0.15)
model = LensModel(light={}, mass={"sie": SIE(**sie), "shear": Shear(**shear)}, source={"dust": dust})
baselines = lensfit.read_interferometer("data/alma_mock").visibilities
field = Interferometer.of(baselines, pixel_scale=0.05, shape=(128, 128))
seen = simulate_interferometer(model, field, seed=2)

analysis = lensfit.analyse({"stars": lensfit.read_imaging("data/jwst_mock"), "dust": seen}, seed=0)
print(analysis.summary())
for name in ("mass.sie.einstein_radius", "dust.source.sersic.effective_radius", "dust.alignment.shift_x"):
    place = analysis.result.names.index(name)
    print(f"{name:38} {analysis.result.theta[place]:.4f} +- {analysis.result.errors[place]:.4f}")

folder = analysis.save(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_image_and_visibilities")
print(folder / "report.html")
