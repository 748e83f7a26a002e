"""How finely the file of a PSF says that it is sampled, and that PSF on the pixels of the data."""

import math
from dataclasses import replace

from lensfit.datasets.image_files import Part
from lensfit.datasets.pixel_scales import FINEST, Scale, disagreements
from lensfit.datasets.psf import finite_psf
from lensfit.datasets.psf_resampling import psf_on_data_pixels
from lensfit.errors import DataError

CLOSE = 0.05
"""Relative difference up to which the pixels of a PSF are those of the data, or a whole part of them.

The pixels of a camera are not all of one size, and those of drizzled images are near them at best."""


def on_data_pixels(psf: Part, scale: float, stated: tuple[Scale, ...]) -> Part:
    """The PSF on the data's pixels, by what its file says of its sampling, with notes of what was done.

    Args:
        psf: as read; the extensions of one PSF at several samplings are its `alternatives`.
        scale: of the data, arcsec per pixel.
        stated: what is said of it, in and beside the data's file. A PSF that says the same has the same pixels.

    Raises:
        DataError: the pixels are no whole part of the data's, or the file contradicts itself.
    """
    if psf.alternatives:
        psf = _fitting(psf, scale, stated)
    ratio, reason = _finer(psf, scale, stated)
    if ratio is None:
        return replace(psf, notes=(*psf.notes, *disagreements(psf.scales, scale, "the data")))
    given = finite_psf(psf.values, _where(psf))
    values = psf_on_data_pixels(given, ratio)
    if min(values.shape) < 3:
        raise DataError(
            f"{_where(psf)}: of {given.shape[0]} x {given.shape[1]} pixels, {ratio:.4g} to one of the data's "
            f"({reason}), covers less than 3 x 3 pixels of the data; give a larger PSF, or correct that statement"
        )
    note = (
        f"PSF sampled {ratio:.4g} times finer than the data ({reason}): {given.shape[0]} x {given.shape[1]} pixels "
        f"brought to {values.shape[0]} x {values.shape[1]} of the data's, its width kept"
    )
    return replace(psf, values=values, notes=(*psf.notes, note))


def _fitting(psf: Part, scale: float, stated: tuple[Scale, ...]) -> Part:
    """Of the extensions of one PSF the first that is on the data's pixels, else the first that is finer."""
    native = [part for part in psf.alternatives if _is_native(part.scales, scale, stated)]
    # The pixel scales of all extensions are at hand: OVERSAMP counts by the detector's pixels, not by the data's.
    finest = min(psf.alternatives, key=lambda part: part.scales[0].x)
    chosen = native[0] if native else replace(finest, oversampling=None)
    names = ", ".join(_where(part).rpartition("[")[2].rstrip("]") for part in psf.alternatives if part is not chosen)
    which = "whose pixels are the data's" if native else "the finest"
    note = f"{_where(chosen)} is used as the PSF, {which}; not used: {names}"
    return replace(chosen, notes=(*chosen.notes, note))


def _finer(psf: Part, scale: float, stated: tuple[Scale, ...]) -> tuple[float | None, str]:
    """How many times finer than the data the PSF is, None where it is not, and who says so."""
    over = psf.oversampling
    if _is_native(psf.scales, scale, stated):
        if over is not None and over.x > 1:
            raise DataError(
                f"{_where(psf)}: {over.where} says {over.x:g} pixels to one of the data's, but {psf.scales[0].where} "
                f"says {psf.scales[0].x:.6g} arcsec, the data's own; correct the one that is wrong"
            )
        return None, ""
    if not psf.scales:
        return (None, "") if over is None or over.x == 1 else (over.x, f"{over.where}; no pixel scale is stated")
    first = psf.scales[0]
    ratio = _ratio(psf, scale)
    for other in psf.scales[1:]:
        if not _same(other, first.x):
            raise DataError(
                f"{_where(psf)}: {first.where} says {first.x:.6g} arcsec, {other.where} {other.x:.6g}, and neither is "
                f"the data's {scale:.6g}; correct the one that is wrong"
            )
    if over is not None and round(ratio) != over.x:
        raise DataError(
            f"{_where(psf)}: {over.where} says {over.x:g} pixels to one of the data's, but {first.where} says "
            f"{first.x:.6g} arcsec, of which {ratio:.4g} make the data's {scale:.6g}; correct the one that is wrong"
        )
    return ratio, f"{first.where} says {first.x:.6g} arcsec, the data's are {scale:.6g}"


def _ratio(psf: Part, scale: float) -> float:
    """The data's pixel over that of the PSF, near a whole number from 2 on."""
    first = psf.scales[0]
    if not (math.isfinite(first.x) and first.x > 0 and _same(first, first.x)):
        raise DataError(
            f"{_where(psf)}: {first.where} says pixels of {first.x:.6g} x {first.y:.6g} arcsec; "
            "resample the PSF to square pixels, or correct the statement"
        )
    ratio = scale / first.x
    if not 1.5 < ratio < FINEST + 0.5 or abs(ratio / round(ratio) - 1) > CLOSE:
        raise DataError(
            f"{_where(psf)}: {first.where} says {first.x:.6g} arcsec, the data's pixels are {scale:.6g} arcsec, "
            f"{ratio:.4g} times as large; resample the PSF to the data's pixels or to a whole part of them, or "
            "correct the statement"
        )
    return ratio


def _is_native(scales: tuple[Scale, ...], scale: float, stated: tuple[Scale, ...]) -> bool:
    """Whether the PSF is said to be on the data's pixels, be it that both say another scale than the one in use."""
    ours = (scale, *(one.x for one in stated))
    return any(_same(theirs, side) for theirs in scales for side in ours)


def _same(scale: Scale, side: float) -> bool:
    return abs(scale.x - side) <= CLOSE * side and abs(scale.y - side) <= CLOSE * side


def _where(psf: Part) -> str:
    return psf.sources[0][1]
