"""The curvature matrix F = T^T w_tilde T of a pixelised source seen by an interferometer."""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lensfit.errors import ModelError
from lensfit.inversion import _blocks
from lensfit.inversion._door import call
from lensfit.inversion.mapping import MappingMatrix
from lensfit.inversion.routes import MEMORY, Plan, plan

_PRODUCTS = {"fft": _blocks.fft_product, "dense": _blocks.dense_product}


def curvature(
    mapping: MappingMatrix,
    w_compact: jax.Array,
    h_compact: jax.Array | None = None,
    *,
    route: str | None = None,
    memory: float = MEMORY,
) -> jax.Array:
    """F (S, S) = T^T w_tilde T (Warren & Dye 2003), from the distinct values of w_tilde.

    Differentiable with respect to the weights of T by reverse mode; the derivative keeps nothing of size M x S.

    Args:
        w_compact: (2 Ny - 1, 2 Nx - 1), w_tilde at the offset (i, j) of two pixels in [j + Ny - 1, i + Nx - 1].
        h_compact: the same shape, for unequal noise: the term of two pixels whose rows add up to j and whose
            columns add up to i, in [j, i].
        route: "toeplitz" (numba, one core), "fft" or "dense" (JAX, any device); None chooses. All give one
            result, to rounding.
        memory: bytes that a route may use beside F.

    Raises:
        ModelError: a table of another shape, single precision, no such route, or one that needs more memory.
    """
    tables = jnp.stack([jnp.asarray(table) for table in (w_compact, h_compact) if table is not None])
    wanted = (2 * mapping.shape[0] - 1, 2 * mapping.shape[1] - 1)
    if tables.shape[1:] != wanted:
        raise ModelError(
            f"w_compact has shape {tables.shape[1:]}; for an image {mapping.shape} it is {wanted}, every offset"
        )
    if {tables.dtype.name, mapping.weights.dtype.name} != {"float64"}:
        raise ModelError(
            "F is a sum in which large numbers cancel: it needs float64. "
            'Call jax.config.update("jax_enable_x64", True) before the first array is made'
        )
    made = plan(mapping, route, memory)
    return _curvature(made, tables, mapping.indices, mapping.weights, mapping.pixels)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _curvature(
    made: Plan, tables: jax.Array, indices: jax.Array, weights: jax.Array, pixels: jax.Array
) -> jax.Array:
    value = {name: partial(_value, name, made) for name in {made.cpu, made.elsewhere}}
    return _on_device(made, value, tables, indices, weights, pixels)


def _forward(made: Plan, tables: Any, indices: Any, weights: Any, pixels: Any) -> Any:
    if tables.perturbed:
        raise ModelError("F has no derivative with respect to w_compact: it belongs to the data")
    given = tables.value, indices.value, weights.value, pixels.value
    return _curvature(made, *given), given


def _backward(made: Plan, given: Any, cotangent: jax.Array) -> Any:
    derivative = {name: partial(_derivative, name, made) for name in {made.cpu, made.elsewhere}}
    symmetric = cotangent + cotangent.T
    return None, None, _on_device(made, derivative, *given, symmetric), None


_curvature.defvjp(_forward, _backward, symbolic_zeros=True)


def _on_device(made: Plan, functions: dict[str, Any], *arrays: jax.Array) -> jax.Array:
    """The function that the plan chose for the device on which the program will run."""
    if made.cpu == made.elsewhere:
        return functions[made.cpu](*arrays)
    return lax.platform_dependent(*arrays, cpu=functions[made.cpu], default=functions[made.elsewhere])


def _value(
    route: str, made: Plan, tables: jax.Array, indices: jax.Array, weights: jax.Array, pixels: jax.Array
) -> jax.Array:
    if route == "toeplitz":
        result = jax.ShapeDtypeStruct((made.sources, made.sources), weights.dtype)
        return call("_handlers.curvature", result, tables, indices, weights, pixels)
    product = _PRODUCTS[route](tables, pixels)
    return _blocks.curvature(product, indices, weights, pixels, made.shape, made.sources, made.block)


def _derivative(
    route: str, made: Plan, tables: jax.Array, indices: jax.Array, weights: jax.Array, pixels: jax.Array,
    symmetric: jax.Array,
) -> jax.Array:
    if route == "toeplitz":
        result = jax.ShapeDtypeStruct(weights.shape, weights.dtype)
        return call("_handlers.derivative", result, tables, indices, weights, pixels, symmetric)
    product = _PRODUCTS[route](tables, pixels)
    return _blocks.derivative(product, indices, weights, pixels, made.shape, symmetric, made.block)
