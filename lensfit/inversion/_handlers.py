"""The kernels of `_toeplitz` as XLA calls them: the arrays are taken out of its frame."""
from __future__ import annotations

from numba import carray, njit  # pyright: ignore[reportPrivateImportUsage]

from lensfit.inversion import _toeplitz
from lensfit.native.frame import argument, float64, int32, int64, result, understood

_helper = njit(error_model="numpy")


@_helper
def _size(buffer, axis):
    return int64(buffer[5])[axis]


@_helper
def _matrix(buffer):
    return carray(float64(buffer[3]), (_size(buffer, 0), _size(buffer, 1)))


@_helper
def _given(frame):
    """tables, indices, weights and pixels: what both kernels take first."""
    tables, indices, pixels = argument(frame, 0), argument(frame, 1), argument(frame, 3)
    return (
        carray(float64(tables[3]), (_size(tables, 0), _size(tables, 1), _size(tables, 2))),
        carray(int32(indices[3]), (_size(indices, 0), _size(indices, 1))),
        _matrix(argument(frame, 2)),
        carray(int32(pixels[3]), (_size(pixels, 0),)),
    )


@_helper
def curvature(frame):
    """`_toeplitz.curvature`."""
    if understood(frame, 4, 1):
        tables, indices, weights, pixels = _given(frame)
        _toeplitz.curvature(tables, indices, weights, pixels, _matrix(result(frame, 0)))
    return 0


@_helper
def derivative(frame):
    """`_toeplitz.derivative`."""
    if understood(frame, 5, 1):
        tables, indices, weights, pixels = _given(frame)
        symmetric, out = _matrix(argument(frame, 4)), _matrix(result(frame, 0))
        _toeplitz.derivative(tables, indices, weights, pixels, symmetric, out)
    return 0
