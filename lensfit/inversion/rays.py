"""The rays of an image: where they start, and what they are compared with."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.operators.psf import transfer_function
from lensfit.pytree import pytree, static


@pytree
class Rays:
    """Where rays start and what they are compared with.

    Attributes:
        x, y: (E, Q) sub-pixels [arcsec] of the pixels that the mask or the PSF's reach about it holds.
        pixels: (E,) these pixels, W row + column of the image (H, W).
        seen: (M,) the pixels with data, the same.
        inverse_noise: (M,) 1 / sigma.
        psf: (h, w). transfer: its transform on the image, which has the PSF's reach to spare.
        shape: (H, W).
    """

    x: jax.Array
    y: jax.Array
    pixels: jax.Array
    seen: jax.Array
    inverse_noise: jax.Array
    psf: jax.Array
    transfer: jax.Array
    shape: tuple[int, int] = static()

    @classmethod
    def of(
        cls, x: np.ndarray, y: np.ndarray, needed: np.ndarray, inverse_noise: np.ndarray, psf: np.ndarray,
        pixel_scale: float, sub_pixels: int,
    ) -> Rays:
        """For an image of pixel centres x, y, `needed` where rays start, and 1 / sigma, 0 without data: all (H, W)."""
        starts = sub_pixel_positions(x[needed], y[needed], pixel_scale, sub_pixels)
        return cls(
            x=starts[0],
            y=starts[1],
            pixels=jnp.asarray(np.flatnonzero(needed), jnp.int32),
            seen=jnp.asarray(np.flatnonzero(inverse_noise), jnp.int32),
            inverse_noise=jnp.asarray(inverse_noise[inverse_noise > 0]),
            psf=jnp.asarray(psf),
            transfer=jnp.asarray(transfer_function(psf, x.shape)),
            shape=(x.shape[0], x.shape[1]),
        )


def sub_pixel_positions(
    x: np.ndarray, y: np.ndarray, pixel_scale: float, sub_pixels: int
) -> tuple[jax.Array, jax.Array]:
    """x, y (E, sub_pixels^2) of the sub-pixels of pixels at x, y (E,) [arcsec]."""
    offsets = ((np.arange(sub_pixels) + 0.5) / sub_pixels - 0.5) * pixel_scale
    down, right = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
    return jnp.asarray(x[:, None] + right), jnp.asarray(y[:, None] + down)
