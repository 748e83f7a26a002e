"""The arrays that XLA hands to a kernel: of buffers, as `lensfit.native.frame` gives them."""
from __future__ import annotations

from numba import carray, njit  # pyright: ignore[reportPrivateImportUsage]

from lensfit.native.frame import float64, int32, int64

_helper = njit(error_model="numpy")


@_helper
def _size(buffer, axis):
    return int64(buffer[5])[axis]


@_helper
def as_vector(buffer):
    """(n,) float64."""
    return carray(float64(buffer[3]), (_size(buffer, 0),))


@_helper
def as_matrix(buffer):
    """(n, m) float64."""
    return carray(float64(buffer[3]), (_size(buffer, 0), _size(buffer, 1)))


@_helper
def as_tables(buffer):
    """(k, n, m) float64."""
    return carray(float64(buffer[3]), (_size(buffer, 0), _size(buffer, 1), _size(buffer, 2)))


@_helper
def as_whole(buffer):
    """(n,) int32."""
    return carray(int32(buffer[3]), (_size(buffer, 0),))


@_helper
def as_whole_matrix(buffer):
    """(n, m) int32."""
    return carray(int32(buffer[3]), (_size(buffer, 0), _size(buffer, 1)))
