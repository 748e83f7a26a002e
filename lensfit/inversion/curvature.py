"""The curvature matrix F = T^T w_tilde T of a pixelised source seen by an interferometer, by one of three routes.

"toeplitz" goes by native kernels on one core. "fft" and "dense" are plain JAX, some columns of T at a time: nothing
of size M x S is kept, a block of columns T_s gives X = w_tilde T_s (M, block), and X the columns T^T X of F, or
sum_s X[m, s] C[indices[m, b], s] of the derivative.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax
from scipy.fft import next_fast_len

from lensfit.errors import ModelError
from lensfit.inversion.mapping import MappingMatrix
from lensfit.native import named_kernel, trouble, uses_kernels

KERNELS = "lensfit.inversion.toeplitz_kernels"
ROUTES = ("toeplitz", "fft", "dense")
MEMORY = 2.0**30
"""Bytes that a route may use beside F."""
MOST_COLUMNS = 64
"""Columns of w_tilde T that go together by FFT or with a dense w_tilde; more are no faster."""
GATHER_RATE, FFT_RATE, ENTRY_RATE = 3e10, 3e9, 2.5e8
"""One core, per second: numbers of w_compact added up; n log2(n) of transforms of n numbers; entries of T met."""

Product = Callable[[jax.Array], jax.Array]
"""Columns of T as images (block, Ny, Nx) -> the same columns of w_tilde T at every pixel, (block, Ny, Nx)."""


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
        return named_kernel(KERNELS, "curvature_call")(result, tables, indices, weights, pixels)
    product = _PRODUCTS[route](tables, pixels)
    return curvature_by_columns(product, indices, weights, pixels, made.shape, made.sources, made.block)


def _derivative(
    route: str, made: Plan, tables: jax.Array, indices: jax.Array, weights: jax.Array, pixels: jax.Array,
    symmetric: jax.Array,
) -> jax.Array:
    if route == "toeplitz":
        result = jax.ShapeDtypeStruct(weights.shape, weights.dtype)
        return named_kernel(KERNELS, "derivative_call")(result, tables, indices, weights, pixels, symmetric)
    product = _PRODUCTS[route](tables, pixels)
    return derivative_by_columns(product, indices, weights, pixels, made.shape, symmetric, made.block)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The routes on a CPU and on any other device, and how many columns of T go together in JAX."""

    cpu: str
    elsewhere: str
    block: int
    sources: int
    shape: tuple[int, int]


def plan(mapping: MappingMatrix, route: str | None = None, memory: float = MEMORY) -> Plan:
    """The plan for a mapping matrix; `route` names one for every device, None takes the quickest that fits.

    Raises:
        ModelError: there is no such route, or the one that is named needs more than `memory` bytes.
    """
    need = {name: bytes_needed(mapping, name) for name in ROUTES}
    if route is not None and route not in ROUTES:
        raise ModelError(f"there is no route {route!r} to F; there are {', '.join(ROUTES)}")
    if route == "toeplitz" and not uses_kernels("native"):
        raise ModelError(f"route 'toeplitz' needs native kernels: {trouble()}; leave the route out")
    if route is not None and need[route] > memory:
        raise ModelError(
            f"route {route!r} needs {need[route] / 2**30:.2g} GiB for M = {len(mapping.pixels)} and "
            f"S = {mapping.source_pixels}; leave the route out, or allow more than memory = {memory / 2**30:.2g} GiB"
        )
    others = ("dense", "fft") if need["dense"] <= memory else ("fft",)
    chosen = {"cpu": route or _quicker_on_one_core(mapping), "elsewhere": route or others[0]}
    spare = memory - (need["dense"] if "dense" in chosen.values() else 0.0)
    block = max(1, min(MOST_COLUMNS, mapping.source_pixels, int(spare / _bytes_per_column(mapping))))
    return Plan(**chosen, block=block, sources=mapping.source_pixels, shape=mapping.shape)


def bytes_needed(mapping: MappingMatrix, route: str) -> float:
    """The least bytes beside F that a route needs."""
    count, entries = mapping.shape[0] * mapping.shape[1], mapping.weights.size
    if route == "toeplitz":
        return 8.0 * (12 * count + 10 * entries + 16 * mapping.source_pixels)
    matrix = 8.0 * len(mapping.pixels) ** 2 if route == "dense" else 0.0
    return matrix + _bytes_per_column(mapping)


def seconds_on_one_core(mapping: MappingMatrix, route: str) -> float:
    """What F by "toeplitz" or "fft" takes on one core, roughly: only their ratio is used."""
    count, sources = mapping.shape[0] * mapping.shape[1], mapping.source_pixels
    if route == "toeplitz":
        return mapping.weights.size * (count + sources) / 2 / GATHER_RATE
    box = math.prod(fft_shape(mapping.shape))
    return sources * (2 * box * math.log2(box) / FFT_RATE + mapping.weights.size / ENTRY_RATE)


def _quicker_on_one_core(mapping: MappingMatrix) -> str:
    if not uses_kernels("native"):
        return "fft"
    return min(("toeplitz", "fft"), key=lambda route: seconds_on_one_core(mapping, route))


def _bytes_per_column(mapping: MappingMatrix) -> float:
    """Images, transforms and products with the entries of T that one column needs while it is worked on."""
    return 8.0 * (6 * math.prod(fft_shape(mapping.shape)) + 2 * mapping.weights.size + 2 * mapping.source_pixels)


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


def curvature_by_columns(
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


def derivative_by_columns(
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


_PRODUCTS = {"fft": fft_product, "dense": dense_product}
