"""The numba kernels of `_toeplitz`, called from a JAX program."""
from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lensfit.native.start import trouble
from lensfit.native.store import default_folder, load

_MODULE = """\
from numba import cfunc, types

from lensfit.inversion._handlers import {kernel}  # as of {digest}


@cfunc(types.int64(types.CPointer(types.int64)), error_model="numpy", cache=True)
def handler(frame):
    return {kernel}(frame)
"""
_SOURCES = ("_entries.py", "_handlers.py", "_toeplitz.py", "_vector.py")


def call(kernel: str, shape: tuple[int, ...], *arrays: jax.Array) -> jax.Array:
    """What a kernel, by its name, writes into its last argument: a float64 array of that shape.

    XLA calls it directly; where it cannot, through Python.
    """
    result = jax.ShapeDtypeStruct(shape, np.float64)
    if trouble():
        return jax.pure_callback(_through_python(kernel, shape), result, *arrays, vmap_method="sequential")
    return jax.ffi.ffi_call(_registered(kernel), result, vmap_method="sequential")(*arrays)


def _through_python(kernel: str, shape: tuple[int, ...]) -> Any:
    def run(*given: Any) -> np.ndarray:
        from lensfit.native.frame import make_frame

        out = np.empty(shape)
        arrays = [np.ascontiguousarray(array) for array in given]
        address, alive = make_frame(arrays, [out])
        _handler(kernel)(address)
        del alive  # it has lived until here
        return out

    return run


@cache
def _handler(kernel: str) -> Any:
    """The C function of a kernel, compiled once for a machine and these sources."""
    here = Path(__file__).parent
    digest = hashlib.sha256("".join((here / name).read_text() for name in _SOURCES).encode()).hexdigest()
    made = load(_MODULE.format(kernel=kernel, digest=digest), default_folder()).handler
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(made.address)


@cache
def _registered(kernel: str) -> str:
    """Name under which XLA knows a kernel, from now on in this process."""
    name = f"lensfit_{kernel}"
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(_handler(kernel)), platform="cpu")
    return name
