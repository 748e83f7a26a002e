"""The checks at the door of an imaging dataset: raw arrays in, trusted arrays out, or a `DataError`."""

from typing import Any, Literal, TypeAlias

import numpy as np

from lensfit.errors import DataError

NanPolicy: TypeAlias = Literal["error", "mask"]
Source: TypeAlias = tuple[str, str, str]
"""What came from where: (role, path, sha256 of the file)."""

MASKING_NOISE = 1e8
"""Noise from which on a pixel counts as masked, a habit of published noise maps."""


def place(role: str, sources: tuple[Source, ...]) -> str:
    """The name of one input in a message: its role, and its file where it came from one."""
    paths = [path for source_role, path, _ in sources if source_role == role]
    return f"{role} ({', '.join(paths)})" if paths else role


def count_and_first(bad: np.ndarray) -> str:
    """'3 pixels, the first at row 0, column 7' of a boolean image."""
    row, column = np.argwhere(bad)[0]
    number = int(np.count_nonzero(bad))
    plural = "pixel" if number == 1 else "pixels"
    return f"{number} {plural}, the first at row {row}, column {column} (counted from 0)"


def native(array: Any, where: str) -> np.ndarray:
    """A fresh two-dimensional C-ordered float64 copy in the byte order of this machine."""
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{where}: numpy masked array; give its .data, and its .mask as mask=")
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: values of type {array.dtype} are not real numbers; give a real image")
    if array.ndim != 2:
        raise DataError(
            f"{where}: {array.ndim} axes of shape {array.shape}, an image has 2; give one plane of the cube"
        )
    if array.size == 0:
        raise DataError(f"{where}: shape {array.shape} holds no pixel; give an image")
    return np.array(array, dtype=np.float64, order="C")


def checked_arrays(
    data: Any, noise: Any, psf: Any, mask: Any, nan: NanPolicy, sources: tuple[Source, ...]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """All arrays of a dataset by their role, trusted from here on, with notes of what was done to them."""
    data = native(data, place("data", sources))
    noise = native(noise, place("noise", sources))
    check_shapes(noise.shape, data.shape, place("noise", sources))
    mask = checked_mask(mask, data.shape, place("mask", sources))
    psf, psf_notes = checked_psf(psf, data.shape, place("psf", sources))
    data, noise, mask, notes = checked_pixels(data, noise, mask, nan, sources)
    return {"data": data, "noise": noise, "psf": psf, "mask": mask}, [*psf_notes, *notes]


def checked_scale(pixel_scale: float) -> float:
    """The pixel scale in arcsec, finite and positive."""
    if not (np.isfinite(pixel_scale) and pixel_scale > 0):
        raise DataError(f"pixel_scale is {pixel_scale}; give the arcsec per pixel, a positive number")
    return float(pixel_scale)


def checked_psf(psf: Any, shape: tuple[int, int], where: str) -> tuple[np.ndarray, list[str]]:
    """The PSF with sum 1, odd sides and its peak in the middle, with notes of what was done to it."""
    psf = native(psf, where)
    bad = ~np.isfinite(psf)
    if bad.any():
        raise DataError(f"{where}: NaN or infinite in {count_and_first(bad)}; give a finite PSF")
    if psf.shape[0] % 2 == 0 or psf.shape[1] % 2 == 0:
        raise DataError(f"{where}: shape {psf.shape} has no central pixel; resample it to odd sides")
    check_psf_fits(psf, shape, where)
    total = psf.sum()
    if not total > 0:
        raise DataError(f"{where}: its sum is {total:g}; an empty PSF cannot be normalised, give another")
    bad = psf < -0.1 * psf.max()
    if bad.any():
        raise DataError(
            f"{where}: below -0.1 of its peak in {count_and_first(bad)}; "
            "subtract its background properly, or give another"
        )
    _check_psf_centred(psf, where)
    if abs(total - 1) <= 1e-12:
        return psf, []
    notes = [f"PSF divided by its sum {total:.6g}"] if abs(total - 1) > 1e-6 else []
    return psf / total, notes


def check_psf_fits(psf: np.ndarray, shape: tuple[int, int], where: str) -> None:
    """Raise DataError where the PSF is larger than the image."""
    if psf.shape[0] > shape[0] or psf.shape[1] > shape[1]:
        raise DataError(
            f"{where}: PSF of shape {psf.shape} is larger than the image of shape {shape}; "
            "trim the PSF about its centre, keep more of the image, or check that files are not swapped"
        )


def _check_psf_centred(psf: np.ndarray, where: str) -> None:
    centre = (np.array(psf.shape) - 1) / 2
    peaks = np.argwhere(psf == psf.max())
    peak = peaks[np.abs(peaks - centre).max(axis=1).argmin()]
    rows, columns = np.indices(psf.shape)
    centroid = np.array([(rows * psf).sum(), (columns * psf).sum()]) / psf.sum()
    for name, position in (("peak", peak), ("centroid", centroid)):
        if np.abs(position - centre).max() > 1:
            raise DataError(
                f"{where}: its {name} is at row {position[0]:.4g}, column {position[1]:.4g}, more than one "
                f"pixel from the centre ({centre[0]:g}, {centre[1]:g}); shift or crop the PSF to centre it"
            )


def checked_mask(mask: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """The mask as booleans, True (any value but 0) = left out."""
    if mask is None:
        return np.zeros(shape, dtype=bool)
    values = native(mask, where)
    check_shapes(values.shape, shape, where)
    bad = np.isnan(values)
    if bad.any():
        raise DataError(f"{where}: NaN in {count_and_first(bad)}; a mask holds 1 = left out and 0 = used")
    return values != 0


def check_shapes(shape: tuple[int, ...], expected: tuple[int, ...], where: str) -> None:
    """Raise DataError where an array has not the shape of the data."""
    if shape != expected:
        raise DataError(f"{where}: shape {shape} is not the data's shape {expected}; give arrays of one grid")


def checked_pixels(
    data: np.ndarray,
    noise: np.ndarray,
    mask: np.ndarray,
    nan: NanPolicy,
    sources: tuple[Source, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Data, noise and mask where every unmasked pixel is finite with noise > 0 and every other one safe."""
    if nan not in ("error", "mask"):
        raise DataError(f"nan={nan!r} is not known; give 'error' or 'mask'")
    notes = []
    mask = _masked(mask, noise >= MASKING_NOISE, f"noise >= {MASKING_NOISE:.0e}", notes)
    for role, values in (("data", data), ("noise", noise)):
        bad = ~np.isfinite(values) & ~mask
        if bad.any() and nan == "error":
            raise DataError(
                f"{place(role, sources)}: NaN or infinite in {count_and_first(bad)}; "
                "mask these pixels, or give nan='mask' to have it done"
            )
        mask = _masked(mask, bad, f"{role} NaN or infinite", notes)
    bad = ~(noise > 0) & ~mask
    if bad.any():
        raise DataError(
            f"{place('noise', sources)}: zero or negative in {count_and_first(bad)}; "
            "mask these pixels or give a noise map of standard deviations"
        )
    check_some_used(mask, place("data", sources))
    unsafe_data, unsafe_noise = ~np.isfinite(data), ~(np.isfinite(noise) & (noise > 0))
    if unsafe_data.any() or unsafe_noise.any():
        number = np.count_nonzero(unsafe_data | unsafe_noise)
        notes.append(f"{number} masked pixels without a number filled with data 0 or noise 1")
    return np.where(unsafe_data, 0.0, data), np.where(unsafe_noise, 1.0, noise), mask, notes


def check_some_used(mask: np.ndarray, where: str) -> None:
    """Raise DataError where no pixel is left."""
    if mask.all():
        raise DataError(f"{where}: all {mask.size} pixels are masked; check mask (1 = left out) and noise")


def _masked(mask: np.ndarray, bad: np.ndarray, reason: str, notes: list[str]) -> np.ndarray:
    new = bad & ~mask
    if new.any():
        notes.append(f"{np.count_nonzero(new)} pixels masked: {reason}")
    return mask | new
