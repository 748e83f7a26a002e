"""Masks as functions of the pixel coordinates; True = left out, as everywhere."""

import numpy as np

from lensfit.errors import DataError


def circular_mask(
    x: np.ndarray, y: np.ndarray, radius: float, center: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Mask of the same shape as `x` and `y` that leaves out all pixel centres beyond `radius`.

    Args:
        x, y: pixel centres in arcsec.
        radius: of the disc that is kept, arcsec.
        center: (x, y) of the disc, arcsec.

    Raises:
        DataError: the radius is not positive.
    """
    return annular_mask(x, y, 0.0, radius, center)


def annular_mask(
    x: np.ndarray, y: np.ndarray, inner: float, outer: float, center: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Mask of the same shape as `x` and `y` that keeps inner <= radius <= outer and leaves out the rest.

    Args:
        x, y: pixel centres in arcsec.
        inner, outer: radii of the ring that is kept, arcsec.
        center: (x, y) of the ring, arcsec.

    Raises:
        DataError: the radii are not 0 <= inner < outer.
    """
    if not 0 <= inner < outer:
        raise DataError(f"mask radii {inner} and {outer} arcsec; give 0 <= inner < outer")
    radius = np.hypot(x - center[0], y - center[1])
    return (radius < inner) | (radius > outer)
