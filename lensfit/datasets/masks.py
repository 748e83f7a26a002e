"""What a mask says: which pixels 1 leaves out, whether it leaves a region, and whether it can mean what it says."""
from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter

from lensfit.datasets.dataset import checked_mask
from lensfit.errors import DataError
from lensfit.names import MASK_MEANINGS, MaskIs

USED_AS_IT_IS = "the mask found leaves only a region of the image: used as it is"
"""Said of a mask that was found with the data and that no disc is added to."""
SMOOTHING = 2.0
"""Width of the smoothing before the brightest place is looked for [pixels]."""
MIDDLE = 0.25
"""Distance from the middle of an image, in units of its shorter side, up to which the lens is looked for."""
SIGNIFICANT = 3.0
"""Signal over noise from which a pixel is light."""
MOST = 0.5
"""Share of the light from which on a mask that leaves it out, and its brightest place, is asked about."""


def left_out(mask: Any, mask_is: MaskIs | None, shape: tuple[int, int], where: str) -> tuple[np.ndarray, list[str]]:
    """The mask (H, W), True = left out, of one in which 1 is what `mask_is` says, and a note where that is 'used'.

    Raises:
        DataError: `mask_is` is neither, is given without a mask, or the mask holds NaN or has another shape.
    """
    if mask_is is not None and mask_is not in MASK_MEANINGS:
        raise DataError(f"mask_is={mask_is!r} is not known; give 'masked' or 'used', what 1 means in the mask")
    if mask_is is not None and mask is None:
        raise DataError(f"mask_is={mask_is!r} is given and there is no mask; give its file as mask=")
    made = checked_mask(mask, shape, where)
    return (~made, [f"{where}: 1 means used in it, as mask_is='used' says"]) if mask_is == "used" else (made, [])


def leaves_a_region(mask: np.ndarray) -> bool:
    """Whether a mask (H, W) leaves only a region inside the image, rather than all of it but some neighbours.

    What it leaves then touches no side of the image and lies within the largest circle about its middle.
    """
    used = ~mask
    if any(side.any() for side in (used[0], used[-1], used[:, 0], used[:, -1])):
        return False
    return not bool((used & (_from_middle(mask.shape) > 0.5 * min(mask.shape))).any())


def brightest_place(data: np.ndarray, mask: np.ndarray) -> tuple[int, int]:
    """Row and column of the brightest place of an image (H, W), smoothed, in its middle half where any is unmasked."""
    smooth = gaussian_filter(np.where(mask, 0.0, data), SMOOTHING)
    near = ~mask & (_from_middle(mask.shape) < MIDDLE * min(mask.shape))
    best = np.argmax(np.where(near if near.any() else ~mask, smooth, -np.inf))
    row, column = np.unravel_index(best, mask.shape)
    return int(row), int(column)


def asked_about(
    data: np.ndarray, noise: np.ndarray, whole: np.ndarray, part: tuple[slice, slice], where: str
) -> list[str]:
    """A note where a mask leaves out the brightest place in the middle of an image (H, W).

    Args:
        data, noise: (H, W).
        whole: mask of an image from which this one may be cut; part: its rows and columns.
        where: the name of the mask in a message.

    Raises:
        DataError: it leaves out most of the light too, and is no ring about that place: 1 may mean used in it.
    """
    mask = whole[part]
    known = np.isfinite(data) & np.isfinite(noise) & (noise > 0)
    if mask.all() or not known.any():
        return []
    row, column = brightest_place(data, ~known)
    if not mask[row, column]:
        return []
    light = np.where(known & (data > SIGNIFICANT * noise), data, 0.0)
    total = float(light.sum())
    share = float(light[mask].sum()) / total if total > 0 else 0.0
    told = (
        f"{where}: leaves out the brightest light in the middle of the image, at row {row}, column {column} "
        f"(counted from 0), and {100 * share:.0f} % of all light"
    )
    is_ring = leaves_a_region(whole) and bool(np.asarray(binary_fill_holes(~whole))[part][row, column])
    if share > MOST and not is_ring:
        raise DataError(
            f"{told}; give mask_is='used' if 1 means used in it, as for lenstronomy, mask_is='masked' if this is meant"
        )
    return [f"{told}; give mask_is='used' if 1 means used in it"]


def _from_middle(shape: tuple[int, ...]) -> np.ndarray:
    """Distance (H, W) of each pixel from the middle of an image [pixels]."""
    up, across = (np.arange(side) - (side - 1) / 2 for side in shape)
    return np.hypot(up[:, None], across)
