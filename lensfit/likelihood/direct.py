"""The direct route: model visibilities by non-uniform FFT, for residuals in visibility space and as a check.

Numpy in, numpy out; its cost grows with the number of visibilities, and no fit needs it.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from lensfit.datasets import Interferometer
from lensfit.operators.nufft import pixel_response, to_visibilities


def model_visibilities(interferometer: Interferometer, image: Any, sub_pixels: int | None = None) -> np.ndarray:
    """V (K,) [Jy] of what the antennas see, an image (H, W) [Jy/pixel] such as a likelihood's `image(model)`.

    sub_pixels: the points per axis whose mean a pixel is, None = the true mean.
    """
    data, rows = interferometer, interferometer.visibilities
    values = to_visibilities(rows.u, rows.v, np.asarray(image), data.pixel_scale, data.origin)
    return values / pixel_response(rows.u, rows.v, data.pixel_scale, sub_pixels)


def whitened_residuals(interferometer: Interferometer, image: Any, sub_pixels: int | None = None) -> np.ndarray:
    """(data - model) / sigma (K,): the real part over sigma_re, the imaginary part over sigma_im.

    The sum of their squares is the chi2 of `InterferometerLikelihood`.
    """
    rows = interferometer.visibilities
    left = rows.values - model_visibilities(interferometer, image, sub_pixels)
    return np.real(left) / rows.sigma_re + 1j * (np.imag(left) / rows.sigma_im)
