"""Gaussian likelihood of an image: PSF * (lens light + lensed source) + sky."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.datasets import Imaging
from lensfit.datasets.psf import wider
from lensfit.grid import Grid, cut, evaluation_box, make_grid, sub_pixels_for
from lensfit.model import LensModel, as_formula
from lensfit.operators.psf import convolve, convolve_float32, framed, transfer_function
from lensfit.priors import Solved
from lensfit.pytree import pytree, replace
from lensfit.space import Space
from lensfit.surface import surface, surfaces
from lensfit.terms import Residuals


@pytree
class ImagingLikelihood(Residuals):
    """ln L = -1/2 sum over unmasked pixels of (d - m)^2 / sigma^2 + ln(2 pi sigma^2).

    All images are on the evaluation box (H, W): the unmasked pixels and a frame as wide as the PSF reaches,
    so that light from outside the mask is modelled too.

    Attributes:
        grid: sub-pixels of the box.
        kernel: the PSF, in a corner of a frame that many PSFs share.
        kernel_shape: (2,) its rows and columns.
        transfer: its Fourier transform.
        inverse_noise: (H, W) 1/sigma, zero where a pixel is left out.
        whitened_data: (H, W) data over their noise.
        log_norm: -1/2 the sum of ln(2 pi sigma^2).
    """

    kind = "image"

    grid: Grid
    kernel: jax.Array
    kernel_shape: jax.Array
    transfer: jax.Array
    inverse_noise: jax.Array
    whitened_data: jax.Array
    log_norm: jax.Array

    @classmethod
    def of(cls, imaging: Imaging, oversampling: int | np.ndarray | None = None) -> ImagingLikelihood:
        """From checked data.

        Args:
            imaging: the data, with the mask of what is fitted.
            oversampling: sub-pixels per axis: one number, an (H, W) map of the image, or by default a map adapted to
                the data (see `lensfit.grid.sub_pixels_for`), 1 where they are masked.
        """
        reach = max(imaging.psf.shape) // 2
        rows, columns, needed = evaluation_box(imaging.mask, reach)
        box = (rows, columns)
        if oversampling is None:
            oversampling = np.where(imaging.mask, 1, sub_pixels_for(imaging))
        beyond = oversampling if np.ndim(oversampling) == 0 else 1
        levels = cut(np.broadcast_to(oversampling, imaging.shape), box, beyond) * needed
        used = ~cut(imaging.mask, box, True)
        inverse = np.where(used, 1 / cut(imaging.noise, box, 1.0), 0.0)
        step = imaging.pixel_scale
        x = imaging.x[0, 0] + step * np.arange(columns.start, columns.stop)
        y = imaging.y[0, 0] + step * np.arange(rows.start, rows.stop)
        grid_x, grid_y = np.meshgrid(x, y)
        return cls(
            grid=make_grid(grid_x, grid_y, levels, step),
            kernel=jax.device_put(framed(imaging.psf)),
            kernel_shape=jax.device_put(np.array(imaging.psf.shape)),
            transfer=jax.device_put(transfer_function(imaging.psf, needed.shape)),
            inverse_noise=jax.device_put(inverse),
            whitened_data=jax.device_put(cut(imaging.data, box, 0.0) * inverse),
            log_norm=jax.device_put(-0.5 * np.sum(np.log(2 * np.pi * imaging.noise[~imaging.mask] ** 2))),
        )

    def image(self, model: LensModel) -> jax.Array:
        """Model image (H, W), convolved and with sky; `Solved` amplitudes are left out."""
        return convolve(self.light(model), self.transfer)

    def light(self, model: LensModel) -> jax.Array:
        """Image (H, W) before convolution; the sky is in it, which a PSF of sum 1 leaves as it is."""
        sky = 0.0 if isinstance(model.sky, Solved) else model.sky
        return surface(*as_formula(model, LensModel.brightness), self.grid) + sky

    def whiten(self, light: jax.Array) -> jax.Array:
        """Images (..., H, W) of light convolved and over the noise."""
        return convolve(light, self.transfer) * self.inverse_noise

    def whiten_float32(self, light: jax.Array) -> jax.Array:
        """The same in single precision."""
        return convolve_float32(light, self.transfer) * self.inverse_noise.astype(jnp.float32)

    def residuals(self, model: LensModel) -> jax.Array:
        """Whitened residuals (model - data) / sigma (H, W), zero where a pixel is left out."""
        return self.image(model) * self.inverse_noise - self.whitened_data

    def columns(self, model: LensModel) -> jax.Array:
        """Whitened images (K, H, W) of unit amplitude of what is `Solved` in the model, the sky last."""
        images = []
        shapes = surfaces(*as_formula(model, LensModel.solved_shapes), self.grid)
        if len(shapes):
            images.append(convolve(shapes, self.transfer) * self.inverse_noise)
        if isinstance(model.sky, Solved):
            images.append(self.inverse_noise[None])
        return jnp.concatenate(images) if images else jnp.zeros((0, *self.shape))

    def gram(self, rows: jax.Array) -> jax.Array:
        """Scalar products (K, K) of whitened images (K, H, W)."""
        flat = rows.reshape(rows.shape[0], -1)
        return flat @ flat.T

    def rest(self, model: LensModel) -> jax.Array:
        """Whitened data less the model (H, W), its `Solved` amplitudes left out."""
        return -self.residuals(model)

    def normal(
        self, model: LensModel, slopes: jax.Array, columns: jax.Array, residuals: jax.Array, exact: Any
    ) -> tuple[jax.Array, jax.Array]:
        """See `LeastSquares`; unless exact, from images in single precision."""

        def system(slopes: jax.Array) -> tuple[jax.Array, jax.Array]:
            rows = jnp.concatenate([slopes, columns.astype(slopes.dtype)])
            both = self.gram(rows), jnp.tensordot(rows, residuals.astype(rows.dtype), 2)
            return both[0].astype(residuals.dtype), both[1].astype(residuals.dtype)

        return lax.cond(exact, lambda: system(self.whiten(slopes)), lambda: system(self.whiten_float32(slopes)))

    def wider_psf(self, share: float) -> ImagingLikelihood:
        """See `LeastSquares`."""
        psf = wider(self.psf, share)
        transfer = transfer_function(psf, self.shape)
        return replace(self, kernel=jax.device_put(framed(psf)), transfer=jax.device_put(transfer))

    def contrast(self) -> float:
        """See `LeastSquares`."""
        return float(np.sum(np.asarray(self.whitened_data) ** 2)) - self.data_count

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The one of its image."""
        return (self.grid,)

    @property
    def psf(self) -> np.ndarray:
        """The PSF (h, w), of the sides that it came with; it is asked for outside of compiled programs."""
        rows, columns = np.asarray(self.kernel_shape)
        return np.asarray(self.kernel)[:rows, :columns]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the evaluation box."""
        return self.grid.shape

    @property
    def data_count(self) -> int:
        """Number of pixels that ln L sums over."""
        return int(np.count_nonzero(self.inverse_noise))

    def observed(self) -> Imaging:
        """The data that this likelihood knows, on its box."""
        inverse = np.asarray(self.inverse_noise)
        noise = np.where(inverse > 0, 1 / np.where(inverse > 0, inverse, 1.0), 1.0)
        x, y = self.grid.coordinates()
        return Imaging(
            data=np.asarray(self.whitened_data) * noise,
            noise=noise,
            psf=self.psf,
            mask=inverse == 0,
            pixel_scale=float(self.grid.pixel_scale),
            origin=(float(x.mean()), float(y.mean())),
        )

    def by_numba(self, space: Space) -> Callable[[np.ndarray], float]:
        """theta (n,) -> ln L without XLA and without derivatives; see `lensfit.likelihood.numba_imaging`."""
        from lensfit.likelihood.numba_imaging import NumbaImaging

        return NumbaImaging(space, self)

    def capped(self, most: int) -> ImagingLikelihood:
        """See `LeastSquares`."""
        return replace(self, grid=self.grid.capped(most))

    def coarser(self) -> ImagingLikelihood:
        """The data binned 2x2 with 2x2 sub-pixels, for a search."""
        return ImagingLikelihood.of(self.observed().binned(2), 2)

    def weighted(self, weights: Any) -> ImagingLikelihood:
        """The same data with residuals multiplied by weights (H, W); for robust fits, not for evidences."""
        return replace(
            self,
            inverse_noise=np.asarray(self.inverse_noise) * weights,
            whitened_data=np.asarray(self.whitened_data) * weights,
        )

    def minus(self, whitened: Any) -> ImagingLikelihood:
        """The same likelihood of the data less a whitened image (H, W)."""
        return replace(self, whitened_data=np.asarray(self.whitened_data) - np.asarray(whitened))
