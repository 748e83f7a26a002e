"""BLAS and LAPACK of SciPy, as numba kernels call them: of symmetric matrices, the lower half in C's order.

That half is the upper one in Fortran's order, hence the "U" below.
"""
from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
from numba import njit, types
from numba.extending import get_cython_function_address

_helper = njit(error_model="numpy")


def _routine(module: str, name: str, arguments: int) -> Any:
    """A routine that takes addresses only. Compiled kernels know it by name: its own address is another each time."""
    symbol = f"lensfit_{name}"
    llvmlite.binding.add_symbol(symbol, get_cython_function_address(f"scipy.linalg.cython_{module}", name))
    return types.ExternalFunction(symbol, types.void(*[types.intp] * arguments))


_dsyrk = _routine("blas", "dsyrk", 10)
_dsymm = _routine("blas", "dsymm", 12)
_dpotrf = _routine("lapack", "dpotrf", 5)
_dpotrs = _routine("lapack", "dpotrs", 8)
_dpotri = _routine("lapack", "dpotri", 5)


@_helper
def gram(rows, count, out):
    """Lower half of rows[:count] rows[:count]^T (count, count), put into the first numbers of out."""
    letters = np.array([ord("U"), ord("T")], np.uint8)
    sizes, factors = np.array([count, rows.shape[1]], np.int32), np.array([1.0, 0.0])
    n, k = sizes.ctypes.data, sizes.ctypes.data + 4
    _dsyrk(
        letters.ctypes.data, letters.ctypes.data + 1, n, k, factors.ctypes.data, rows.ctypes.data, k,
        factors.ctypes.data + 8, out.ctypes.data, n,
    )


@_helper
def multiply(symmetric, rows, count, out):
    """out[:count] = A rows[:count], of which A (count, count) the lower half is in the first numbers of symmetric."""
    letters = np.array([ord("R"), ord("U")], np.uint8)
    sizes, factors = np.array([rows.shape[1], count], np.int32), np.array([1.0, 0.0])
    m, n = sizes.ctypes.data, sizes.ctypes.data + 4
    _dsymm(
        letters.ctypes.data, letters.ctypes.data + 1, m, n, factors.ctypes.data, symmetric.ctypes.data, n,
        rows.ctypes.data, m, factors.ctypes.data + 8, out.ctypes.data, m,
    )


@_helper
def cholesky(matrix):
    """Replace the lower half of a matrix by its Cholesky factor; False where it is not positive definite."""
    letters, sizes = np.array([ord("U")], np.uint8), np.array([len(matrix), 0], np.int32)
    n, info = sizes.ctypes.data, sizes.ctypes.data + 4
    _dpotrf(letters.ctypes.data, n, matrix.ctypes.data, n, info)
    return sizes[1] == 0


@_helper
def substitute(factor, vector):
    """Replace a vector b by the x of A x = b, from the factor of A."""
    letters, sizes = np.array([ord("U")], np.uint8), np.array([len(vector), 1, 0], np.int32)
    n, one, info = sizes.ctypes.data, sizes.ctypes.data + 4, sizes.ctypes.data + 8
    _dpotrs(letters.ctypes.data, n, one, factor.ctypes.data, n, vector.ctypes.data, n, info)


@_helper
def invert(factor):
    """Replace the lower half of a factor of A by that of A^-1."""
    letters, sizes = np.array([ord("U")], np.uint8), np.array([len(factor), 0], np.int32)
    n, info = sizes.ctypes.data, sizes.ctypes.data + 4
    _dpotri(letters.ctypes.data, n, factor.ctypes.data, n, info)


@_helper
def mirror(matrix):
    """Copy the lower half to the upper, in blocks: a walk down a column of a large array is slow."""
    size, block = len(matrix), 16
    for i in range(0, size, block):
        for j in range(0, i + 1, block):
            for a in range(i, min(i + block, size)):
                for b in range(j, min(j + block, a)):
                    matrix[b, a] = matrix[a, b]


@_helper
def solve(matrix, vector, factor, s, log_det):
    """factor (its lower half), s of matrix s = vector, and log_det (1,); NaN where it is not positive definite."""
    if factor.ctypes.data != matrix.ctypes.data:
        factor[:] = matrix
    s[:] = vector
    if not cholesky(factor):
        factor[:], s[:], log_det[0] = np.nan, np.nan, np.nan
        return
    substitute(factor, s)
    total = 0.0
    for k in range(len(s)):
        total += 2 * np.log(factor[k, k])
    log_det[0] = total


@_helper
def inverse(factor, out):
    """out = A^-1 (N, N), whole."""
    if out.ctypes.data != factor.ctypes.data:
        out[:] = factor
    if out[0, 0] == out[0, 0]:
        invert(out)
    mirror(out)
