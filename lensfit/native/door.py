"""A generated kernel: callable on numpy arrays, and from a compiled JAX program through XLA's typed FFI."""
from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax

from lensfit.native.store import default_folder, load, name_of

_MODULE = """\
from math import ceil, floor, inf, nan, sqrt

import numpy as np
from numba import carray, cfunc, njit, types

from lensfit.native.elementary import (
    FLAGS, atan, atan2, bits_float, exp, float_bits, log, log1p, maximum, minimum, power, select, to_double,
)
from lensfit.native.frame import answered, argument, float64, int32, int64, result, size, understood


@njit(types.void({types}), cache=True, **FLAGS)
{kernel}

@cfunc(types.int64(types.CPointer(types.int64)), cache=True)
def handler(frame):
    if answered(frame) or not understood(frame, {inputs}, {outputs}):
        return 0
    kernel({arrays})
    return 0
"""


@dataclasses.dataclass(frozen=True)
class Signature:
    """dtype ("float64", "int32", "int64") and number of axes of each argument and each result of a kernel.

    The kernel takes them in this order; a scalar comes as an array (1,).
    """

    arguments: tuple[tuple[str, int], ...]
    results: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A compiled kernel: `run(*arrays)` fills its results, `target` is its name in compiled JAX programs."""

    run: Callable[..., None]
    target: str

    def __call__(self, results: Any, *arguments: jax.Array) -> Any:
        """The results, of the shapes and dtypes of the tree `results`, as part of a JAX program on a CPU."""
        return jax.ffi.ffi_call(self.target, results, vmap_method="sequential")(*arguments)


def kernel_of(source: str, signature: Signature) -> Kernel:
    """The kernel of a function `kernel` given as source; compiled, or loaded from the user's cache."""
    return _loaded(source, signature, default_folder())


@cache
def _loaded(source: str, signature: Signature, folder: Path) -> Kernel:
    """One kernel of each source for a process: XLA knows it by its name from then on."""
    text = module_source(source, signature)
    module = load(text, folder)
    name = name_of(text)
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    handler = capsule(module.handler.address, b"xla._CUSTOM_CALL_TARGET", None)
    jax.ffi.register_ffi_target(name, handler, platform="cpu", api_version=1)
    return Kernel(module.kernel, name)


def module_source(source: str, signature: Signature) -> str:
    """The whole module: the kernel compiled for its signature, and the handler that XLA calls."""
    buffers = [f"argument(frame, {k})" for k in range(len(signature.arguments))]
    buffers += [f"result(frame, {k})" for k in range(len(signature.results))]
    every = [(*spec, True) for spec in signature.arguments] + [(*spec, False) for spec in signature.results]
    arrays = [_array(b, dtype, axes) for b, (dtype, axes, _) in zip(buffers, every, strict=True)]
    return _MODULE.format(
        types=", ".join(f'types.Array(types.{d}, {max(n, 1)}, "C", readonly={r})' for d, n, r in every),
        kernel=source,
        inputs=len(signature.arguments),
        outputs=len(signature.results),
        arrays=", ".join(arrays),
    )


def _array(buffer: str, dtype: str, axes: int) -> str:
    shape = "".join(f"size({buffer}, {axis}), " for axis in range(axes)) or "1,"
    return f"carray({dtype}({buffer}[3]), ({shape}))"
