"""Where North and East are in an image, from its WCS."""
from __future__ import annotations

import numpy as np
from astropy.wcs import WCS


def sky_axes(wcs: WCS) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (x, y) that point East and North, x along columns and y along rows."""
    inverse = np.linalg.inv(wcs.pixel_scale_matrix)
    east, north = inverse[:, 0], inverse[:, 1]
    return east / np.hypot(*east), north / np.hypot(*north)


def position_angle(wcs: WCS, phi: float) -> float:
    """East of North [deg, 0 to 180] of an axis at phi [deg, counter-clockwise from +x]."""
    direction = [np.cos(np.radians(phi)), np.sin(np.radians(phi))]
    east, north = np.asarray(wcs.pixel_scale_matrix) @ direction
    return float(np.degrees(np.arctan2(east, north)) % 180)
