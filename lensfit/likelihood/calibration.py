"""What may be wrong with visibilities beside their noise: flux scale, position and the antennas' phases.

The visibilities of a model are multiplied by exp(D c), with small numbers c (Q,) of normal priors and one
complex row of D (K, Q) for each visibility: 1 for the logarithm of the scale, -2 pi i (u, v) for a shift on the
sky, +i and -i for the phases of the two antennas.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from lensfit.datasets import ARCSEC, Interferometer
from lensfit.errors import ModelError

SCALE, SHIFT, PHASE = 0.2, 0.3, 1.0
"""Widths of the priors of ln scale, of a shift [arcsec] and of a phase [rad]."""
NAMES = ("ln scale", "shift x", "shift y", "antenna phase")
"""What the numbers of a calibration are."""
ROWS = 2**16
"""Visibilities that are looked at together."""
STEPS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """The numbers c (Q,) of one dataset, their priors' `widths` (Q,) and their `names`.

    `aligned` is whether scale and shift are among them, three in front; `antennas` (2, K) are the numbers of each
    row's antennas, `basis` (A, P) the combinations of their phases that are fitted. What cannot be told from
    a shift of the sky, and what does nothing, is not among these.
    """

    widths: np.ndarray
    names: tuple[str, ...]
    aligned: bool
    antennas: np.ndarray
    basis: np.ndarray
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, data: Interferometer, *, align: bool, phases: bool) -> Calibration:
        """Unit gains, to be fitted: scale and shift if asked to align, phases of the antennas if asked for.

        Raises:
            ModelError: the noise of real and imaginary parts differs, or the antennas are not known.
        """
        rows = data.visibilities
        if (align or phases) and not np.array_equal(rows.sigma_re, rows.sigma_im):
            raise ModelError(
                "real and imaginary parts have different noise, which a turn of the phase would mix: give one noise "
                "for both, as the root mean square of the two, or fit without antenna phases and one dataset alone"
            )
        antennas, basis = np.zeros((2, 0), int), np.zeros((0, 0))
        if phases:
            antennas = _antennas(data)
            basis = _basis(antennas, rows.u, rows.v)
        names = NAMES[:3] * align + NAMES[3:] * basis.shape[1]
        widths = np.array([SCALE, SHIFT, SHIFT] * align + [PHASE] * basis.shape[1])
        return cls(
            widths=widths, names=names, aligned=align, antennas=antennas, basis=basis, numbers=np.zeros(len(widths))
        )

    def design(self, data: Interferometer, rows: slice) -> np.ndarray:
        """D (k, Q) of some rows."""
        table = data.visibilities
        u, v = table.u[rows], table.v[rows]
        parts = []
        if self.aligned:
            turn = -2j * np.pi * ARCSEC
            parts.append(np.stack([np.ones(len(u), complex), turn * u, turn * v], -1))
        if self.basis.size:
            first, second = self.antennas[:, rows]
            parts.append(1j * (self.basis[first] - self.basis[second]))
        return np.concatenate(parts, -1) if parts else np.zeros((len(u), 0), complex)

    def gains(self, data: Interferometer) -> np.ndarray:
        """exp(D c) (K,)."""
        if not len(self.numbers):
            return np.ones(len(data.visibilities), complex)
        return np.concatenate([np.exp(self.design(data, rows) @ self.numbers) for rows in slices(data)])

    @property
    def scale(self) -> float:
        """Modulus of the gains."""
        return float(np.exp(self.numbers[0])) if self.aligned else 1.0

    def solved(self, data: Interferometer, model: np.ndarray, moving: np.ndarray) -> Calibration:
        """The numbers flagged in moving (Q,) at their best for the model's visibilities (K,), by Gauss-Newton."""
        now = self
        for _ in range(STEPS):
            gram, projection = normal(now, data, now.gains(data) * model)
            matrix = gram + np.diag(now.widths**-2)
            slope = projection - now.numbers / now.widths**2
            step = np.zeros(len(now.numbers))
            step[moving] = np.linalg.solve(matrix[np.ix_(moving, moving)], slope[moving])
            now = replace(now, numbers=now.numbers + step)
            if float(step @ matrix @ step) < 1e-6:
                break
        return now


def normal(calibration: Calibration, data: Interferometer, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """C^T C (Q, Q) and C^T r (Q,), whitened, of columns C = seen D and the residuals r of `seen` (K,)."""
    table, size = data.visibilities, len(calibration.numbers)
    gram, projection = np.zeros((size, size)), np.zeros(size)
    for rows in slices(data):
        columns = (seen[rows] / table.sigma_re[rows])[:, None] * calibration.design(data, rows)
        left = (table.values[rows] - seen[rows]) / table.sigma_re[rows]
        gram += (columns.conj().T @ columns).real
        projection += (columns.conj().T @ left).real
    return gram, projection


def slices(data: Interferometer) -> list[slice]:
    """Runs of at most ROWS rows."""
    return [slice(start, start + ROWS) for start in range(0, len(data.visibilities), ROWS)]


def _antennas(data: Interferometer) -> np.ndarray:
    """(2, K) numbers from 0 on of the antennas of each row, other ones in each track."""
    rows = data.visibilities
    if rows.antenna1 is None or rows.antenna2 is None:
        raise ModelError("antenna phases: the data do not say which antennas a baseline joins (antenna1, antenna2)")
    track = np.zeros(len(rows), int) if rows.track is None else rows.track
    ends = np.stack([np.concatenate([rows.antenna1, rows.antenna2]), np.concatenate([track, track])])
    return np.unique(ends, axis=1, return_inverse=True)[1].reshape(2, -1)


def _basis(antennas: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(A, P) orthonormal patterns of phases, but for those that do nothing or move the sky.

    A phase that grows with an antenna's place is a shift: its pattern is that whose differences come nearest
    to u, and to v.
    """
    first, second = antennas
    size = int(antennas.max()) + 1
    links = np.bincount(size * first + second, minlength=size * size).reshape(size, size)
    laplacian = np.diag(links.sum(0) + links.sum(1)) - links - links.T
    pulls = [np.bincount(first, b, size) - np.bincount(second, b, size) for b in (u, v)]
    values, vectors = np.linalg.eigh(laplacian)
    idle = vectors[:, values < 1e-9 * values[-1]]
    gradients = np.linalg.lstsq(laplacian, np.stack(pulls, -1), rcond=1e-9)[0]
    gone = np.concatenate([idle, gradients / np.linalg.norm(gradients, axis=0)], -1)
    left, strength, _ = np.linalg.svd(gone)
    return left[:, np.count_nonzero(strength > 1e-6) :]
