"""Maps as extensions of a FITS file."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from lensfit import version
from lensfit.datasets.cutout import Frame
from lensfit.datasets.dataset import offset_header

if TYPE_CHECKING:
    from lensfit.maps.maps import Maps

Row = tuple[str, np.ndarray, str | None, str]
"""Name, image (H, W), unit and meaning."""


def maps_file(maps: Maps) -> fits.HDUList:
    """CONVERGENCE, DEFLECTION_X, DEFLECTION_Y, GAMMA1, GAMMA2, MAGNIFICATION, POTENTIAL; of each profile LIGHT_NAME,
    LENSED_NAME and, in the source plane, SOURCE_NAME; units in BUNIT, meanings as comments."""
    primary = fits.PrimaryHDU()
    primary.header["CREATOR"] = f"lensfit {version.__version__}"
    hdus: Any = fits.HDUList([primary])
    rows = _of_mass(maps) if maps.model.mass else []
    rows += [(f"LIGHT_{name}", image, maps.unit, "lens light, without PSF") for name, image in maps.light.items()]
    rows += [(f"LENSED_{name}", image, maps.unit, "lensed source, without PSF")
             for name, image in maps.lensed_source.items()]  # fmt: skip
    for name, image, unit, words in rows:
        hdus.append(_hdu(name, image, maps.frame, unit, words))
    for name, image in maps.source.items():
        words = "source without the lens; NaN where it is not modelled"
        hdus.append(_hdu(f"SOURCE_{name}", image, maps.source_frame, maps.unit, words))
    return hdus


def _of_mass(maps: Maps) -> list[Row]:
    """The maps of the mass, those left out that a class of a mass does not define."""
    (across, up), (first, second) = maps.deflection, maps.shear
    rows: list[Row] = [
        ("DEFLECTION_X", across, "arcsec", "alpha_x, along the rows"),
        ("DEFLECTION_Y", up, "arcsec", "alpha_y, along the columns"),
        ("GAMMA1", first, None, "(psi_xx - psi_yy) / 2"),
        ("GAMMA2", second, None, "psi_xy"),
        ("MAGNIFICATION", maps.magnification, None, "1 / det A, signed by parity"),
    ]
    if maps.has("convergence"):
        rows.insert(0, ("CONVERGENCE", maps.convergence, None, "kappa, surface density over the critical one"))
    if maps.has("potential"):
        rows.append(("POTENTIAL", maps.potential, "arcsec2", "psi, whose gradient is the deflection"))
    return rows


def _hdu(name: str, image: np.ndarray, frame: Frame, unit: str | None, words: str) -> fits.ImageHDU:
    header = offset_header(frame) if frame.wcs is None else frame.wcs.to_header(relax=True)
    hdu = fits.ImageHDU(np.ascontiguousarray(image), header, name=name)
    hdu.header["PIXSCALE"] = (frame.pixel_scale, "arcsec per pixel")
    for line in (words, "values are those at pixel centres"):
        hdu.header.add_comment(line)
    if unit is not None:
        hdu.header["BUNIT"] = unit
    return hdu
