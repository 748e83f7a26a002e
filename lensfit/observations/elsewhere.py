"""Emission in the field that is not the lens's: round Gaussians, fitted to visibilities and taken out of them.

An image grid of the whole field would cost as much as the field is larger than the lens.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from lensfit.datasets import ARCSEC, Interferometer
from lensfit.likelihood.interferometer import model_visibilities

STEPS = 6
"""Of Gauss-Newton, from a point at the place where emission was seen."""
SIGNAL, FLUX_SHARE = 8.0, 0.03
"""Least flux over its error, and over that of the lens, of what is taken out: less does nothing to the lens. The error
is that of the noise times how much more the field scatters: antennas' phases leave ghosts of the lens."""
LARGEST = 0.5
"""Largest width of the Gaussian [arcsec]."""


@dataclasses.dataclass(frozen=True)
class Unlensed:
    """Place x, y [arcsec] of a round Gaussian, its standard deviation [arcsec], its flux as the antennas see it [Jy]
    and the flux's error."""

    x: float
    y: float
    width: float
    flux: float
    error: float

    def __str__(self) -> str:
        return f"{1e3 * self.flux:.3g} +- {1e3 * self.error:.2g} mJy at ({self.x:.2f}, {self.y:.2f})"

    def visibilities(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """V (K,) [Jy]."""
        return self.flux * _shape(u, v, self.x, self.y, self.width**2)


def take_out(data: Interferometer, found: Sequence[Unlensed]) -> Interferometer:
    """The data less some sources, with a note of them."""
    if not found:
        return data
    rows = data.visibilities
    left = rows.values - sum(one.visibilities(rows.u, rows.v) for one in found)
    note = f"taken out, as it is not near enough to be lensed: {'; '.join(str(one) for one in found)}"
    rows = dataclasses.replace(rows, values=left, notes=(*rows.notes, note))
    taken_out = tuple(dataclasses.astuple(one) for one in found)
    return dataclasses.replace(data, visibilities=rows, notes=(*data.notes, note), taken_out=taken_out)


def fit_unlensed(
    data: Interferometer, lens: np.ndarray, places: Sequence[tuple[float, float]], scatter: float = 1.0
) -> tuple[Unlensed, ...]:
    """The sources at some places (x, y) [arcsec] that stand out of the field, once `lens` (H, W) [Jy/pixel] on the
    grid of the data, as the antennas see it, is taken away. scatter: of the dirty image then, over its noise."""
    if not places:
        return ()
    rows, flux = data.visibilities, float(lens.sum())
    sigma = np.hypot(rows.sigma_re, rows.sigma_im) / np.sqrt(2)
    left = rows.values - model_visibilities(data, lens)
    numbers = np.array([[x, y, 0.0, 0.0] for x, y in places])  # place, square of the width, flux
    error = np.zeros(len(places))
    for _ in range(STEPS):
        columns = _columns(rows.u, rows.v, numbers, flux) / sigma[:, None]
        model = sum(f * _shape(rows.u, rows.v, x, y, square) for x, y, square, f in numbers)
        gram = (columns.conj().T @ columns).real
        step = np.linalg.solve(gram + 1e-9 * np.trace(gram) * np.eye(len(gram)),
                               (columns.conj().T @ ((left - model) / sigma)).real)  # fmt: skip
        step = step.reshape(numbers.shape)
        reach = 0.5 * data.nyquist
        step[:, :2] = np.clip(step[:, :2], -reach, reach)
        numbers = numbers + step
        numbers[:, 2] = np.clip(numbers[:, 2], 0.0, LARGEST**2)
        error = max(scatter, 1.0) * np.sqrt(np.diag(np.linalg.pinv(gram)))[3::4]
    every = [Unlensed(float(x), float(y), float(np.sqrt(square)), float(f), float(e))
             for (x, y, square, f), e in zip(numbers, error, strict=True)]  # fmt: skip
    return tuple(one for one in every if one.flux > max(SIGNAL * one.error, FLUX_SHARE * flux))


def _columns(u: np.ndarray, v: np.ndarray, numbers: np.ndarray, scale: float) -> np.ndarray:
    """dV (K, 4 P) by the numbers (P, 4) of each source; those of one that is dark yet are of one as bright as scale."""
    columns = []
    for x, y, square, flux in numbers:
        shape, now = _shape(u, v, x, y, square), flux if flux > 0 else 0.1 * scale
        turn = -2j * np.pi * ARCSEC * now * shape
        columns += [turn * u, turn * v, -2 * (np.pi * ARCSEC) ** 2 * (u * u + v * v) * now * shape, shape]
    return np.stack(columns, -1)


def _shape(u: np.ndarray, v: np.ndarray, x: float, y: float, square: float) -> np.ndarray:
    """Visibilities of a round Gaussian of flux 1."""
    return np.exp(-2j * np.pi * ARCSEC * (u * x + v * y) - 2 * (np.pi * ARCSEC) ** 2 * square * (u * u + v * v))
