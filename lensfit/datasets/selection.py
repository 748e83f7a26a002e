"""What of the arrays in files becomes a dataset: the part that is wanted, with the mask as it is meant."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lensfit.datasets.cutout import Frame, Place, Wanted, cut_out, disc
from lensfit.datasets.dataset import Source, check_shapes, native, place
from lensfit.datasets.masks import asked_about, left_out
from lensfit.names import MaskIs


@dataclass(frozen=True, kw_only=True)
class Selection:
    """data, noise and mask (H, W) that are used, where they lie, the place of the lens if it is known, and notes."""

    data: np.ndarray
    noise: np.ndarray
    mask: np.ndarray
    frame: Frame
    center: Place | None
    notes: tuple[str, ...]


def select(
    data: Any, noise: Any, mask: Any, frame: Frame, wanted: Wanted, mask_is: MaskIs | None, sources: tuple[Source, ...]
) -> Selection:
    """Cut out what is wanted before anything is asked of the pixels: what lies outside may be as bad as it likes.

    Raises:
        DataError: the arrays are of several grids, the part that is wanted is not there, or the mask leaves out the
            lens.
    """
    for role, values in (("noise", noise), ("mask", mask)):
        if values is not None:
            check_shapes(np.shape(values), frame.shape, place(role, sources))
    cut = cut_out(frame, wanted, place("data", sources))
    data, noise = data[cut.part], noise[cut.part]
    where = place("mask", sources)
    mask, notes = left_out(None if mask is None else mask[cut.part], mask_is, cut.frame.shape, where)
    if mask_is is None and mask.any():
        measured = (native(values, place(role, sources)) for role, values in (("data", data), ("noise", noise)))
        notes += asked_about(*measured, mask, where)
    if wanted.mask_radius is not None:
        outside, told = disc(cut.frame, wanted.mask_radius, cut.center or (0.0, 0.0))
        mask, notes = mask | outside, notes + told
    return Selection(
        data=data, noise=noise, mask=mask, frame=cut.frame, center=cut.center, notes=(*cut.notes, *notes)
    )
