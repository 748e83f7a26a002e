"""Images as a FITS file of one extension each."""
from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits

from lensfit._version import __version__

Images = tuple[tuple[str, np.ndarray, str | None, str], ...]
"""Name, array, unit and meaning of each."""


def image_file(images: Images, header: fits.Header, about: dict[str, Any]) -> fits.HDUList:
    """The images on the frame that `header` says; `about` is for the primary header."""
    primary = fits.PrimaryHDU()
    primary.header["CREATOR"] = f"lensfit {__version__}"
    primary.header.update(about)
    hdus = fits.HDUList([primary])
    for name, array, unit, comment in images:
        hdu = fits.ImageHDU(array, header, name=name)
        hdu.header["COMMENT"] = comment
        if unit is not None:
            hdu.header["BUNIT"] = unit
        hdus.append(hdu)  # pyright: ignore[reportArgumentType]
    return hdus
