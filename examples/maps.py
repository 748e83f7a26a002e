"""What a lens looks like in numbers: maps on a grid of one's own, as arrays and files. From the root of the repository:

    python examples/maps.py [FOLDER]
"""
import sys
from pathlib import Path

import numpy as np

import lensfit
from lensfit import LensModel, Maps, Redshifts
from lensfit.coolest import write_coolest
from lensfit.lensing import Field, einstein_radius_of
from lensfit.profiles import EPL, Sersic, Shear

MODEL = LensModel(
    light={"bulge": Sersic(center_x=0.0, center_y=0.0, e1=0.1, e2=0.0, intensity=1.0, effective_radius=0.6,
                           sersic_index=4.0)},
    mass={
        "main": EPL(center_x=0.0, center_y=0.0, e1=0.1, e2=0.05, einstein_radius=1.2, slope=2.1),
        "shear": Shear(gamma1=0.03, gamma2=-0.02),
    },
    source={"arc": Sersic(center_x=0.06, center_y=0.03, e1=0.0, e2=0.2, intensity=0.5, effective_radius=0.1,
                          sersic_index=1.0)},
)  # fmt: skip
"""In place of it analysis.maps(...) takes the model of a fit, and its celestial coordinates."""

if __name__ == "__main__":
    lensfit.setup()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/maps")
    folder.mkdir(parents=True, exist_ok=True)
    maps = Maps.of(MODEL, shape=(200, 200), pixel_scale=0.02)
    ring = np.hypot(*np.meshgrid(*maps.frame.axes())) < 1.2
    print(f"mean convergence within 1.2 arcsec: {maps.convergence[ring].mean():.3f}")
    lensed, source = maps.lensed_source["arc"].sum() * 0.02**2, maps.source["arc"].sum()
    print(f"magnification of the source: {lensed / (source * maps.source_frame.pixel_scale**2):.1f}")
    radius = einstein_radius_of(MODEL, Field(0.0, 0.0, 2.0))
    mass = Redshifts.of(lens=0.5, source=2.0).mass(radius)  # of a fit: analysis.derived["einstein_mass"]
    print(f"Einstein radius {radius:.4f} arcsec, within it {mass:.3e} Msun")
    print(maps.write(folder / "maps.fits"))
    print(write_coolest(folder / "coolest.json", maps, Redshifts.of(0.5, 2.0)))  # other codes read it
    print(maps.write_regions(folder / "critical_curves.reg"))
