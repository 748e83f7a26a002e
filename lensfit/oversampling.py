"""How many sub-pixels each pixel needs: fine in the core and along the arcs, coarse elsewhere."""
from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_laplace, maximum_filter

from lensfit.datasets import Imaging
from lensfit.grid import LEVELS

WIDTH = 1.5
"""Smoothing of the data before their curvature is read [pixels]."""
TOLERANCE = 0.008
"""Largest error of a pixel's mean that is left, in units of its noise: chi2 is then good to less than 1."""


def from_data(imaging: Imaging) -> np.ndarray:
    """Map (H, W) of sub-pixels per axis, chosen from the curvature that the data show.

    The mean over n x n sub-pixels of a smooth brightness I errs by h^2 / (24 n^2) times its Laplacian
    (midpoint rule, h the pixel). The Laplacian is read from the smoothed data; blurring by the PSF and the
    smoothing flatten it, which the tolerance allows for.
    """
    good = ~imaging.mask
    filled = np.where(good, imaging.data, np.median(imaging.data[good]))
    error = np.abs(gaussian_laplace(filled, WIDTH)) / 24
    noise = gaussian_filter(np.where(good, imaging.noise, np.median(imaging.noise[good])), WIDTH)
    error = maximum_filter(error / noise, 3)
    needed = np.sqrt(error / TOLERANCE)
    return np.asarray(LEVELS)[np.minimum(np.searchsorted(LEVELS, needed), len(LEVELS) - 1)]
