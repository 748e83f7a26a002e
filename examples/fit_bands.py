"""Fit a lens in two bands at once and write the report. From the root of the repository:

    python examples/fit_bands.py [FOLDER]

The images are made here; `lensfit fit VIS H --out FOLDER` does the same with the folders of real ones.
"""
import sys

import lensfit
from lensfit.alignment import Alignment
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.model import LensModel
from lensfit.profiles import SIE, Exponential, Sersic, Shear
from lensfit.simulate import simulate_imaging

lensfit.setup()  # double precision, and compiled programs kept for the next run

MASS = {"sie": SIE(center_x=0.02, center_y=-0.03, e1=0.1, e2=0.05, einstein_radius=1.2),
        "shear": Shear(gamma1=0.03, gamma2=-0.02)}  # fmt: skip


def observed(light, source, size, pixel, side, fwhm, shift=None):
    """One band: brightness of lens and source, size of the source, camera, and how far its coordinates are off."""
    model = LensModel(
        light={"lens": Sersic(center_x=0.02, center_y=-0.03, e1=0.08, e2=0.02, intensity=light, effective_radius=0.5,
                              sersic_index=3.0)},
        mass=MASS,
        source={"galaxy": Exponential(center_x=0.1, center_y=0.06, e1=0.1, e2=-0.15, intensity=source,
                                      effective_radius=size)},
        alignment=None if shift is None else Alignment(shift_x=shift[0], shift_y=shift[1], angle=0.0),
    )  # fmt: skip
    psf = gaussian_psf(fwhm, pixel, 2 * int(1.5 * fwhm / pixel) + 1)
    camera = Instrument(pixel_scale=pixel, psf=psf, exposure_time=2000.0, gain=1.0, sky=0.1, read_noise=4.0, unit="nJy")
    return simulate_imaging(model, camera, (side, side), seed=1)


bands = {
    "VIS": observed(light=0.4, source=0.6, size=0.2, pixel=0.1, side=50, fwhm=0.16),
    "H": observed(light=16.0, source=6.0, size=0.15, pixel=0.2, side=26, fwhm=0.4, shift=(0.03, -0.02)),
}

# One mass, and in each band lens light and source of its own; the first band is the bluest. "scaled" gives both bands
# one shape, whose size may differ: of red bands with few pixels that is all that can be told.
analysis = lensfit.analyse(bands, light_bands="scaled", source_bands="scaled", seed=0)
print(analysis.summary())
print(analysis.photometry.table())
colour, error = analysis.photometry.colour("source", "VIS", "H")
print(f"source VIS - H = {colour:.2f} +- {error:.2f}, made with {0.6:.1f} and {6.0:.1f} nJy a pixel")
shift = [analysis.result[f"H.alignment.shift_{axis}"] for axis in "xy"]
print(f"H lies ({shift[0]:.3f}, {shift[1]:.3f}) arcsec from where correlation put it")

folder = analysis.save(sys.argv[1] if len(sys.argv) > 1 else "runs/fit_bands")
print(folder / "report.html")
