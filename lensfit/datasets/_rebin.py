"""Coarser pixels: blocks of images, and the PSF and WCS that belong to them."""

import numpy as np
from astropy.wcs import WCS

from lensfit.errors import DataError


def blocks(image: np.ndarray, factor: int) -> np.ndarray:
    """An (H, W) image as (H // factor, W // factor, factor^2), trailing rows and columns cut."""
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    kept = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return kept.swapaxes(1, 2).reshape(rows, columns, factor * factor)


def rebinned_wcs(wcs: WCS, factor: int) -> WCS:
    """The WCS of the image on pixels `factor` times coarser, with the same first pixel edge.

    Raises:
        DataError: the WCS holds a distortion, which is not rescaled here.
    """
    if wcs.has_distortion:
        raise DataError("binning: the WCS has a distortion; bin dataclasses.replace(imaging, wcs=None)")
    coarse = wcs.deepcopy()
    coarse.wcs.crpix = (wcs.wcs.crpix - 0.5) / factor + 0.5
    if wcs.wcs.has_cd():
        coarse.wcs.cd = wcs.wcs.cd * factor
    else:
        coarse.wcs.cdelt = wcs.wcs.cdelt * factor
    if wcs.pixel_shape is not None:
        coarse.pixel_shape = [side // factor for side in wcs.pixel_shape]
    coarse.wcs.set()
    return coarse


def rebinned_psf(psf: np.ndarray, factor: int) -> np.ndarray:
    """The PSF on pixels `factor` times coarser, odd-sided and centred for odd and even factors alike.

    A fine PSF pixel k moves the light by k / factor coarse pixels. That shift is written as cubic
    interpolation between whole coarse pixels, PSF_c = W PSF W^T with W[K, k] = w(K - k / factor), which
    keeps sum, centroid and second moments exactly. Summing the PSF in blocks would broaden it.

    Args:
        psf: (h, w) odd-sided.
        factor: fine pixels per coarse pixel along each axis.
    """
    rows, columns = (_shift_weights(side, factor) for side in psf.shape)
    return rows @ psf @ columns.T


def _shift_weights(side: int, factor: int) -> np.ndarray:
    half = side // 2
    reach = (half - 1) // factor + 2 if half else 0
    fine = np.arange(-half, half + 1) / factor
    return _cubic(np.arange(-reach, reach + 1)[:, None] - fine)


def _cubic(t: np.ndarray) -> np.ndarray:
    """Keys (1981) cubic convolution kernel, exact for quadratics; support |t| < 2."""
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))
