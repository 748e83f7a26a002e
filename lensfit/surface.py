"""Brightness of a model over a grid, with derivatives taken at the sub-pixel.

The formula of one point is traced once and cut: what depends on the parameters alone (a few dozen
coefficients) from what varies over the sky, and that into the terms of its sum. Value and derivatives of
each term are summed over the sub-pixels block by block, with no tape; the chain rule back to the parameters
comes after the sum and is JAX's own. Hence `jax.grad`, `jax.jacfwd` and `jax.linearize` of anything built on
`surface` are fast. On a CPU the sums are made by native kernels (`lensfit.native`), elsewhere by XLA.
"""
from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lensfit import native
from lensfit.formula import Formula, Local, Part, parts, split
from lensfit.grid import Grid

AtPoint = Callable[[list[Any], Any, Any], list[Any]]  # (coefficients, x, y) -> values, all of one point


def surface(formula: Formula, arguments: Any, grid: Grid) -> jax.Array:
    """Image (H, W) of the mean over sub-pixels of formula(arguments, x, y), a scalar at one point."""
    coefficients, local = split(formula, arguments, grid.x.dtype)
    image = jnp.zeros(grid.shape, grid.x.dtype)
    for part in parts(local):
        own = [coefficients[k] for k in part.uses]
        factors = [_product(share.factors, coefficients) for share in part.shares]
        if len(part.shares) == 1:
            image = image + factors[0] * _mean(part.local)(own, grid)
        else:
            image = image + _mean(_weighted(part))(own + factors, grid)
    return image


def surfaces(formula: Formula, arguments: Any, grid: Grid) -> jax.Array:
    """Images (K, H, W) of a formula with K values; carries no derivative."""
    coefficients, local = split(formula, arguments, grid.x.dtype)
    coefficients = [lax.stop_gradient(c) for c in coefficients]
    images = [jnp.zeros(grid.shape, grid.x.dtype)] * len(local.closed.jaxpr.outvars)
    for part in parts(local):
        values = _sums(part.local, [coefficients[k] for k in part.uses], grid)
        for share in part.shares:
            term = _product(share.factors, coefficients) * values[share.value]
            images[share.output] = images[share.output] + term
    return jnp.stack(images) if images else jnp.zeros((0, *grid.shape), grid.x.dtype)


def _product(factors: tuple[int | float, ...], coefficients: list[jax.Array]) -> Any:
    return prod((coefficients[f] if isinstance(f, int) else f for f in factors), start=1.0)


def _weighted(part: Part) -> AtPoint:
    """The sum of a part's terms as one value, their factors given after the coefficients."""
    count = len(part.uses)

    def total(coefficients: list[Any], x: Any, y: Any) -> list[Any]:
        values = part.local(coefficients[:count], x, y)
        weights = coefficients[count:]
        terms = [weight * values[share.value] for weight, share in zip(weights, part.shares, strict=True)]
        return [sum(terms[1:], terms[0])]

    return total


def _mean(local: AtPoint) -> Callable[..., jax.Array]:
    """Image of the value of local(coefficients, x, y), a function of (coefficients, grid) with its derivative."""

    @jax.custom_jvp
    def mean(coefficients: list[jax.Array], grid: Grid) -> jax.Array:
        return _sums(local, coefficients, grid)[0]

    def derivative(primals: Any, tangents: Any) -> Any:
        coefficients, grid = primals
        moving = [k for k, t in enumerate(tangents[0]) if not isinstance(t, SymbolicZero)]
        images = _sums(_with_slopes(local, moving), coefficients, grid)
        if not moving:
            return images[0], jnp.zeros_like(images[0])
        # a zero for the value: a slice of the images would be a copy of them
        tangent = jnp.concatenate([jnp.zeros(1, grid.x.dtype), *(jnp.ravel(tangents[0][k]) for k in moving)])
        return images[0], _combined(images, tangent)

    mean.defjvp(derivative, symbolic_zeros=True)
    return mean


def _combined(images: jax.Array, tangent: jax.Array) -> jax.Array:
    """Sum of images (K, H, W) times tangent (K,). In this order of the factors XLA transposes no images for `grad`."""
    flat = images.reshape(len(images), -1)
    return lax.dot_general(flat, tangent, (((0,), (0,)), ((), ()))).reshape(images.shape[1:])


def _with_slopes(local: AtPoint, moving: list[int]) -> AtPoint:
    """The value of local and its derivatives by the entries of the moving coefficients."""

    def at_point(coefficients: list[Any], x: Any, y: Any) -> list[Any]:
        def moved(some: list[Any]) -> Any:
            every = list(coefficients)
            for k, value in zip(moving, some, strict=True):
                every[k] = value
            return local(every, x, y)[0]

        value, slope = jax.value_and_grad(moved)([coefficients[k] for k in moving])
        return [value, *(part for s in slope for part in ([s] if s.ndim == 0 else s.ravel()))]

    return at_point


def _sums(at_point: AtPoint, coefficients: list[jax.Array], grid: Grid) -> jax.Array:
    """Images (K, H, W): means over the sub-pixels of the K values of at_point(coefficients, x, y)."""
    by_xla = lambda c, g: _sums_by_xla(at_point, c, g)  # noqa: E731
    kernel = _kernel(at_point, coefficients, grid)
    if kernel is None:
        return by_xla(coefficients, grid)

    @jax.custom_jvp
    def images(coefficients: list[jax.Array], grid: Grid) -> jax.Array:
        stacked = jnp.stack(coefficients) if coefficients else jnp.zeros(0, grid.x.dtype)
        return native.means(
            kernel, stacked, grid.x, grid.y, grid.oversampling, grid.used, grid.pixel_scale, grid.gather
        )

    @images.defjvp
    def _(primals: Any, tangents: Any) -> Any:  # second derivatives: rare, hence by XLA alone
        return jax.jvp(by_xla, primals, tangents)

    return images(coefficients, grid)


def _kernel(at_point: AtPoint, coefficients: list[jax.Array], grid: Grid) -> native.Means | None:
    """The native kernel that makes the sums; None where XLA has to."""
    if grid.x.dtype != jnp.float64 or not native.uses_kernels(grid.engine):
        return None
    point = jax.ShapeDtypeStruct((), grid.x.dtype)
    closed = at_point.closed if isinstance(at_point, Local) else None
    try:
        for c in coefficients:
            if jnp.shape(c) != () or jnp.result_type(c) != jnp.float64:
                raise native.Unprintable(f"a coefficient of type {jnp.result_type(c)} and shape {jnp.shape(c)}")
        return native.means_kernel(closed or jax.make_jaxpr(at_point)([point] * len(coefficients), point, point))
    except native.Unprintable as reason:
        native.say_once(
            f"a profile of the model goes by XLA alone, several times more slowly: {reason} in its formula has no "
            "native form. Write the formula of one point with float64 numbers, elementary functions and jnp.where, "
            "without loops, arrays or complex numbers"
        )
        return None


def _sums_by_xla(at_point: AtPoint, coefficients: list[jax.Array], grid: Grid) -> jax.Array:
    """The same sums as loops over blocks of pixels and their sub-pixels."""
    at = jax.vmap(lambda x, y: at_point(coefficients, x, y))
    blocks, size = grid.x.shape
    point = jax.ShapeDtypeStruct((size,), grid.x.dtype)
    count = len(jax.eval_shape(at, point, point))
    zero = [jnp.zeros(size, grid.x.dtype)] * count

    def block(b: jax.Array, out: jax.Array) -> jax.Array:
        x, y, n = grid.x[b], grid.y[b], grid.oversampling[b]
        step = grid.pixel_scale / n

        def sub_pixel(k: jax.Array, total: list[jax.Array]) -> list[jax.Array]:
            ox = ((k % n) + 0.5) * step - 0.5 * grid.pixel_scale
            oy = ((k // n) + 0.5) * step - 0.5 * grid.pixel_scale
            return [t + v for t, v in zip(total, at(x + ox, y + oy), strict=True)]

        total = lax.fori_loop(0, n * n, sub_pixel, zero)
        return lax.dynamic_update_index_in_dim(out, jnp.stack(total) * (1.0 / (n * n)), b, 1)

    sums = lax.fori_loop(0, grid.used, block, jnp.zeros((count, blocks, size), grid.x.dtype))
    return grid.to_image(sums)
