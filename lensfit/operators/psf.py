"""Convolution with the point-spread function by FFT on a box that the image fills."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

FRAME = 64
"""Sides of the frames of PSFs are multiples of this [pixels]."""


def transfer_function(psf: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """rfft2 of the PSF (h, w), odd-sided, centred on pixel (0, 0) of a periodic image of the given shape."""
    kernel = np.zeros(shape)
    h, w = psf.shape
    kernel[:h, :w] = psf
    return np.fft.rfft2(np.roll(kernel, (-(h // 2), -(w // 2)), (0, 1)))


def framed(psf: np.ndarray) -> np.ndarray:
    """The PSF in a corner of a square of zeros, its side a multiple of FRAME: many PSFs have one shape."""
    side = FRAME * -(-max(psf.shape) // FRAME)
    return np.pad(psf, [(0, side - n) for n in psf.shape])


def convolve(images: jax.Array, transfer: jax.Array) -> jax.Array:
    """Images (..., H, W) convolved, periodic: right wherever the box has the PSF's reach to spare."""
    shape = images.shape[-2:]
    return jnp.fft.irfft2(jnp.fft.rfft2(images) * transfer, shape)


def convolve_float32(images: jax.Array, transfer: jax.Array) -> jax.Array:
    """The same in single precision, good for the columns of a Jacobian that only chooses a step."""
    return convolve(images.astype(jnp.float32), transfer.astype(jnp.complex64))
