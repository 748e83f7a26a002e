"""The point-spread function at the door: checked, centred, of sum 1, and compared with what the image shows."""

from typing import Any

import numpy as np
from scipy.ndimage import laplace, maximum_filter, zoom

from lensfit.datasets.dataset import count_and_first, native
from lensfit.datasets.psf_resampling import moved, odd_sided
from lensfit.errors import DataError

FINE = 8
"""Sub-pixels per axis on which the width of the PSF is measured."""
LOWEST = -0.1
"""Of its peak, what no pixel of a PSF may be below."""
CANCELLED = 0.5
"""Negative light, of the sum, from which on a PSF is refused."""
SHARE = 0.01
"""Of the light, what border pixels, or negative ones, may hold untold."""
FLAT = 0.5
"""Of the border's mean, what its faintest pixel holds where a background was left in the PSF."""
POINT, NEARLY_POINT = 0.9, 0.6
"""Of the light in one pixel: refused from the first on, told from the second on."""
OFF_CENTRE = 0.1
"""Pixels from its centre from which on a PSF's centroid is told."""
FARTHEST = 1.0
"""Pixels from its centre up to which peak and centroid of a PSF may lie."""
SIGNAL, SURE, NARROWER = 20.0, 5.0, 0.8
"""What is narrower than the PSF: a peak so many times its noise above its neighbours, wider only by an error so
many times as large, and of less than this part of the PSF's width."""


def checked_psf(
    psf: Any, shape: tuple[int, int] | None, where: str, *, center: bool = False
) -> tuple[np.ndarray, list[str]]:
    """The PSF with sum 1, odd sides and its peak in the middle, with notes of what was done to it, and of its faults.

    Args:
        psf: (h, w).
        shape: of the image, in which the PSF must fit; None: of any.
        where: its name in messages.
        center: move its centroid to its centre.

    Raises:
        DataError: no image can be modelled with it.
    """
    psf = finite_psf(psf, where)
    check_psf_fits(psf, shape, where)
    total = _checked_sum(psf, where)
    notes = [f"PSF divided by its sum {total:.6g}"] if abs(total - 1) > 1e-6 else []
    made = psf / total if abs(total - 1) > 1e-12 else psf
    notes += _doubts(made, where)
    made, remarks = odd_sided(made)
    notes += remarks
    if center:
        made, remarks = _centred(made)
        notes += remarks
    _check_centred(made, where, "" if center else ", or give psf_center=True to have its centroid centred")
    if not center:
        notes += _off_centre(made)
    check_psf_fits(made, shape, where)
    return (made if made is psf else made / made.sum()), notes


def finite_psf(psf: Any, where: str) -> np.ndarray:
    """The PSF as an image of numbers; DataError where it holds anything else."""
    psf = native(psf, where)
    bad = ~np.isfinite(psf)
    if bad.any():
        raise DataError(f"{where}: NaN or infinite in {count_and_first(bad)}; give a finite PSF")
    return psf


def check_psf_fits(psf: np.ndarray, shape: tuple[int, int] | None, where: str) -> None:
    """Raise DataError where the PSF is larger than the image."""
    if shape is not None and (psf.shape[0] > shape[0] or psf.shape[1] > shape[1]):
        raise DataError(
            f"{where}: PSF of shape {psf.shape} is larger than the image of shape {shape}; "
            "trim the PSF about its centre, keep more of the image, or check that files are not swapped"
        )


def fwhm(psf: np.ndarray) -> float:
    """Diameter in pixels of the disc as large as the part of the PSF above half of its peak."""
    fine = np.asarray(zoom(psf, FINE, order=3, grid_mode=True, mode="grid-constant"))
    return 2 * float(np.sqrt(np.count_nonzero(fine > fine.max() / 2) / np.pi)) / FINE


def wider(psf: np.ndarray, share: float) -> np.ndarray:
    """The PSF (h, w) whose core is wider by a small share: convolved, to first order, with a narrow Gaussian."""
    variance = ((1 + share) ** 2 - 1) * fwhm(psf) ** 2 / (8 * np.log(2))
    found = psf + 0.5 * variance * np.asarray(laplace(psf, mode="constant"))
    return found * (psf.sum() / found.sum())


def pedestal_of(psf: np.ndarray) -> float:
    """Share of a PSF's light that is a constant below all of it: the least value at its border, times its pixels."""
    return float(psf[_border(psf.shape)].min()) * psf.size / float(psf.sum()) if min(psf.shape) > 2 else 0.0


def _border(shape: tuple[int, ...]) -> np.ndarray:
    """The pixels (h, w) of the outermost rows and columns."""
    border = np.ones(shape, dtype=bool)
    border[1:-1, 1:-1] = False
    return border


def narrower_than(psf: np.ndarray, data: np.ndarray, noise: np.ndarray, mask: np.ndarray) -> list[str]:
    """A note where a peak of the image is narrower than the PSF: whatever was imaged with it is at least as wide.

    A width here is that of the Gaussian whose value one pixel off its centre, over that at its centre, is as the
    mean of a peak's four neighbours over the peak. Light below a peak, and a centre between pixels, only widen it.
    """
    if min(psf.shape) < 3 or min(data.shape) < 5:
        return []
    row, column = (side // 2 for side in psf.shape)
    slope = float(_beside(psf, np.array([row]), np.array([column]), 1).mean() / psf[row, column])
    rows, columns = np.nonzero(_inside(mask) & (data > SIGNAL * noise) & (data == maximum_filter(data, 3)))
    beside, noise_beside = _beside(data, rows, columns, 1), _beside(noise, rows, columns, 1)
    outside = _beside(data, rows, columns, 2).mean(axis=0)
    peak, around = data[rows, columns], beside.mean(axis=0)
    error = np.sqrt(noise[rows, columns] ** 2 + (noise_beside**2).sum(axis=0) / 16)
    ratio = around / peak
    lit = (beside > outside + SURE * noise_beside).all(axis=0)  # else a hot pixel or a cosmic ray
    sharp = lit & (peak - around > SIGNAL * error) & (ratio + SURE * error / peak < slope)
    sharp &= _width(ratio) < NARROWER * _width(slope)
    if not sharp.any():
        return []
    found = np.flatnonzero(sharp)[np.argmin(ratio[sharp])]
    return [
        f"PSF too wide: the core at row {rows[found]}, column {columns[found]} of the data has a width of "
        f"{float(_width(ratio[found])):.2f} pixels, the PSF's core one of {float(_width(slope)):.2f}; no star or "
        "nucleus is narrower than the PSF: check its pixel scale and its filter, or mask that place if it is a flaw"
    ]


def _beside(image: np.ndarray, rows: np.ndarray, columns: np.ndarray, step: int) -> np.ndarray:
    """The four pixels (4, K) that are `step` beside K pixels along rows and columns."""
    return np.array([image[rows + i, columns + j] for i, j in ((-step, 0), (step, 0), (0, -step), (0, step))])


def _inside(mask: np.ndarray) -> np.ndarray:
    """Pixels about which 5 x 5 pixels are in the image and used."""
    blocked: np.ndarray = np.asarray(maximum_filter(mask, 5))
    blocked[[0, 1, -2, -1]] = blocked[:, [0, 1, -2, -1]] = True
    return ~blocked


def _width(ratio: Any) -> Any:
    """FWHM in pixels of the Gaussian that falls to `ratio` one pixel off its centre."""
    return 2 * np.sqrt(np.log(2) / -np.log(np.clip(ratio, 1e-12, 1 - 1e-12)))


def _checked_sum(psf: np.ndarray, where: str) -> float:
    """The sum of a PSF that has one to be divided by."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(psf.sum())
    if not np.isfinite(total):
        raise DataError(
            f"{where}: its sum is {total:g}, with values up to {np.abs(psf).max():.3g}; divide it by its largest value"
        )
    if not total >= np.finfo(float).tiny:
        raise DataError(f"{where}: its sum is {total:g}; an empty PSF cannot be normalised, give another")
    bad = psf < LOWEST * psf.max()
    if bad.any():
        raise DataError(
            f"{where}: below {LOWEST} of its peak in {count_and_first(bad)}; "
            "subtract its background properly, or give another"
        )
    if -psf[psf < 0].sum() > CANCELLED * total:
        share = -psf[psf < 0].sum() / total
        raise DataError(
            f"{where}: its negative pixels hold {share:.2g} times its sum, which means nothing then; "
            "subtract its background properly, or give another"
        )
    if psf.size > 1 and psf.max() > POINT * total:
        raise DataError(
            f"{where}: one pixel holds {psf.max() / total:.1%} of its light, as no telescope's PSF does; give that of "
            "the image, or for an image without any blur a PSF of one pixel"
        )
    return total


def _doubts(psf: np.ndarray, where: str) -> list[str]:
    """Notes on what is strange about a PSF of sum 1."""
    if psf.size == 1:
        return ["PSF of one pixel: the image is taken to be without any blur"]
    notes = []
    if psf.max() > NEARLY_POINT:
        notes.append(
            f"PSF: one pixel holds {psf.max():.1%} of its light, which is narrower than telescopes' on such pixels"
        )
    number, negative = int(np.count_nonzero(psf < 0)), float(-psf[psf < 0].sum())
    if negative > SHARE:
        notes.append(
            f"PSF: {number} pixels are negative, {negative:.1%} of its light: too much background was subtracted, "
            "or it was sharpened"
        )
    return notes + _border_doubts(psf)


def _border_doubts(psf: np.ndarray) -> list[str]:
    """A note on border pixels that hold more light than wings do: a background, or a cut."""
    values = psf[_border(psf.shape)]
    light = float(np.abs(values).sum())
    if light <= SHARE:
        return []
    share = pedestal_of(psf)
    if share > FLAT * values.mean() * psf.size:
        return [
            f"PSF: its border does not fall to zero: a pedestal of {share / psf.size:.3g} a pixel is up to "
            f"{min(share, 1.0):.0%} of its light; subtract its background"
        ]
    return [
        f"PSF: its border pixels hold {light:.1%} of its light, so its wings are cut off; what is cut is missing from "
        "the model about every bright place: give a larger PSF"
    ]


def _offset(psf: np.ndarray) -> np.ndarray:
    """(rows, columns) from the centre of the array to the centroid, in pixels."""
    rows, columns = np.indices(psf.shape)
    centroid = np.array([(rows * psf).sum(), (columns * psf).sum()]) / psf.sum()
    return centroid - (np.array(psf.shape) - 1) / 2


def _centred(psf: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The PSF moved so that its centroid is in its centre, with a note."""
    step = -_offset(psf)
    if np.hypot(*step) <= 1e-6:
        return psf, []
    return moved(psf, step), [f"PSF moved by {step[0]:.3g} rows and {step[1]:.3g} columns to centre its centroid"]


def _off_centre(psf: np.ndarray) -> list[str]:
    """A note on a centroid that is not in the centre."""
    rows, columns = _offset(psf)
    distance = float(np.hypot(rows, columns))
    if distance <= OFF_CENTRE:
        return []
    return [
        f"PSF: its centroid is {distance:.3f} pixels from its centre ({rows:.3f} rows, {columns:.3f} columns), and "
        "positions of the model are off by as much; give psf_center=True to have it centred"
    ]


def _check_centred(psf: np.ndarray, where: str, or_else: str) -> None:
    centre = (np.array(psf.shape) - 1) / 2
    peaks = np.argwhere(psf == psf.max())
    peak = peaks[np.abs(peaks - centre).max(axis=1).argmin()]
    for name, position in (("peak", peak), ("centroid", centre + _offset(psf))):
        if np.abs(position - centre).max() > FARTHEST:
            raise DataError(
                f"{where}: its {name} is at row {position[0]:.4g}, column {position[1]:.4g}, more than one "
                f"pixel from the centre ({centre[0]:g}, {centre[1]:g}); crop the PSF to centre it{or_else}"
            )
