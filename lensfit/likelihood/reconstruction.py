"""The source that was solved for on pixels, with its uncertainty, and the images of it."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lensfit.inversion.evidence import Solution
from lensfit.inversion.mesh import by_xla
from lensfit.model import LensModel
from lensfit.profiles import PixelSource
from lensfit.pytree import pytree


@pytree
class Seen:
    """What one dataset shows of a reconstruction, images (H, W) on the box of its likelihood.

    Attributes:
        image: the model, as the instrument sees it.
        source, light: its shares of the lensed source, and of lens light and sky.
        lensed: the lensed source before the instrument, zero where no ray was followed.
        residuals: (model - data) / sigma, zero where a pixel is left out; of visibilities the dirty image of
            model less data, over its noise.
        used: where rays were followed.
    """

    image: jax.Array
    source: jax.Array
    light: jax.Array
    lensed: jax.Array
    residuals: jax.Array
    used: jax.Array


@pytree
class Reconstruction:
    """The most probable source on the mesh, given the model's other numbers.

    Attributes:
        coefficients: (n, n) of the B-splines, `[row, column]`.
        x, y: (n,) the nodes [arcsec].
        brightness, deviation: (n, n) at the nodes, and its posterior standard deviation; 0 where s >= 0 holds it.
        amplitudes, amplitude_deviations: (K,) of the model's `Solved` leaves, sky last.
        magnification: flux of the lensed source over that of the source.
        source_flux: brightness times arcsec^2.
        seen: one for each dataset.
        model: with numbers for its `Solved` amplitudes.
        solution: chi2, and the other terms of ln evidence.
    """

    coefficients: jax.Array
    x: jax.Array
    y: jax.Array
    brightness: jax.Array
    deviation: jax.Array
    amplitudes: jax.Array
    amplitude_deviations: jax.Array
    magnification: jax.Array
    source_flux: jax.Array
    seen: tuple[Seen, ...]
    model: LensModel
    solution: Solution

    def at(self, x: Any, y: Any) -> jax.Array:
        """Source brightness at source-plane points (x, y) [arcsec], of any shape."""
        return brightness_of(self.source, self.coefficients, jnp.asarray(x), jnp.asarray(y))

    @property
    def source(self) -> PixelSource:
        """The mesh, with its numbers."""
        return next(iter(self.model.pixels().values()))

    @property
    def lensed_flux(self) -> jax.Array:
        """Brightness times arcsec^2 of the lensed source."""
        return self.magnification * self.source_flux


def brightness_of(source: PixelSource, coefficients: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Brightness at source-plane points (x, y) [arcsec] of coefficients (n, n)."""
    u, v = source.position(x, y)
    indices, weights = by_xla(source.pixels, source.order, u.reshape(-1, 1), v.reshape(-1, 1))
    return jnp.sum(weights * coefficients.ravel()[indices], -1).reshape(x.shape)


def reconstruction(
    model: LensModel, source: PixelSource, found: Solution, seen: tuple[Seen, ...], image_flux: jax.Array
) -> Reconstruction:
    """Put together; `image_flux` is brightness times arcsec^2 of the lensed source."""
    n, order = source.pixels, source.order
    nodes = jnp.arange(n) - (n - 1) / 2
    x, y = source.center_x + source.step * nodes, source.center_y + source.step * nodes
    coefficients, amplitudes = found.s[: n * n].reshape(n, n), found.s[n * n :]
    spread = found.covariance()
    column, row = (axis.reshape(-1, 1) for axis in jnp.meshgrid(jnp.arange(n) * 1.0, jnp.arange(n) * 1.0))
    indices, weights = by_xla(n, order, column, row)
    pairs = spread[indices[:, :, None], indices[:, None]]
    variance = jnp.einsum("ma,mb,mab->m", weights, weights, pairs)
    source_flux = jnp.sum(coefficients) * source.step**2
    return Reconstruction(
        coefficients=coefficients,
        x=x,
        y=y,
        brightness=jnp.sum(weights * coefficients.ravel()[indices], -1).reshape(n, n),
        deviation=jnp.sqrt(jnp.maximum(variance, 0.0)).reshape(n, n),
        amplitudes=amplitudes,
        amplitude_deviations=jnp.sqrt(jnp.diagonal(spread)[n * n :]),
        magnification=image_flux / source_flux,
        source_flux=source_flux,
        seen=seen,
        model=model.filled(amplitudes),
        solution=found,
    )
