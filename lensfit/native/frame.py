"""The words of an XLA FFI call frame (xla/ffi/api/c_api.h), as a handler written in numba reads them.

Every struct of that interface starts with its size, and every field used here is a word of 8 bytes. A frame
whose sizes are not those that the offsets below belong to is left alone: the test at start-up then finds its
result missing.
"""
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_inline = njit(forceinline=True)

METADATA = 1
"""Type of the extension by which XLA asks a handler for the version that it was written for."""
ARGUMENTS, RESULTS = 5, 10
"""Words of the frame at which the structs of the arguments and of the results start."""
LIST_BYTES, BUFFER_BYTES = 40, 48
"""Sizes of such a struct (size, extension, count, types, pointers) and of a buffer (..., data, rank, dims)."""


def _pointer_to(kind: Any, shape: ir.Type) -> Any:
    @intrinsic
    def pointer(typing: Any, address: Any) -> Any:
        return types.CPointer(kind)(types.int64), lambda c, b, s, a: b.inttoptr(a[0], shape.as_pointer())

    return pointer


int64 = _pointer_to(types.int64, ir.IntType(64))
int32 = _pointer_to(types.int32, ir.IntType(32))
float64 = _pointer_to(types.float64, ir.DoubleType())


@_inline
def answered(frame: Any) -> bool:
    """Whether the frame only asks for a version; the answer is the version of the caller itself."""
    if frame[1] == 0:
        return False
    extension = int64(frame[1])
    if (extension[1] & 0xFFFFFFFF) != METADATA:
        return False
    metadata, api = int64(extension[3]), int64(frame[2])
    metadata[3] = api[4]
    return True


@_inline
def argument(frame: Any, k: int) -> Any:
    """Words of the k-th argument's buffer."""
    return int64(int64(frame[ARGUMENTS + 4])[k])


@_inline
def result(frame: Any, k: int) -> Any:
    """Words of the k-th result's buffer."""
    return int64(int64(frame[RESULTS + 4])[k])


@_inline
def size(buffer: Any, axis: int) -> int:
    """Length of an axis of a buffer."""
    return int64(buffer[5])[axis]


@_inline
def understood(frame: Any, arguments: int, results: int) -> bool:
    """Whether the frame is built as this module reads it, and has so many arguments and results."""
    if frame[ARGUMENTS] != LIST_BYTES or frame[RESULTS] != LIST_BYTES:
        return False
    if frame[ARGUMENTS + 2] != arguments or frame[RESULTS + 2] != results:
        return False
    return argument(frame, 0)[0] == BUFFER_BYTES and result(frame, 0)[0] == BUFFER_BYTES
