"""Brightness of a model over a grid, with derivatives taken at the sub-pixel.

The formula of one point is traced once and cut in two: what depends on the parameters alone (a few dozen
coefficients) and what varies over the sky. Value and derivatives of the second part are summed over the
sub-pixels block by block, with no tape; the chain rule back to the parameters comes after the sum and is
JAX's own. Hence `jax.grad`, `jax.jacfwd` and `jax.linearize` of anything built on `surface` are fast.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from lensfit.grid import Grid

Formula = Callable[[Any, Any, Any], Any]  # (arguments, x, y) -> brightness, or a tuple of them


def surface(formula: Formula, arguments: Any, grid: Grid) -> jax.Array:
    """Image (H, W) of the mean over sub-pixels of formula(arguments, x, y), a scalar at one point."""
    coefficients, local = split(formula, arguments, grid.x.dtype)
    return _mean(lambda c, x, y: local(c, x, y)[0])(coefficients, grid)


def surfaces(formula: Formula, arguments: Any, grid: Grid) -> jax.Array:
    """Images (K, H, W) of a formula with K values; carries no derivative."""
    coefficients, local = split(formula, arguments, grid.x.dtype)
    coefficients = [lax.stop_gradient(c) for c in coefficients]
    if not jax.eval_shape(lambda c, x, y: local(c, x, y), coefficients, *[jax.ShapeDtypeStruct((), grid.x.dtype)] * 2):
        return jnp.zeros((0, *grid.shape), grid.x.dtype)
    return grid.to_image(_sum_blocks(lambda x, y: local(coefficients, x, y), grid))


def split(formula: Formula, arguments: Any, dtype: Any) -> tuple[list[jax.Array], Callable[..., list[Any]]]:
    """The coefficients of a formula (all that depends on its arguments alone), and the rest as a function.

    The rest, local(coefficients, x, y), gives the list of the formula's values at one point.
    """
    leaves, treedef = jax.tree.flatten(arguments)
    point = jax.ShapeDtypeStruct((), dtype)
    closed = jax.make_jaxpr(lambda leaves, x, y: formula(treedef.unflatten(leaves), x, y))(leaves, point, point)
    jaxpr = closed.jaxpr
    varying = set(jaxpr.invars[len(leaves) :])
    here, early = [], []
    for equation in jaxpr.eqns:
        varies = any(not isinstance(v, Literal) and v in varying for v in equation.invars)
        (here if varies else early).append(equation)
        if varies:
            varying.update(equation.outvars)
    given = {v for e in early for v in e.outvars} | set(jaxpr.invars[: len(leaves)])
    used = [v for e in here for v in e.invars if not isinstance(v, Literal)]
    used += [v for v in jaxpr.outvars if not isinstance(v, Literal)]
    edge = list(dict.fromkeys(v for v in used if v in given))
    info = jaxpr.debug_info.with_unknown_names()
    first = jaxpr.replace(invars=jaxpr.invars[: len(leaves)], outvars=edge, eqns=early, debug_info=info)
    second = jaxpr.replace(invars=edge + jaxpr.invars[len(leaves) :], eqns=here, debug_info=info)
    coefficients = jaxpr_as_fun(ClosedJaxpr(first, closed.consts))(*leaves)
    rest = jaxpr_as_fun(ClosedJaxpr(second, closed.consts))
    return coefficients, lambda c, x, y: rest(*c, x, y)


def _mean(local: Callable[..., Any]) -> Callable[..., jax.Array]:
    """Image of local(coefficients, x, y) as a function of (coefficients, grid) with its own derivative."""

    @jax.custom_jvp
    def mean(coefficients: list[jax.Array], grid: Grid) -> jax.Array:
        return grid.to_image(_sum_blocks(lambda x, y: [local(coefficients, x, y)], grid)[0])

    def derivative(primals: Any, tangents: Any) -> Any:
        coefficients, grid = primals
        moving = [k for k, t in enumerate(tangents[0]) if not isinstance(t, SymbolicZero)]

        def at_point(x: jax.Array, y: jax.Array) -> list[Any]:
            def moved(some: list[jax.Array]) -> Any:
                every = list(coefficients)
                for k, value in zip(moving, some, strict=True):
                    every[k] = value
                return local(every, x, y)

            value, slope = jax.value_and_grad(moved)([coefficients[k] for k in moving])
            return [value, *(part for s in slope for part in ([s] if s.ndim == 0 else s.ravel()))]

        images = grid.to_image(_sum_blocks(at_point, grid))
        if not moving:
            return images[0], jnp.zeros_like(images[0])
        tangent = jnp.concatenate([jnp.ravel(tangents[0][k]) for k in moving])
        return images[0], jnp.tensordot(tangent, images[1:], 1)

    mean.defjvp(derivative, symbolic_zeros=True)
    return mean


def _sum_blocks(at_point: Callable[..., Any], grid: Grid) -> jax.Array:
    """Means over sub-pixels of the K values of at_point(x, y), block by block: (K, B, BLOCK)."""
    at = jax.vmap(at_point)
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

    return lax.fori_loop(0, grid.used, block, jnp.zeros((count, blocks, size), grid.x.dtype))
