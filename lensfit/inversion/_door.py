"""The numba kernels of pixelised sources, called from a JAX program."""
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

from lensfit.inversion.{module} import {kernel}  # as of {digest}


@cfunc(types.int64(types.CPointer(types.int64)), error_model="numpy", cache=True)
def handler(frame):
    return {kernel}(frame)
"""
_SOURCES = (
    "_arrays.py", "_entries.py", "_handlers.py", "_lapack.py", "_rays.py", "_tile_handlers.py", "_tiles.py",
    "_toeplitz.py", "_vector.py",
)


def call(kernel: str, results: Any, *arrays: jax.Array | np.ndarray, in_place: bool = False) -> Any:
    """What a kernel, given as "module.name", writes: of the shapes and types of the tree `results`.

    XLA calls it directly; where it cannot, through Python. If `in_place` the first result may be written over the
    first array, of which XLA makes a copy where the program needs it later.
    """
    if trouble():
        return jax.pure_callback(_through_python(kernel, results), results, *arrays, vmap_method="sequential")
    aliases = {0: 0} if in_place else None
    made = jax.ffi.ffi_call(_registered(kernel), results, vmap_method="sequential", input_output_aliases=aliases)
    return made(*arrays)


def _through_python(kernel: str, results: Any) -> Any:
    def run(*given: Any) -> Any:
        from lensfit.native.frame import make_frame

        made = jax.tree.map(lambda r: np.empty(r.shape, r.dtype), results)
        arrays = [np.ascontiguousarray(array) for array in given]
        address, alive = make_frame(arrays, jax.tree.leaves(made))
        _handler(kernel)(address)
        del alive  # it has lived until here
        return made

    return run


@cache
def _handler(kernel: str) -> Any:
    """The C function of a kernel, compiled once for a machine and these sources."""
    here = Path(__file__).parent
    digest = hashlib.sha256("".join((here / name).read_text() for name in _SOURCES).encode()).hexdigest()
    module, name = kernel.split(".")
    made = load(_MODULE.format(module=module, kernel=name, digest=digest), default_folder()).handler
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(made.address)


@cache
def _registered(kernel: str) -> str:
    """Name under which XLA knows a kernel, from now on in this process."""
    name = "lensfit_" + kernel.replace(".", "_")
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(_handler(kernel)), platform="cpu")
    return name
