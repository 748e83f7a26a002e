"""Several datasets of visibilities of one lens, and what may be wrong with each beside its noise.

Flux scale, position and the antennas' phases: the visibilities of a model are multiplied by exp(D c), with small
numbers c (Q,) of normal priors and one complex row of D (K, Q) for each visibility: 1 for the logarithm of the scale,
-2 pi i (u, v) for a shift on the sky, +i and -i for the phases of the two antennas.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.datasets import ARCSEC, Interferometer
from lensfit.errors import ModelError
from lensfit.likelihood.interferometer import BEAMS, OVERSAMPLING, InterferometerLikelihood, model_visibilities
from lensfit.operators.w_tilde import Sums, dirty_image
from lensfit.pytree import replace as changed
from lensfit.terms import Sum

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
    def moves(self) -> float:
        """Sum of the squares of the numbers in widths of their priors."""
        return float(np.sum((self.numbers / self.widths) ** 2))

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Observations:
    """Datasets of one lens on one image grid, the first of which sets flux and position, and their calibrations.

    The sums over visibilities of all datasets add up, so that a call of their `likelihood` costs the same for any
    number of them. What is uncertain in the calibration is fitted together with the model: about the image that it
    was last solved for it is linear, and its best value for any other image is put into chi2 exactly; what is
    left of it is a few images removed from w_tilde. `calibrated(image)` at the image of each best fit in turn
    ends at the joint optimum.

    Attributes:
        datasets: with the same grid, mask and primary beam.
        calibrations: one for each dataset.
        sums: those of each dataset as it was observed.
        about: image (H, W) about which the calibration is linear [Jy/pixel], None = held as it is.
    """

    datasets: tuple[Interferometer, ...]
    calibrations: tuple[Calibration, ...]
    sums: tuple[Sums, ...]
    about: np.ndarray | None = None

    @classmethod
    def of(cls, datasets: Sequence[Interferometer], *, antenna_phases: bool = False) -> Observations:
        """Put the datasets together, not yet calibrated.

        Args:
            datasets: of one lens, on one image grid; the first sets flux and position.
            antenna_phases: whether the phases of the antennas are to be fitted.

        Raises:
            ModelError: their grids or primary beams differ, or a calibration is not possible (see `Calibration`).
        """
        first = datasets[0]
        for number, data in enumerate(datasets):
            _check_like(first, data, number + 1)
        return cls(
            datasets=tuple(datasets),
            calibrations=tuple(
                Calibration.of(data, align=number > 0, phases=antenna_phases) for number, data in enumerate(datasets)
            ),
            sums=tuple(
                Sums.of([data.visibilities], data.shape, data.pixel_scale, data.origin, OVERSAMPLING)
                for data in datasets
            ),
        )

    @property
    def free(self) -> int:
        """Number of calibration parameters."""
        return sum(len(c.numbers) for c in self.calibrations)

    def aligned(self, image: np.ndarray) -> Observations:
        """With shifts at their best for an image (H, W) [Jy/pixel] and then held."""
        return replace(self, calibrations=self._solved(image, ("shift x", "shift y")), about=None)

    def calibrated(self, image: np.ndarray) -> Observations:
        """With all calibrations at their best for an image (H, W) [Jy/pixel], linear about it."""
        return replace(self, calibrations=self._solved(image), about=np.asarray(image))

    def phase_gain(self, image: np.ndarray) -> tuple[float, int]:
        """By how much phases of the antennas would lower chi2 of an image (H, W) [Jy/pixel] of what the antennas see,
        to first order, and how many they would be; of the datasets that name their antennas and have none."""
        total, count = 0.0, 0
        for data, corrected, now in zip(self.datasets, self.corrected(), self.calibrations, strict=True):
            rows = data.visibilities
            named = rows.antenna1 is not None and np.array_equal(rows.sigma_re, rows.sigma_im)
            if now.basis.size or not named:
                continue
            phases = Calibration.of(data, align=False, phases=True)
            total += _first_gain(phases, corrected, image)
            count += len(phases.numbers)
        return total, count

    def gain(self, image: np.ndarray) -> float:
        """By how much calibrating for an image (H, W) [Jy/pixel] would lower chi2, to first order."""
        every = zip(self.corrected(), self.calibrations, strict=True)
        return sum(_first_gain(now, corrected, image) for corrected, now in every if len(now.numbers))

    def held(self) -> Observations:
        """With the calibration held as it is: the data as they are then seen, for figures."""
        return replace(self, about=None)

    def _solved(self, image: np.ndarray, names: tuple[str, ...] = NAMES) -> tuple[Calibration, ...]:
        found = []
        for data, calibration in zip(self.datasets, self.calibrations, strict=True):
            moving = np.array([name in names for name in calibration.names], bool)
            seen = model_visibilities(data, image, OVERSAMPLING)
            found.append(calibration.solved(data, seen, moving) if moving.any() else calibration)
        return tuple(found)

    def corrected(self) -> tuple[Interferometer, ...]:
        """The datasets with gains of 1: visibilities over the gains, noise over their scale."""
        made = []
        for data, calibration in zip(self.datasets, self.calibrations, strict=True):
            rows, sigma = data.visibilities, data.visibilities.sigma_re / calibration.scale
            both = {"sigma_re": sigma, "sigma_im": sigma} if len(calibration.numbers) else {}
            rows = replace(rows, values=rows.values / calibration.gains(data), **both)
            made.append(replace(data, visibilities=rows))
        return tuple(made)

    def sum(self) -> Sum:
        """ln L of all datasets, a term each (`dataset_1`, ...), the calibration at its best.

        What the calibration takes from its priors is in chi2.
        """
        terms = zip(self.datasets, self.corrected(), self.calibrations, self.sums, strict=True)
        return Sum.of({f"dataset_{number + 1}": self._term(*one) for number, one in enumerate(terms)})

    def likelihood(self) -> InterferometerLikelihood:
        """The sum for one model of the sky: its terms pooled, at the cost of one."""
        terms: Any = tuple(self.sum().terms.values())
        return terms[0] if len(terms) == 1 else InterferometerLikelihood.pooled(terms)

    def _term(
        self, data: Interferometer, corrected: Interferometer, calibration: Calibration, sums: Sums
    ) -> InterferometerLikelihood:
        corrected_sums = replace(
            sums,
            w_compact=calibration.scale**2 * sums.w_compact,
            dirty=_dirty(corrected),
            constant=sums.constant + calibration.moves,
        )
        held = InterferometerLikelihood.of_sums(corrected_sums, OVERSAMPLING, data.mask, data.beam)
        removed, seen = self._removed(corrected, calibration)
        w_tilde = changed(held.w_tilde, removed=jnp.asarray(removed))
        return changed(
            held,
            w_tilde=w_tilde,
            dirty_sigma=jnp.sqrt(w_tilde.diagonal()),
            dirty=held.dirty - jnp.tensordot(jnp.asarray(seen), jnp.asarray(removed), 1),
            constant=held.constant - float(seen @ seen),
        )

    def _removed(self, corrected: Interferometer, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
        """Images (Q, H, W) and how much of each is in a dataset (Q,): with its calibration c = c0 + e,

        min over e of |d - V - C e|^2 + |c0 + e|^2/width^2
            = |d - V|^2 + |c0|^2/width^2 - |U^T (C^T (d - V) - c0/width^2)|^2
        with U U^T = (C^T C + 1/width^2)^-1, and U^T C^T V is the product of images with that of the model.
        """
        size = len(calibration.numbers)
        if self.about is None or not size:
            return np.zeros((size, *corrected.shape)), np.zeros(size)
        model = model_visibilities(corrected, self.about, OVERSAMPLING)
        gram, projection = normal(calibration, corrected, model)
        root = np.linalg.inv(np.linalg.cholesky(gram + np.diag(calibration.widths**-2)))
        columns = model[:, None] * calibration.design(corrected, slice(None))
        images = np.stack([_dirty(corrected, columns[:, q]) for q in range(size)])
        whole = projection + np.tensordot(images, self.about, 2)
        return np.tensordot(root, images, 1), root @ (whole - calibration.numbers / calibration.widths**2)


def _first_gain(calibration: Calibration, corrected: Interferometer, image: np.ndarray) -> float:
    """Fall of chi2 by the step of the numbers of a calibration that is best to first order."""
    gram, projection = normal(calibration, corrected, model_visibilities(corrected, image, OVERSAMPLING))
    slope = projection - calibration.numbers / calibration.widths**2
    return float(slope @ np.linalg.solve(gram + np.diag(calibration.widths**-2), slope))


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


def _dirty(data: Interferometer, values: np.ndarray | None = None) -> np.ndarray:
    rows = data.visibilities if values is None else replace(data.visibilities, values=values)
    return dirty_image(rows, data.shape, data.pixel_scale, data.origin, OVERSAMPLING)


def _check_like(first: Interferometer, data: Interferometer, number: int) -> None:
    """Raise ModelError unless the grids are the same and the primary beams agree."""
    for name, tolerance in (("pixel_scale", 0.0), ("shape", 0.0), ("origin", 0.0), ("primary_beam", BEAMS)):
        one, other = (np.asarray(getattr(d, name) or np.inf, float) for d in (first, data))
        if one.shape != other.shape or not np.allclose(one, other, rtol=tolerance, atol=0.0):
            raise ModelError(
                f"dataset {number} has {name} {getattr(data, name)}, the first {getattr(first, name)}: "
                "give all one (primary_beam= when reading, `regridded` for the image grid)"
            )
