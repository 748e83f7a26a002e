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
from lensfit.inversion.mesh import by_xla
from lensfit.inversion.rays import Rays
from lensfit.inversion.routes import on_cpu


def normal(
    rays: Rays, u: jax.Array, v: jax.Array, columns: jax.Array, target: jax.Array, mesh: tuple[int, int], engine: str
) -> tuple[jax.Array, jax.Array]:
    """F (N, N) and D (N,) of rays at mesh positions (u, v), (E, Q) each; columns (K, M) and target (M,) whitened.

    `mesh` is (pixels, order of the spline). Differentiable by reverse mode in u, v, columns and target; by the
    engine "native" nothing of size N x M is kept.
    """
    return _normal(mesh, engine, rays, u, v, columns, target)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _normal(
    mesh: tuple[int, int], engine: str, rays: Rays, u: jax.Array, v: jax.Array, columns: jax.Array, target: jax.Array
) -> Any:
    size = mesh[0] ** 2 + len(columns)
    result = jax.ShapeDtypeStruct((size, size), target.dtype), jax.ShapeDtypeStruct((size,), target.dtype)
    native = lambda *given: tuple(call("_tile_handlers.normal", result, *_flat(rays, mesh, *given)))  # noqa: E731

    def plain(u: jax.Array, v: jax.Array, columns: jax.Array, target: jax.Array) -> Any:
        return _images.normal(rays, *by_xla(*mesh, u, v), columns, target, mesh[0] ** 2)

    return on_cpu(engine, native, plain, u, v, columns, target)


def _flat(rays: Rays, mesh: tuple[int, int], u: Any, v: Any, columns: Any, target: Any) -> tuple[Any, ...]:
    sizes = np.array(rays.shape, np.int32), np.array(mesh, np.int32)
    return u, v, rays.pixels, rays.seen, rays.inverse_noise, rays.psf, columns, target, *sizes


def _forward(mesh: tuple[int, int], engine: str, *given: Any) -> Any:
    return _normal(mesh, engine, *given), given


def _backward(mesh: tuple[int, int], engine: str, kept: Any, cotangents: Any) -> Any:
    rays, *given = kept
    result = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in given)

    def native(*arrays: jax.Array) -> Any:
        return tuple(call("_tile_handlers.normal_back", result, *_flat(rays, mesh, *arrays[:4]), *arrays[4:]))

    def plain(u: jax.Array, v: jax.Array, *others: jax.Array) -> Any:
        weights, back = jax.vjp(lambda u, v: by_xla(*mesh, u, v)[1], u, v)
        bars = _images.normal_back(rays, by_xla(*mesh, u, v)[0], weights, *others)
        return *back(bars[0]), *bars[1:]

    toward_f, toward_d = cotangents
    return None, *on_cpu(engine, native, plain, *given, toward_f + toward_f.T, toward_d)


_normal.defvjp(_forward, _backward)
