"""A numba kernel called from JAX, also under jit."""
from __future__ import annotations

import importlib
from typing import Any

import jax
import numpy as np


def call(kernel: str, shape: tuple[int, ...], *arrays: jax.Array) -> jax.Array:
    """What a kernel of `_toeplitz`, by its name, writes into its last argument: a float64 array of that shape."""

    def run(*given: Any) -> np.ndarray:
        out = np.empty(shape)
        compiled = getattr(importlib.import_module("lensfit.inversion._toeplitz"), kernel)
        compiled(*(np.ascontiguousarray(array) for array in given), out)
        return out

    return jax.pure_callback(run, jax.ShapeDtypeStruct(shape, np.float64), *arrays, vmap_method="sequential")
