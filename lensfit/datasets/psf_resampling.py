"""A PSF on other pixels: coarser ones, or the same moved by a part of one."""

from collections.abc import Callable

import numpy as np

BETWEEN = 0.25
"""Pixels from the corner in the middle of an even-sided PSF up to which its core counts as centred on it."""
DEGREE = 5
"""Of the spline that carries a PSF from finer pixels to those of the data."""
REACH = 25
"""Pixels up to which that spline's weights are kept; they fall by 0.43 a pixel, to 1e-9."""
SLACK = 0.05
"""Of a coarse pixel that a PSF may stick out of them, as by the rounding of pixel scales."""


def rebinned_psf(psf: np.ndarray, factor: int) -> np.ndarray:
    """The PSF on pixels `factor` times coarser, odd-sided and centred for odd and even factors alike.

    A fine PSF pixel k moves the light by k / factor coarse pixels. That shift is written as cubic
    interpolation between whole coarse pixels, PSF_c = W PSF W^T with W[K, k] = w(K - k / factor), which
    keeps sum, centroid and second moments exactly. Summing the PSF in blocks would broaden it.

    Args:
        psf: (h, w) odd-sided.
        factor: fine pixels per coarse pixel along each axis.
    """
    rows, columns = (
        _shift_weights(side, factor, _cubic, (side // 2 - 1) // factor + 2 if side > 1 else 0) for side in psf.shape
    )
    return rows @ psf @ columns.T


def psf_on_data_pixels(psf: np.ndarray, ratio: float) -> np.ndarray:
    """The PSF that was sampled on pixels `ratio` times finer than the data's, on the data's.

    What is observed is the sky convolved with this PSF and then averaged over the data's pixels. Of the model the
    average over the data's pixels is convolved, so that the PSF must not hold that average once more, as its sum
    over blocks would. The shifts by fractions of a pixel are written as in `rebinned_psf`, here with cardinal
    splines of degree 5: of all interpolations the best for light whose power falls with the sixth power of the
    frequency, about that of galaxies averaged over pixels. The second moments of a PSF stay what they are.

    Args:
        psf: (h, w), of even or odd sides, centred in its array.
        ratio: the data's pixel over that of the PSF; need not be whole.

    Returns:
        (h', w') odd-sided, of the same sum and no more than what the PSF covers.
    """
    rows, columns = (_shift_weights(s, ratio, _cardinal_spline, _reach(s, ratio)) for s in psf.shape)
    made = rows @ psf @ columns.T
    return made * (psf.sum() / made.sum())


def odd_sided(psf: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The PSF with a pixel in its centre, with notes of what was done for it.

    Along a side that is even the core lies on the corner between the two middle pixels, and is moved by half a
    pixel in Fourier space onto one more; or it lies on one of the two, and the line that is farthest goes.
    """
    notes = []
    for axis in (0, 1):
        side = psf.shape[axis]
        if side % 2:
            continue
        line = ("row", "column")[axis]
        offset = _core(psf, axis) - (side - 1) / 2
        if abs(offset) <= BETWEEN:
            psf = moved(psf, np.eye(2)[axis] / 2, np.array(psf.shape) + np.eye(2, dtype=int)[axis])
            notes.append(f"PSF of {side} {line}s moved by half a {line} in Fourier space onto {side + 1}")
        else:
            outer = 0 if offset > 0 else side - 1
            psf = np.delete(psf, outer, axis)
            notes.append(f"PSF of {side} {line}s, centred on a {line}: its {line} {outer} left out to make it odd")
    return psf, notes


def moved(psf: np.ndarray, step: np.ndarray, shape: np.ndarray | None = None) -> np.ndarray:
    """The PSF moved by `step` = (rows, columns) in Fourier space, as nothing blurs or sharpens it.

    Args:
        psf: (h, w).
        step: in pixels, of any size; what leaves the array is lost.
        shape: of the array that comes back, with the same first pixel; by default that of the PSF.
    """
    sides = np.array(psf.shape if shape is None else shape)
    frame = 2 * (np.maximum(sides, psf.shape) + np.ceil(np.abs(step)).astype(int)) + 1  # odd: no lone frequency
    spectrum = np.fft.fft2(psf, s=tuple(frame))
    for axis in (0, 1):
        turns = np.exp(-2j * np.pi * np.fft.fftfreq(frame[axis]) * step[axis])
        spectrum *= np.expand_dims(turns, 1 - axis)
    return np.fft.ifft2(spectrum).real[: sides[0], : sides[1]]


def _core(psf: np.ndarray, axis: int) -> float:
    """Centroid along an axis of what is above half of the peak."""
    core = np.where(psf > psf.max() / 2, psf, 0.0).sum(axis=1 - axis)
    return float((core * np.arange(len(core))).sum() / core.sum())


def _shift_weights(
    side: int, ratio: float, kernel: Callable[[np.ndarray], np.ndarray], reach: int
) -> np.ndarray:
    """(2 reach + 1, side) weights of the coarse pixels for the light at each fine one, both about the centre."""
    fine = (np.arange(side) - (side - 1) / 2) / ratio
    return kernel(np.arange(-reach, reach + 1)[:, None] - fine)


def _reach(side: int, ratio: float) -> int:
    """Coarse pixels from the centre that hold a PSF and no more than it: wings of the spline are cut beyond."""
    return int(np.ceil((side / ratio - 1) / 2 - SLACK))


def _cubic(t: np.ndarray) -> np.ndarray:
    """Keys (1981) cubic convolution kernel, exact for quadratics; support |t| < 2."""
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _cardinal_spline(t: np.ndarray) -> np.ndarray:
    """The spline that is 1 at 0 and 0 at every other whole number, up to `REACH`."""
    knots = np.arange(-2 * REACH, 2 * REACH + 1)
    from scipy.interpolate import make_interp_spline  # it takes long to load

    spline = make_interp_spline(knots, (knots == 0).astype(float), DEGREE)
    return np.where(np.abs(t) < REACH, spline(np.clip(t, -REACH, REACH)), 0.0)
