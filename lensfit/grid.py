"""The points at which a model is evaluated: pixels in blocks, each block with its own oversampling."""
from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from scipy.fft import next_fast_len
from scipy.ndimage import binary_dilation, gaussian_filter, gaussian_laplace, maximum_filter

from lensfit.datasets import Imaging
from lensfit.native import Engine
from lensfit.pytree import pytree, replace, static

BLOCK = 1024
LEVELS = (1, 2, 4, 8)
"""Sub-pixels per pixel and axis that an adaptive grid may use."""
SIDES = (16, 24, 32, 40, 48, 64, 80, 96, 108, 128, 160, 192, 225, 256, 288, 320, 360, 400, 450, 512, 576, 640, 720, 800)
"""Sides of the boxes that images are put into [pixels]: FFTs like them, and few serve the lenses of any survey, which
share their compiled programs. What lies beside the pixels that need light costs the FFTs alone."""
SMOOTHING = 1.5
"""Of the data before their curvature is read, for an adaptive grid [pixels]."""
TOLERANCE = 0.008
"""Largest error of a pixel's mean that is left, in units of its noise: chi2 is then good to less than 1."""


@pytree
class Grid:
    """Blocks of pixels (B, BLOCK) with `oversampling` (B,) sub-pixels per axis, of which `used` are real.

    `gather` (H, W) says where each pixel of the image stands in the flattened blocks; -1: not evaluated, zero.
    `corner` (2,) is the position (x, y) of pixel (0, 0) of the image [arcsec].
    `engine` sums over the sub-pixels: native kernels where they can, or XLA alone.
    """

    x: jax.Array
    y: jax.Array
    oversampling: jax.Array
    used: jax.Array
    pixel_scale: jax.Array
    gather: jax.Array
    corner: jax.Array
    shape: tuple[int, int] = static()
    engine: Engine = static(default="native")

    def to_image(self, values: jax.Array) -> jax.Array:
        """(..., B, BLOCK) -> (..., H, W)."""
        flat = values.reshape(*values.shape[:-2], -1)
        flat = jnp.concatenate([flat, jnp.zeros((*flat.shape[:-1], 1), flat.dtype)], -1)
        return flat[..., self.gather]

    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """x, y (H, W) of the pixel centres of the image [arcsec]."""
        height, width = self.shape
        x, y = np.asarray(self.corner)[:, None] + float(self.pixel_scale) * np.arange(max(self.shape))
        across, up = np.meshgrid(x[:width], y[:height])
        return across, up

    def capped(self, most: int) -> Grid:
        """The same with at most so many sub-pixels per axis: faster, less accurate, no new compilation."""
        gather = np.asarray(self.gather)
        levels = np.asarray(self.oversampling)[gather // self.x.shape[1]]
        levels = np.where(gather < 0, 0, np.minimum(levels, most))
        return replace(make_grid(*self.coordinates(), levels, float(self.pixel_scale)), engine=self.engine)


def evaluation_box(mask: np.ndarray, reach: int) -> tuple[slice, slice, np.ndarray]:
    """Box of the unmasked pixels grown by the PSF's reach, and the pixels in it that need light.

    The box may stick out of the image: rows and columns are relative to it. Its sides are of `SIDES`.
    """
    rows, columns = np.nonzero(~mask)
    low = np.array([rows.min(), columns.min()]) - reach
    high = np.array([rows.max(), columns.max()]) + reach + 1
    size = box_size(*map(int, high - low))
    inner = np.zeros(size, bool)
    inner[rows - low[0], columns - low[1]] = True
    needed = binary_dilation(inner, np.ones((2 * reach + 1, 2 * reach + 1)))
    box = tuple(slice(int(a), int(a) + n) for a, n in zip(low, size, strict=True))
    return box[0], box[1], needed


def box_size(rows: int, columns: int) -> tuple[int, int]:
    """Sides of a box for so many pixels, of `SIDES`; one side for both axes where they are about as long."""
    steps = [int(np.searchsorted(SIDES, n)) for n in (rows, columns)]
    if max(steps) == len(SIDES):
        return cast(tuple[int, int], tuple(next_fast_len(64 * -(-n // 64), real=True) for n in (rows, columns)))
    if max(steps) - min(steps) == 1:
        steps = [max(steps)] * 2
    return SIDES[steps[0]], SIDES[steps[1]]


def cut(array: np.ndarray, box: tuple[slice, slice], fill: Any) -> np.ndarray:
    """The part of an image inside a box that may stick out of it."""
    out = np.full([s.stop - s.start for s in box], fill, array.dtype)
    inside = [slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, array.shape, strict=True)]
    target = tuple(slice(i.start - s.start, i.stop - s.start) for i, s in zip(inside, box, strict=True))
    out[target] = array[tuple(inside)]
    return out


def make_grid(x: np.ndarray, y: np.ndarray, oversampling: np.ndarray, pixel_scale: float) -> Grid:
    """Grid over an image; x, y (H, W) pixel centres [arcsec], oversampling (H, W) int, 0 = not evaluated."""
    gather = np.full(x.shape, -1, np.int32)
    xs, ys, levels = [], [], []
    for level in np.unique(oversampling[oversampling > 0]):
        index = np.flatnonzero(oversampling == level)
        count = -(-index.size // BLOCK)
        gather.ravel()[index] = len(levels) * BLOCK + np.arange(index.size)
        padded = np.concatenate([index, np.full(count * BLOCK - index.size, index[-1])])
        xs.append(x.ravel()[padded])
        ys.append(y.ravel()[padded])
        levels += [int(level)] * count
    blocks = -(-x.size // BLOCK) + len(LEVELS)  # so that every tiering of one image shape compiles once
    fill = np.zeros(max(blocks - len(levels), 0) * BLOCK)
    arrays = {
        "x": np.concatenate([*xs, fill]).reshape(-1, BLOCK),
        "y": np.concatenate([*ys, fill]).reshape(-1, BLOCK),
        "oversampling": np.array(levels + [1] * (fill.size // BLOCK), np.int32),
        "used": np.int32(len(levels)),
        "pixel_scale": np.float64(pixel_scale),
        "gather": gather,
        "corner": np.array([x[0, 0], y[0, 0]]),
    }
    return Grid(**jax.device_put(arrays), shape=(x.shape[0], x.shape[1]))


def sub_pixels_for(imaging: Imaging) -> np.ndarray:
    """Map (H, W) of sub-pixels per axis, chosen from the curvature that the data show.

    The mean over n x n sub-pixels of a smooth brightness I errs by h^2 / (24 n^2) times its Laplacian
    (midpoint rule, h the pixel). The Laplacian is read from the smoothed data; blurring by the PSF and the
    smoothing flatten it, which the tolerance allows for.
    """
    good = ~imaging.mask
    filled = np.where(good, imaging.data, np.median(imaging.data[good]))
    error = np.abs(gaussian_laplace(filled, SMOOTHING)) / 24
    noise = gaussian_filter(np.where(good, imaging.noise, np.median(imaging.noise[good])), SMOOTHING)
    error = maximum_filter(error / noise, 3)
    needed = np.sqrt(error / TOLERANCE)
    return np.asarray(LEVELS)[np.minimum(np.searchsorted(LEVELS, needed), len(LEVELS) - 1)]
