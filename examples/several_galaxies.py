"""Fit a lens with a satellite, as `lensfit fit DATA --galaxy X,Y` does. From the root of the repository:

    python examples/several_galaxies.py [FOLDER]
"""
import sys

import lensfit
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.profiles import SIE, Sersic

lensfit.setup()

# The truth: a lens, a satellite beside the arcs, and a source
lens = {"center_x": 0.0, "center_y": 0.0, "e1": 0.08, "e2": -0.04}
satellite = {"center_x": 1.3, "center_y": 0.9, "e1": 0.0, "e2": 0.05}
source = {"center_x": 0.12, "center_y": -0.05, "e1": 0.1, "e2": 0.1}
truth = lensfit.LensModel(
    light={
        "lens": Sersic(**lens, intensity=1.0, effective_radius=0.6, sersic_index=3.0),
        "satellite": Sersic(**satellite, intensity=0.8, effective_radius=0.15, sersic_index=2.0),
    },
    mass={"lens": SIE(**lens, einstein_radius=1.2), "satellite": SIE(**satellite, einstein_radius=0.2)},
    source={"sersic": Sersic(**source, intensity=2.0, effective_radius=0.12, sersic_index=1.0)},
)
camera = Instrument(pixel_scale=0.08, psf=gaussian_psf(0.15, 0.08, 11), exposure_time=2000.0, gain=1.0, sky=0.1,
                    read_noise=3.0, unit="electron / s")  # fmt: skip
image = lensfit.simulate_imaging(truth, camera, (64, 64), seed=1)

# Where the satellite is seen; "1.3,0.9,light" or "mass" has one of the two alone
image = image.with_galaxies(["1.3,0.9"])
analysis = lensfit.analyse(image, "flexible", mass="sie", source="profiles")
print(analysis.summary())
for name in ("mass.sie.einstein_radius", "mass.galaxy_1.einstein_radius"):
    at = analysis.fitted.names.index(name)
    print(f"{name:31} {analysis.fitted.theta[at]:.4f} +- {analysis.fitted.errors[at]:.4f} arcsec")

folder = analysis.save(sys.argv[1] if len(sys.argv) > 1 else "runs/several_galaxies")
print(folder / "report.html")
