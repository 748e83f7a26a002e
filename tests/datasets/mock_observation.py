"""One small observation that all tests of this folder share."""

from pathlib import Path

import numpy as np
from astropy.wcs import WCS

SHAPE = (24, 20)
SCALE = 0.05
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def gaussian_psf(side=5, sigma=0.55):
    r = np.arange(side) - (side - 1) / 2
    psf = np.exp(-(r**2 + r[:, None] ** 2) / (2 * sigma**2))
    return psf / psf.sum()


def observed_arrays():
    """data, noise, psf and mask of an image with a bright middle."""
    random = np.random.default_rng(7)
    noise = random.uniform(0.5, 1.5, SHAPE)
    y, x = np.indices(SHAPE)
    data = 30 * np.exp(-np.hypot(x - 9, y - 12) / 3) + noise * random.normal(size=SHAPE)
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 3] = mask[20, 19] = True
    return {"data": data, "noise": noise, "psf": gaussian_psf(), "mask": mask}


def sky_wcs(shape=SHAPE, side=(SCALE, SCALE), angle=0.3):
    """A rotated tangent projection with pixels of `side` arcsec."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.1, 2.2]
    wcs.wcs.crpix = [shape[1] / 3, shape[0] / 4]
    cosine, sine = np.cos(angle), np.sin(angle)
    wcs.wcs.cd = np.array([[-cosine, sine], [sine, cosine]]) * np.array(side) / 3600
    return wcs


def sky_header(**cards):
    """The header of an image with `sky_wcs` as a CD matrix, and more cards."""
    header = sky_wcs().to_header()
    for i in (1, 2):
        header.remove(f"CDELT{i}", ignore_missing=True)
        for j in (1, 2):
            header.remove(f"PC{i}_{j}", ignore_missing=True)
            header[f"CD{i}_{j}"] = sky_wcs().wcs.cd[i - 1, j - 1]
    header.update(cards)
    return header
