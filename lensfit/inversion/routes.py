"""Which way F is computed: from the sizes, the non-zeros of T and a memory budget."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import lax

from lensfit.errors import ModelError
from lensfit.inversion._blocks import fft_shape
from lensfit.inversion.mapping import MappingMatrix

ROUTES = ("toeplitz", "fft", "dense")
MEMORY = 2.0**30
"""Bytes that a route may use beside F."""
MOST_COLUMNS = 64
"""Columns of w_tilde T that go together by FFT or with a dense w_tilde; more are no faster."""
GATHER_RATE, FFT_RATE, ENTRY_RATE = 3e10, 3e9, 2.5e8
"""One core, per second: numbers of w_compact added up; n log2(n) of transforms of n numbers; entries of T met."""


def on_cpu(engine: str, native: Callable[..., Any], plain: Callable[..., Any], *arrays: jax.Array) -> Any:
    """native(*arrays) where the program runs on a CPU and the engine is "native"; else plain(*arrays), of "xla"."""
    if engine == "xla":
        return plain(*arrays)
    if engine != "native":
        raise ModelError(f"there is no engine {engine!r}; there are 'native' and 'xla'")
    return lax.platform_dependent(*arrays, cpu=native, default=plain)


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
    return min(("toeplitz", "fft"), key=lambda route: seconds_on_one_core(mapping, route))


def _bytes_per_column(mapping: MappingMatrix) -> float:
    """Images, transforms and products with the entries of T that one column needs while it is worked on."""
    return 8.0 * (6 * math.prod(fft_shape(mapping.shape)) + 2 * mapping.weights.size + 2 * mapping.source_pixels)
