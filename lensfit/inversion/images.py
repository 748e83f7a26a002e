"""F and D of a pixelised source seen through a PSF, differentiable: native tiles on a CPU, FFTs elsewhere.

B (N, M) are the whitened images of unit coefficients: P T of the S source pixels, then K columns of light.
F = B B^T and D = B d for the whitened data d (Warren & Dye 2003).
"""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from lensfit.inversion import _images
from lensfit.inversion._door import call
from lensfit.inversion.rays import Rays
from lensfit.inversion.routes import on_cpu


def normal(
    rays: Rays, indices: jax.Array, weights: jax.Array, columns: jax.Array, target: jax.Array, sources: int, engine: str
) -> tuple[jax.Array, jax.Array]:
    """F (N, N) and D (N,) of T's indices and weights (E, B); columns (K, M) and target (M,) are whitened.

    Differentiable by reverse mode in weights, columns and target; nothing of size N x M is kept by "native".
    """
    return _normal(sources, engine, rays, indices, weights, columns, target)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _normal(
    sources: int, engine: str, rays: Rays, indices: jax.Array, weights: jax.Array, columns: jax.Array,
    target: jax.Array,
) -> Any:
    size = sources + len(columns)
    result = jax.ShapeDtypeStruct((size, size), target.dtype), jax.ShapeDtypeStruct((size,), target.dtype)
    native = lambda *given: tuple(call("_tile_handlers.normal", result, *_flat(rays, *given)))  # noqa: E731
    plain = lambda i, w, c, t: _images.normal(rays, i, w, c, t, sources)  # noqa: E731
    return on_cpu(engine, native, plain, indices, weights, columns, target)


def _flat(rays: Rays, indices: Any, weights: Any, columns: Any, target: Any) -> tuple[Any, ...]:
    shape = np.array(rays.shape, np.int32)
    return indices, weights, rays.pixels, rays.seen, rays.inverse_noise, rays.psf, columns, target, shape


def _forward(sources: int, engine: str, *given: Any) -> Any:
    return _normal(sources, engine, *given), given


def _backward(sources: int, engine: str, kept: Any, cotangents: Any) -> Any:
    rays, *given = kept
    result = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in given[1:])

    def native(*arrays: jax.Array) -> Any:
        return tuple(call("_tile_handlers.normal_back", result, *_flat(rays, *arrays[:4]), *arrays[4:]))

    plain = lambda *arrays: _images.normal_back(rays, *arrays)  # noqa: E731
    toward_f, toward_d = cotangents
    bars = on_cpu(engine, native, plain, *given, toward_f + toward_f.T, toward_d)
    return None, None, *bars


_normal.defvjp(_forward, _backward)
