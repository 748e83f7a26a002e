"""F = T^T w_tilde T and its derivative in plain JAX, some columns of T at a time: by FFT, or with a dense w_tilde.

Nothing of size M x S is kept: a block of columns T_s gives X = w_tilde T_s (M, block), and X the columns
T^T X of F, or sum_s X[m, s] C[indices[m, b], s] of the derivative.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
from jax import lax
from scipy.fft import next_fast_len

Product = Callable[[jax.Array], jax.Array]
"""Columns of T as images (block, Ny, Nx) -> the same columns of w_tilde T at every pixel, (block, Ny, Nx)."""


def fft_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """The periodic image that holds every offset of two pixels of (Ny, Nx), with quick transforms."""
    tall, wide = (cast(int, next_fast_len(2 * n - 1, real=True)) for n in shape)
    return tall, wide


def fft_product(tables: jax.Array, pixels: jax.Array) -> Product:
    """w_tilde applied by rfft2 on twice the grid; the Hankel table meets the image turned by 180 degrees."""
    shape = _image_shape(tables)
    box = fft_shape(shape)
    padded = jnp.pad(tables, ((0, 0), (0, box[0] - tables.shape[1]), (0, box[1] - tables.shape[2])))
    kernels = jnp.fft.rfft2(jnp.roll(padded, (1 - shape[0], 1 - shape[1]), (1, 2)))

    def product(images: jax.Array) -> jax.Array:
        total = kernels[0] * jnp.fft.rfft2(images, box)
        if len(kernels) > 1:
            total += kernels[1] * jnp.fft.rfft2(images[:, ::-1, ::-1], box)
        return jnp.fft.irfft2(total, box)[:, : shape[0], : shape[1]]

    return product


def dense_product(tables: jax.Array, pixels: jax.Array) -> Product:
    """w_tilde applied as a matrix (M, M)."""
    shape = _image_shape(tables)
    matrix = dense_w_tilde(tables, pixels)

    def product(images: jax.Array) -> jax.Array:
        flat = images.reshape(len(images), -1)
        values = flat[:, pixels] @ matrix
        return jnp.zeros_like(flat).at[:, pixels].set(values).reshape(-1, *shape)

    return product


def dense_w_tilde(tables: jax.Array, pixels: jax.Array) -> jax.Array:
    """w_tilde (M, M) from its tables (1 or 2, 2 Ny - 1, 2 Nx - 1) at the pixels (M,)."""
    tall, wide = _image_shape(tables)
    y, x = jnp.divmod(pixels, wide)
    matrix = tables[0, y[:, None] - y + tall - 1, x[:, None] - x + wide - 1]
    if len(tables) > 1:
        matrix += tables[1, y[:, None] + y, x[:, None] + x]
    return matrix


def curvature(
    product: Product, indices: jax.Array, weights: jax.Array, pixels: jax.Array, shape: tuple[int, int],
    sources: int, block: int,
) -> jax.Array:
    """F (S, S)."""

    def columns(first: jax.Array) -> jax.Array:
        values = _columns(product, indices, weights, pixels, shape, first, block)
        return jnp.zeros((sources, block)).at[indices].add(weights[:, :, None] * values[:, None, :])

    made = lax.map(columns, jnp.arange(0, sources, block))
    out = jnp.moveaxis(made, 0, 1).reshape(sources, -1)[:, :sources]
    return jnp.where(_valid(indices, weights, sources), out, jnp.nan)


def derivative(
    product: Product, indices: jax.Array, weights: jax.Array, pixels: jax.Array, shape: tuple[int, int],
    symmetric: jax.Array, block: int,
) -> jax.Array:
    """sum_s (w_tilde T)[m, s] symmetric[indices[m, b], s], (M, B)."""
    sources = len(symmetric)
    firsts = jnp.arange(0, sources, block)
    padded = jnp.pad(symmetric, ((0, 0), (0, len(firsts) * block - sources)))

    def add(total: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        values = _columns(product, indices, weights, pixels, shape, first, block)
        factors = lax.dynamic_slice_in_dim(padded, first, block, axis=1)[indices]
        return total + jnp.einsum("ms,mbs->mb", values, factors), None

    out, _ = lax.scan(add, jnp.zeros(indices.shape), firsts)
    return jnp.where(_valid(indices, weights, sources), out, jnp.nan)


def _columns(
    product: Product, indices: jax.Array, weights: jax.Array, pixels: jax.Array, shape: tuple[int, int],
    first: jax.Array, block: int,
) -> jax.Array:
    """Columns first, first + 1, ... of w_tilde T, (M, block)."""
    place = jnp.where((indices >= first) & (indices < first + block), indices - first, block)
    flat = jnp.zeros((block, shape[0] * shape[1])).at[place, pixels[:, None]].add(weights, mode="drop")
    return product(flat.reshape(block, *shape)).reshape(block, -1)[:, pixels].T


def _image_shape(tables: jax.Array) -> tuple[int, int]:
    return (tables.shape[1] + 1) // 2, (tables.shape[2] + 1) // 2


def _valid(indices: jax.Array, weights: jax.Array, sources: int) -> jax.Array:
    unused = (indices == -1) & (weights == 0)
    return jnp.all(unused | ((indices >= 0) & (indices < sources)))
