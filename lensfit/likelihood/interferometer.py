"""Gaussian likelihood of visibilities through w_tilde: its cost does not depend on their number.

`model_visibilities` and `whitened_residuals` go the direct way, by a non-uniform FFT, numpy in and out: for residuals
in visibility space and as a check. Their cost grows with the number of visibilities, and no fit needs them.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Interferometer, pixel_centers
from lensfit.errors import ModelError
from lensfit.grid import Grid, make_grid
from lensfit.model import LensModel, as_formula
from lensfit.operators.nufft import pixel_response, to_visibilities
from lensfit.operators.toeplitz import WTilde, quadratic_form
from lensfit.operators.w_tilde import Sums
from lensfit.priors import Solved
from lensfit.pytree import pytree, replace
from lensfit.surface import surface, surfaces
from lensfit.terms import LeastSquares, Quadratic, hidden

OVERSAMPLING = 4
"""Sub-pixels per axis by default."""
BEAMS = 0.02
"""Relative difference of two primary beams up to which they count as one."""


@pytree
class InterferometerLikelihood(LeastSquares):
    """ln L = -1/2 sum over visibilities of |d - V|^2 / sigma^2 + ln(2 pi sigma^2), per real and imaginary part.

    chi2(s) = s^T w_tilde s - 2 s^T d + constant for the image s of what the antennas see: the mean over each
    pixel of lens light and lensed source, times `response` (H, W), the primary beam (and the area of a pixel
    where brightness is counted on others). It is a difference of large numbers: double precision always.

    Attributes:
        grid: sub-pixels of the image.
        w_tilde: the sums over visibilities, as an operator on images.
        dirty: (H, W) the noise-weighted dirty image d [1/Jy].
        dirty_sigma: (H, W) its standard deviation [1/Jy].
        response: (H, W) what multiplies the brightness before it is seen.
        constant: the sum of |d|^2 / sigma^2.
        log_norm: -1/2 the sum of ln(2 pi sigma^2).
        count: number of visibilities.
    """

    kind = "visibilities"

    grid: Grid
    w_tilde: WTilde
    dirty: jax.Array
    dirty_sigma: jax.Array
    response: jax.Array
    constant: jax.Array
    log_norm: jax.Array
    count: jax.Array

    @classmethod
    def of(
        cls,
        interferometer: Interferometer,
        oversampling: int | np.ndarray = OVERSAMPLING,
        brightness_pixel: float | None = None,
    ) -> InterferometerLikelihood:
        """From checked data; one pass over the visibilities.

        Args:
            interferometer: the data on their image grid.
            oversampling, brightness_pixel: see `of_sums`.
        """
        data, sub_pixels = interferometer, oversampling if isinstance(oversampling, int) else None
        sums = Sums.of([data.visibilities], data.shape, data.pixel_scale, data.origin, sub_pixels)
        return cls.of_sums(sums, oversampling, data.mask, data.beam, brightness_pixel)

    @classmethod
    def of_sums(
        cls,
        sums: Sums,
        oversampling: int | np.ndarray = OVERSAMPLING,
        mask: np.ndarray | None = None,
        beam: np.ndarray | None = None,
        brightness_pixel: float | None = None,
    ) -> InterferometerLikelihood:
        """From the sums over any number of visibilities.

        Args:
            sums: see `lensfit.operators.w_tilde`.
            oversampling: sub-pixels per axis, one number or an (H, W) map.
            mask: (H, W), True = no emission there.
            beam: (H, W) response of the primary beam, None = 1.
            brightness_pixel: side in arcsec of the pixels on which the model's brightness is counted, where
                these are others: a coarse and a fine likelihood then agree on a model's amplitudes.

        Raises:
            ModelError: JAX is set to single precision.
        """
        if not jax.config.read("jax_enable_x64"):
            raise _single("JAX is set to single precision")
        levels = np.broadcast_to(oversampling, sums.shape) * (1 if mask is None else ~mask)
        area = 1.0 if brightness_pixel is None else (sums.pixel_scale / brightness_pixel) ** 2
        x, y = pixel_centers(sums.shape, sums.pixel_scale, sums.origin)
        w_tilde = WTilde.of(sums.w_compact, sums.h_compact)
        return cls(
            grid=make_grid(x, y, levels, sums.pixel_scale),
            w_tilde=w_tilde,
            dirty=jnp.asarray(sums.dirty),
            dirty_sigma=jnp.sqrt(w_tilde.diagonal()),
            response=jnp.asarray(area * (np.ones(sums.shape) if beam is None else beam)),
            constant=jnp.asarray(sums.constant),
            log_norm=jnp.asarray(sums.log_norm),
            count=jnp.asarray(sums.count),
        )

    def __call__(self, model: LensModel) -> jax.Array:
        """ln L of a model whose leaves are all numbers."""
        return -0.5 * self.chi2(self.image(model)) + self.log_norm

    def chi2(self, image: jax.Array) -> jax.Array:
        """chi2 of an image (H, W) [Jy/pixel]; with its gradient 2 (w_tilde s - d) two transforms."""
        if image.dtype != jnp.float64:
            raise _single(f"the image is {image.dtype}")
        return quadratic_form(image, self.w_tilde) - 2 * jnp.sum(image * self.dirty) + self.constant

    def image(self, model: LensModel) -> jax.Array:
        """What the antennas see (H, W) [Jy/pixel]; `Solved` amplitudes are left out."""
        return self.light(model) * self.response

    def light(self, model: LensModel) -> jax.Array:
        """Brightness (H, W) before the primary beam."""
        _refuse_sky(model)
        return surface(*as_formula(model, LensModel.brightness), self.grid)

    def whiten(self, light: jax.Array) -> jax.Array:
        """Images (..., H, W) as the antennas see them: the metric of `gram` is the noise."""
        return light * self.response

    def columns(self, model: LensModel) -> jax.Array:
        """Images (K, H, W) of unit amplitude of the model's `Solved` ones, as the antennas see them."""
        _refuse_sky(model)
        return surfaces(*as_formula(model, LensModel.solved_shapes), self.grid) * self.response

    def gram(self, images: jax.Array) -> jax.Array:
        """s_i^T w_tilde s_j (K, K) of images (K, H, W): half the curvature of chi2 in their amplitudes."""
        return self.w_tilde.gram(images)

    def projection(self, images: jax.Array, rest: jax.Array | None = None) -> jax.Array:
        """s_i^T (d - w_tilde rest) (K,): how images (K, H, W) point along the data less an image `rest`."""
        left = self.dirty if rest is None else self.dirty - self.w_tilde.apply(rest)
        return jnp.tensordot(images, left, 2)

    def normal(
        self, model: LensModel, slopes: jax.Array, columns: jax.Array, residuals: jax.Array, exact: Any
    ) -> tuple[jax.Array, jax.Array]:
        """See `LeastSquares`; always exact."""
        rows = jnp.concatenate([self.whiten(slopes), columns])
        return self.gram(rows), jnp.tensordot(rows, residuals, 2)

    def shown(self, model: LensModel, columns: jax.Array, flags: jax.Array) -> jax.Array:
        """See `LeastSquares`."""
        return hidden(columns, flags)

    def rest(self, model: LensModel) -> jax.Array:
        """`image` of the model (H, W): what the columns are added to."""
        return self.image(model)

    def quadratic(self, model: LensModel, columns: jax.Array, rest: jax.Array) -> Quadratic:
        """chi2 of `rest` + sum_i a_i columns_i as a function of the amplitudes a (K,)."""
        return Quadratic(
            gram=self.gram(columns), projection=self.projection(columns, rest), constant=self.chi2(rest)
        )

    def remains(
        self, model: LensModel, columns: jax.Array, rest: jax.Array, amplitudes: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """w_tilde s - d (H, W) of the image s, and chi2."""
        image = jnp.tensordot(amplitudes, columns, 1) + rest
        product = self.w_tilde.apply(image)
        return product - self.dirty, jnp.sum(image * (product - 2 * self.dirty)) + self.constant

    def contrast(self) -> float:
        """See `LeastSquares`."""
        return float(self.constant) - self.data_count

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The one of its image."""
        return (self.grid,)

    def dirty_residual(self, image: jax.Array) -> jax.Array:
        """The dirty image (H, W) of data less model in units of its noise, for an image (H, W) [Jy/pixel].

        Its pixels are correlated: the sum of its squares is not chi2.
        """
        return (self.dirty - self.w_tilde.apply(image)) / self.dirty_sigma

    @classmethod
    def pooled(cls, terms: Sequence[InterferometerLikelihood]) -> InterferometerLikelihood:
        """ln L of all terms at the cost of one: theirs is the same image, seen with the same response.

        Args:
            terms: one for each dataset.

        Raises:
            ModelError: their images or responses differ.
        """
        first = terms[0]
        for term in terms[1:]:
            same = term.shape == first.shape and np.allclose(term.grid.corner, first.grid.corner, atol=1e-9)
            if not (same and np.allclose(term.response, first.response, rtol=2 * BEAMS)):
                raise ModelError("visibilities on other image grids, or seen with other primary beams, are not pooled")
        tables = [term.w_tilde.distinct() for term in terms]
        hankel = [table for _, table in tables if table is not None]
        w_tilde = replace(
            WTilde.of(sum(table for table, _ in tables), sum(hankel) if hankel else None),  # pyright: ignore
            removed=jnp.concatenate([term.w_tilde.removed for term in terms]),
        )
        total = lambda name: sum(getattr(term, name) for term in terms)  # noqa: E731
        return replace(
            first, w_tilde=w_tilde, dirty_sigma=jnp.sqrt(w_tilde.diagonal()), dirty=total("dirty"),
            constant=total("constant"), log_norm=total("log_norm"), count=total("count"),
        )  # fmt: skip

    @property
    def data_count(self) -> int:
        """Number of real numbers that ln L sums over."""
        return 2 * int(self.count)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.grid.shape

    def coarser(self) -> InterferometerLikelihood:
        """The same data on pixels of twice the side with 2x2 sub-pixels, for a search; sides must be even."""
        h, w = (n // 2 for n in self.shape)
        w_tilde, step = self.w_tilde.binned(), 2 * float(self.grid.pixel_scale)
        used = (np.asarray(self.grid.gather) >= 0).reshape(h, 2, w, 2).any((1, 3))
        x, y = (a[::2, ::2] + step / 4 for a in self.grid.coordinates())
        dirty, response = jnp.stack([self.dirty, 4 * self.response]).reshape(2, h, 2, w, 2).mean((2, 4))
        return replace(
            self,
            grid=make_grid(x, y, np.where(used, 2, 0), step),
            w_tilde=w_tilde,
            dirty=dirty,
            dirty_sigma=jnp.sqrt(w_tilde.diagonal()),
            response=response,
        )

    def minus(self, image: Any) -> InterferometerLikelihood:
        """The same likelihood of the data less the visibilities of an image (H, W) [Jy/pixel]."""
        image = jnp.asarray(image)
        return replace(self, dirty=self.dirty - self.w_tilde.apply(image), constant=self.chi2(image))


def model_visibilities(interferometer: Interferometer, image: Any, sub_pixels: int | None = None) -> np.ndarray:
    """V (K,) [Jy] of what the antennas see, an image (H, W) [Jy/pixel] such as a likelihood's `image(model)`.

    sub_pixels: the points per axis whose mean a pixel is, None = the true mean.
    """
    data, rows = interferometer, interferometer.visibilities
    values = to_visibilities(rows.u, rows.v, np.asarray(image), data.pixel_scale, data.origin)
    return values / pixel_response(rows.u, rows.v, data.pixel_scale, sub_pixels)


def whitened_residuals(interferometer: Interferometer, image: Any, sub_pixels: int | None = None) -> np.ndarray:
    """(data - model) / sigma (K,): the real part over sigma_re, the imaginary part over sigma_im.

    The sum of their squares is the chi2 of `InterferometerLikelihood`.
    """
    rows = interferometer.visibilities
    left = rows.values - model_visibilities(interferometer, image, sub_pixels)
    return np.real(left) / rows.sigma_re + 1j * (np.imag(left) / rows.sigma_im)


def _refuse_sky(model: LensModel) -> None:
    if isinstance(model.sky, Solved) or (isinstance(model.sky, float | int) and model.sky != 0):
        raise ModelError("an interferometer does not see a constant sky; leave the model's sky at 0")


def _single(what: str) -> ModelError:
    return ModelError(
        f"{what}, and chi2 of visibilities is a small difference of large numbers, of which single precision "
        "leaves nothing: call jax.config.update('jax_enable_x64', True) before the first array is made, or set "
        "JAX_ENABLE_X64=1"
    )
