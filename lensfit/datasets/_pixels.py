"""Where the pixels of an image lie."""

import numpy as np


def pixel_centers(
    shape: tuple[int, int], pixel_scale: float, origin: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """x, y (H, W) in arcsec of the pixel centres of an image about `origin`: x rightwards, y upwards from row 0."""
    y, x = (
        (np.arange(side) - (side - 1) / 2) * pixel_scale + middle
        for side, middle in zip(shape, origin[::-1], strict=True)
    )
    across, up = np.meshgrid(x, y)
    return across, up
