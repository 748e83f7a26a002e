"""Several datasets of one lens as one likelihood, with what is uncertain in their calibration profiled out."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Interferometer
from lensfit.errors import ModelError
from lensfit.likelihood.calibration import NAMES, Calibration, normal
from lensfit.likelihood.direct import model_visibilities
from lensfit.likelihood.interferometer import OVERSAMPLING, InterferometerLikelihood
from lensfit.operators.w_tilde import Sums, dirty_image
from lensfit.pytree import replace as changed

BEAMS = 0.02
"""Relative difference of two primary beams up to which they count as one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Observations:
    """Datasets of one lens on one image grid, the first of which sets flux and position, and their calibrations.

    The sums over visibilities of all datasets add up, so that a likelihood call costs the same for any number
    of them. What is uncertain in the calibration is fitted together with the model: about the image that it
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

    @property
    def moves(self) -> float:
        """Sum of the squares of the calibration parameters in widths of their priors."""
        return float(sum(np.sum((c.numbers / c.widths) ** 2) for c in self.calibrations))

    def aligned(self, image: np.ndarray) -> Observations:
        """With shifts at their best for an image (H, W) [Jy/pixel] and then held."""
        return replace(self, calibrations=self._solved(image, ("shift x", "shift y")), about=None)

    def calibrated(self, image: np.ndarray) -> Observations:
        """With all calibrations at their best for an image (H, W) [Jy/pixel], linear about it."""
        return replace(self, calibrations=self._solved(image), about=np.asarray(image))

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

    def likelihood(self) -> InterferometerLikelihood:
        """ln L of all datasets, the calibration at its best; what it takes from its priors is in chi2."""
        first, corrected = self.datasets[0], self.corrected()
        scales = [c.scale**2 for c in self.calibrations]
        total = replace(
            self.sums[0],
            w_compact=sum(f * s.w_compact for f, s in zip(scales, self.sums, strict=True)),
            dirty=sum(_dirty(data) for data in corrected),
            constant=sum(s.constant for s in self.sums) + self.moves,
            log_norm=sum(s.log_norm for s in self.sums),
            count=sum(s.count for s in self.sums),
        )
        held = InterferometerLikelihood.of_sums(total, OVERSAMPLING, first.mask, first.beam)
        removed, seen = self._removed(corrected)
        w_tilde = changed(held.w_tilde, removed=jnp.asarray(removed))
        return changed(
            held,
            w_tilde=w_tilde,
            dirty_sigma=jnp.sqrt(w_tilde.diagonal()),
            dirty=held.dirty - jnp.tensordot(jnp.asarray(seen), jnp.asarray(removed), 1),
            constant=held.constant - float(seen @ seen),
        )

    def _removed(self, corrected: tuple[Interferometer, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Images (Q, H, W) and how much of each is in the data (Q,): with the calibration c = c0 + e,

        min over e of |d - V - C e|^2 + |c0 + e|^2/width^2
            = |d - V|^2 + |c0|^2/width^2 - |U^T (C^T (d - V) - c0/width^2)|^2
        with U U^T = (C^T C + 1/width^2)^-1, and U^T C^T V is the product of images with that of the model.
        """
        removed, seen = np.zeros((self.free, *self.datasets[0].shape)), np.zeros(self.free)
        if self.about is None:
            return removed, seen
        start = 0
        for data, calibration in zip(corrected, self.calibrations, strict=True):
            size = len(calibration.numbers)
            if not size:
                continue
            model = model_visibilities(data, self.about, OVERSAMPLING)
            gram, projection = normal(calibration, data, model)
            root = np.linalg.inv(np.linalg.cholesky(gram + np.diag(calibration.widths**-2)))
            columns = model[:, None] * calibration.design(data, slice(None))
            images = np.stack([_dirty(data, columns[:, q]) for q in range(size)])
            block = slice(start, start + size)
            removed[block] = np.tensordot(root, images, 1)
            whole = projection + np.tensordot(images, self.about, 2)
            seen[block] = root @ (whole - calibration.numbers / calibration.widths**2)
            start += size
        return removed, seen


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
