"""ln L of an image from theta by native kernels and scipy alone: nothing that XLA has to compile."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import scipy.fft
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from lensfit import native
from lensfit.errors import ModelError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel, as_formula
from lensfit.priors import Solved
from lensfit.space import Space
from lensfit.surface import Part, parts, split
from lensfit.terms import RIDGE

Images = Callable[[np.ndarray], np.ndarray]


class NumbaImaging:
    """theta (n,) -> ln L of the problem of a space and an imaging likelihood, by numba; no derivative.

    The same model and numbers as `ImagingLikelihood`: its formulas are printed from the same trace.
    """

    def __init__(self, space: Space, likelihood: ImagingLikelihood) -> None:
        """Raises ModelError for a model that numba cannot evaluate."""
        self._sampled = _images(space, likelihood, LensModel.brightness)
        self._solved = _images(space, likelihood, LensModel.solved_shapes)
        model: LensModel = space.build(np.zeros(space.ndim))  # pyright: ignore[reportArgumentType]
        self._sky = model.sky if isinstance(model.sky, Solved) else _sky(space)
        self._positive = model.positive()
        self._transfer = np.asarray(likelihood.transfer)
        self._inverse_noise = np.asarray(likelihood.inverse_noise)
        self._data = np.asarray(likelihood.whitened_data)
        self._log_norm = float(likelihood.log_norm)

    def __call__(self, theta: np.ndarray) -> float:
        """ln L, solved amplitudes at their best."""
        theta = np.asarray(theta, float)
        sky = 0.0 if isinstance(self._sky, Solved) else self._sky(theta)
        target = self._data - (self._convolved(self._sampled(theta))[0] + sky) * self._inverse_noise
        columns = [self._convolved(self._solved(theta)) * self._inverse_noise]
        if isinstance(self._sky, Solved):
            columns.append(self._inverse_noise[None])
        rows = np.concatenate(columns).reshape(-1, target.size)
        left = target.ravel()
        if len(rows):
            left = left - least_squares(rows, left, self._positive) @ rows
        return float(-0.5 * left @ left) + self._log_norm

    def _convolved(self, images: np.ndarray) -> np.ndarray:
        spectrum = np.asarray(scipy.fft.rfft2(images)) * self._transfer
        return np.asarray(scipy.fft.irfft2(spectrum, images.shape[-2:]))


def least_squares(rows: np.ndarray, target: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Amplitudes (K,) of rows (K, N) nearest to a target (N,), those flagged in positive (K,) kept >= 0.

    The free ones come first in the Cholesky factor, so that the others are a problem of their own (Lawson &
    Hanson 1974). The same ridge as in `Quadratic.solve`.
    """
    gram = rows @ rows.T
    diagonal = np.diagonal(gram)
    scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    order = np.argsort(positive, kind="stable")
    free = int(np.count_nonzero(~positive))
    scaled = (gram * scale * scale[:, None] + RIDGE * np.eye(len(rows)))[np.ix_(order, order)]
    upper = np.linalg.cholesky(scaled).T
    right = solve_triangular(upper, ((rows @ target) * scale)[order], trans=1)
    bounded = nnls(upper[free:, free:], right[free:])[0] if free < len(rows) else np.zeros(0)
    rest = right[:free] - upper[:free, free:] @ bounded
    unbounded = solve_triangular(upper[:free, :free], rest) if free else np.zeros(0)
    amplitudes = np.empty(len(rows))
    amplitudes[order] = np.concatenate([unbounded, bounded])
    return amplitudes * scale


def _sky(space: Space) -> Callable[[np.ndarray], float]:
    closed = jax.make_jaxpr(lambda theta: space.build(theta).sky)(np.zeros(space.ndim))
    function = _numpy(closed)
    return lambda theta: float(function(theta)[0])


def _numpy(closed: Any) -> Callable[..., list[Any]]:
    try:
        return native.numpy_function(closed)
    except native.Unprintable as reason:
        raise ModelError(f"the numba backend cannot evaluate this model ({reason}); take backend='jax'") from reason


def _images(space: Space, likelihood: ImagingLikelihood, method: Any) -> Images:
    """theta -> images (K, H, W) of a method of the model at one point, before convolution."""
    found: list[Any] = []

    def coefficients(theta: jax.Array) -> list[jax.Array]:
        values, local = split(*as_formula(space.build(theta), method), np.float64)
        found.append(local)
        return values

    numbers = _numpy(jax.make_jaxpr(coefficients)(np.zeros(space.ndim)))
    local = found[-1]
    try:
        kernels = [(part, native.means_kernel(part.local.closed)) for part in parts(local)]
    except native.Unprintable as reason:
        raise ModelError(f"the numba backend cannot evaluate this model ({reason}); take backend='jax'") from reason
    grid = likelihood.grid
    where = [np.asarray(a) for a in (grid.x, grid.y, grid.oversampling, grid.used, grid.pixel_scale, grid.gather)]
    shape = (len(local.closed.jaxpr.outvars), *grid.shape)

    def images(theta: np.ndarray) -> np.ndarray:
        values, out = numbers(theta), np.zeros(shape)
        for part, kernel in kernels:
            _add(out, part, values, kernel.run(np.array([values[k] for k in part.uses], float), *where))
        return out

    return images


def _add(out: np.ndarray, part: Part, values: list[Any], images: np.ndarray) -> None:
    for share in part.shares:
        factor = np.prod([1.0, *(values[f] if isinstance(f, int) else f for f in share.factors)])
        out[share.output] += factor * images[share.value]
