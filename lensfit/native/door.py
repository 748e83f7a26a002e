"""A generated kernel: callable on numpy arrays, and from a compiled JAX program through XLA's typed FFI."""
from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from textwrap import indent
from typing import Any

import jax
import numpy as np

from lensfit.native.store import default_folder, load, name_of

_MODULE = """\
from math import inf, nan, sqrt

import numpy as np
from numba import cfunc, types

from lensfit.native.elementary import (
    FLAGS, atan, atan2, bits_float, exp, float_bits, log, log1p, maximum, minimum, power, select, to_double,
)
from lensfit.native.frame import argument, float64, int32, int64, result, understood


@cfunc(types.int64(types.CPointer(types.int64)), cache=True, **FLAGS)
def handler(frame):
    if not understood(frame, {arguments}, {results}):
        return 0
{unpack}
{body}
    return 0
"""


@dataclasses.dataclass(frozen=True)
class Signature:
    """(name, dtype, axes) of each argument and each result of a kernel; dtype is float64, int32 or int64.

    In the kernel's body `name` is a pointer to the array's first element, `name_0`, `name_1`, ... its shape.
    """

    arguments: tuple[tuple[str, str, int], ...]
    results: tuple[tuple[str, str, int], ...]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A compiled kernel: `handler` is its C function, `target` its name in compiled JAX programs."""

    signature: Signature
    handler: Callable[[int], int]
    target: str

    def run(self, arguments: Sequence[Any], results: Sequence[np.ndarray]) -> None:
        """Fill the results, C-contiguous arrays of the signature's dtypes, from the arguments."""
        from lensfit.native.frame import make_frame

        given = [
            np.ascontiguousarray(array, dtype)
            for array, (_, dtype, _) in zip(arguments, self.signature.arguments, strict=True)
        ]
        address, alive = make_frame(given, results)
        self.handler(address)
        del alive, given  # they have lived until here

    def __call__(self, results: Any, *arguments: jax.Array) -> Any:
        """The results, of the shapes and dtypes of the tree `results`, as part of a JAX program on a CPU."""
        return jax.ffi.ffi_call(self.target, results, vmap_method="sequential")(*arguments)


def kernel_of(body: str, signature: Signature) -> Kernel:
    """The kernel whose body is given as Python lines; compiled, or loaded from the user's cache."""
    return _loaded(body, signature, default_folder())


@cache
def _loaded(body: str, signature: Signature, folder: Path) -> Kernel:
    """One kernel of each body for a process: XLA knows it by its name from then on."""
    source = module_source(body, signature)
    handler = load(source, folder).handler
    name = name_of(source)
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    target = capsule(handler.address, b"xla._CUSTOM_CALL_TARGET", None)
    jax.ffi.register_ffi_target(name, target, platform="cpu", api_version=1)
    return Kernel(signature, ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(handler.address), name)


def module_source(body: str, signature: Signature) -> str:
    """The whole module: a handler that takes the arrays out of XLA's frame and does the work."""
    lines = []
    for side, arrays in (("argument", signature.arguments), ("result", signature.results)):
        for k, (name, dtype, axes) in enumerate(arrays):
            buffer = f"{side}(frame, {k})"
            lines.append(f"{name} = {dtype}({buffer}[3])")
            lines += [f"{name}_{axis} = int64({buffer}[5])[{axis}]" for axis in range(axes)]
    return _MODULE.format(
        arguments=len(signature.arguments),
        results=len(signature.results),
        unpack=indent("\n".join(lines), "    "),
        body=indent(body, "    "),
    )
