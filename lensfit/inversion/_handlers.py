"""The kernels of `_toeplitz` as XLA calls them: the arrays are taken out of its frame."""
from __future__ import annotations

from numba import njit

from lensfit.inversion import _toeplitz
from lensfit.inversion._arrays import as_matrix, as_tables, as_whole, as_whole_matrix
from lensfit.native.frame import argument, result, understood

_helper = njit(error_model="numpy")


@_helper
def _given(frame):
    """tables, indices, weights and pixels: what both kernels take first."""
    return (
        as_tables(argument(frame, 0)),
        as_whole_matrix(argument(frame, 1)),
        as_matrix(argument(frame, 2)),
        as_whole(argument(frame, 3)),
    )


@_helper
def curvature(frame):
    """`_toeplitz.curvature`."""
    if understood(frame, 4, 1):
        tables, indices, weights, pixels = _given(frame)
        _toeplitz.curvature(tables, indices, weights, pixels, as_matrix(result(frame, 0)))
    return 0


@_helper
def derivative(frame):
    """`_toeplitz.derivative`."""
    if understood(frame, 5, 1):
        tables, indices, weights, pixels = _given(frame)
        symmetric, out = as_matrix(argument(frame, 4)), as_matrix(result(frame, 0))
        _toeplitz.derivative(tables, indices, weights, pixels, symmetric, out)
    return 0
