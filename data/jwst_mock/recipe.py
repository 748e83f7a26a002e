"""Makes the JWST-like mock lens of this folder, bit for bit: python recipe.py NEW_FOLDER"""
import json
import sys
from pathlib import Path

import jax
from astropy.wcs import WCS

from lensfit.datasets import Imaging, write_imaging
from lensfit.instruments import jwst_f150w
from lensfit.model import LensModel
from lensfit.profiles import SIE, Exponential, Sersic, Shear
from lensfit.pytree import replace
from lensfit.simulate import simulate_imaging
from lensfit.space import Space
from lensfit.standard import parametric

TRUTH = LensModel(
    light={
        "bulge": Sersic(center_x=-0.033, center_y=0.021, e1=-0.09, e2=0.06, intensity=0.9,
                        effective_radius=0.45, sersic_index=3.4),
        "disk": Exponential(center_x=-0.033, center_y=0.021, e1=-0.04, e2=0.12, intensity=0.3,
                            effective_radius=1.1),
    },
    mass={"sie": SIE(center_x=-0.021, center_y=0.012, e1=-0.13, e2=0.07, einstein_radius=1.3),
          "shear": Shear(gamma1=0.03, gamma2=-0.025)},
    source={"sersic": Sersic(center_x=0.045, center_y=0.07, e1=-0.08, e2=0.15, intensity=0.55,
                             effective_radius=0.12, sersic_index=1.2)},
)  # fmt: skip


def mock() -> Imaging:
    """150 x 150 pixels, north up, the disc of 2 arcsec used; the place on the sky is made up."""
    imaging = simulate_imaging(TRUTH, jwst_f150w(), (150, 150), seed=2030).circular_mask(2.0)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.1, 2.2]
    wcs.wcs.crpix = [75.5, 75.5]
    wcs.wcs.cdelt = [-imaging.pixel_scale / 3600, imaging.pixel_scale / 3600]
    return replace(imaging, wcs=wcs)


def truth(imaging: Imaging) -> dict[str, dict[str, float | str]]:
    """True value and unit of each free parameter of the standard model `parametric`."""
    values = dict(zip(Space.of(TRUTH).paths, jax.tree.leaves(TRUTH), strict=True))
    free = Space.of(parametric(imaging)).parameters
    return {p.name: {"value": values[p.name], "unit": p.unit} for p in free}


def write(folder: Path) -> None:
    """The mock's files and truth.json in a new folder."""
    imaging = mock()
    write_imaging(imaging, folder)
    (folder / "truth.json").write_text(json.dumps(truth(imaging), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
