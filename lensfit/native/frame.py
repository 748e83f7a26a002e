"""XLA's FFI call frame (xla/ffi/api/c_api.h): as a handler written in numba reads it, and as Python makes one.

Every struct of that interface starts with its size, and every field used here is a word of 8 bytes. A frame
whose sizes are not those that the offsets below belong to is left alone: the test at start-up then finds its
result missing.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

_inline = njit(forceinline=True)

METADATA = 1
"""Type of the extension by which XLA asks a handler for the version that it was written for."""
ARGUMENTS, RESULTS, WORDS = 5, 10, 22
"""Words of the frame at which the structs of the arguments and of the results start, and all of its words."""
LIST_BYTES, BUFFER_BYTES = 40, 48
"""Sizes of such a struct (size, extension, count, types, pointers) and of a buffer (..., data, rank, dims)."""


def _pointer_to(kind: Any) -> Any:
    target = types.CPointer(kind)

    @intrinsic
    def pointer(typing: Any, address: Any) -> Any:
        return target(types.int64), lambda c, b, s, a: b.inttoptr(a[0], c.get_value_type(target))

    return pointer


int64, int32, float64 = (_pointer_to(kind) for kind in (types.int64, types.int32, types.float64))


@_inline
def argument(frame: Any, k: int) -> Any:
    """Words of the k-th argument's buffer: 3 is the address of its data, 5 that of its shape."""
    return int64(int64(frame[ARGUMENTS + 4])[k])


@_inline
def result(frame: Any, k: int) -> Any:
    """Words of the k-th result's buffer."""
    return int64(int64(frame[RESULTS + 4])[k])


@_inline
def understood(frame: Any, arguments: int, results: int) -> bool:
    """Whether the frame is a call with so many arguments and results, built as this module reads it.

    One that only asks for a version is answered with the version of the caller itself.
    """
    if frame[1] != 0:
        extension = int64(frame[1])
        if (extension[1] & 0xFFFFFFFF) == METADATA:
            metadata, api = int64(extension[3]), int64(frame[2])
            metadata[3] = api[4]
            return False
    if frame[ARGUMENTS] != LIST_BYTES or frame[RESULTS] != LIST_BYTES:
        return False
    if frame[ARGUMENTS + 2] != arguments or frame[RESULTS + 2] != results:
        return False
    return argument(frame, 0)[0] == BUFFER_BYTES and result(frame, 0)[0] == BUFFER_BYTES


def make_frame(arguments: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> tuple[int, Any]:
    """Address of a frame that calls a handler on C-contiguous arrays, and what has to live as long as it does."""
    frame = np.zeros(WORDS, np.int64)
    alive: list[Any] = [frame]
    for start, arrays in ((ARGUMENTS, arguments), (RESULTS, results)):
        shapes = [np.array(a.shape, np.int64) for a in arrays]
        buffers = [
            np.array([BUFFER_BYTES, 0, 0, a.ctypes.data, a.ndim, s.ctypes.data], np.int64)
            for a, s in zip(arrays, shapes, strict=True)
        ]
        pointers = np.array([b.ctypes.data for b in buffers], np.int64)
        frame[start : start + 5] = LIST_BYTES, 0, len(arrays), 0, pointers.ctypes.data
        alive += [shapes, buffers, pointers]
    return frame.ctypes.data, alive
