"""What the kernels of pixelised sources are made of: arrays of XLA's frame, sums of eight numbers, BLAS and LAPACK.

LLVM vectorises loops over arrays only where it can prove that they do not overlap, and keeps a sum of 64 numbers
in registers only by luck: the sums of `toeplitz_kernels` and `tile_kernels` are said outright here. Their arrays
are given by the address of the first number.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from lensfit.native.frame import argument, float64, int32, int64, result, understood

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


LANES = 8
COLUMNS = 16
"""Numbers that `add_scaled` and `dot` take: so many columns of w_tilde T go together."""
MOST = 6 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 3
"""Vectors of a slice that are added up in registers for two rows: of 512 bits there are 32, of 256 bits 16."""
_DOUBLE, _INT64, _INT32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)


def _compiled_in(function: Any) -> Any:
    """numba's `intrinsic`; what it makes is called without the typing context."""
    return intrinsic(function)


def _pointer(builder: Any, address: Any, index: Any, kind: Any) -> Any:
    """Pointer to number `index` after an address, read as `kind`."""
    return builder.inttoptr(builder.add(address, builder.shl(index, ir.Constant(_INT64, 3))), kind.as_pointer())


def _load(builder: Any, address: Any, index: Any) -> Any:
    return builder.load(_pointer(builder, address, index, _VECTOR), align=8)


def _store(builder: Any, value: Any, address: Any, index: Any) -> None:
    builder.store(value, _pointer(builder, address, index, _VECTOR), align=8)


def _broadcast(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(undefined, number, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    fused = ["contract"]
    return builder.fadd(builder.fmul(a, b, flags=fused), c, flags=fused)


def weighted_slices(vectors: int) -> Any:
    """out[k][:8 vectors] = sum_e weights[e, k] table[offsets[e]:][:8 vectors], e < count, k = 0, 1; in registers."""

    @_compiled_in
    def made(context, table, offsets, weights, count, out0, out1):
        def generate(context, builder, signature, arguments):
            table, offsets, weights, count, *outs = arguments
            sums = [[cgutils.alloca_once_value(builder, _ZERO) for _ in range(vectors)] for _ in outs]
            with cgutils.for_range(builder, count) as loop:
                offset = builder.load(_pointer(builder, offsets, loop.index, _INT64))
                first = builder.shl(loop.index, ir.Constant(_INT64, 1))
                places = first, builder.add(first, ir.Constant(_INT64, 1))
                pair = [_broadcast(builder, builder.load(_pointer(builder, weights, p, _DOUBLE))) for p in places]
                for k in range(vectors):
                    values = _load(builder, table, builder.add(offset, ir.Constant(_INT64, LANES * k)))
                    for weight, kept in zip(pair, sums, strict=True):
                        builder.store(_multiply_add(builder, weight, values, builder.load(kept[k])), kept[k])
            for out, kept in zip(outs, sums, strict=True):
                for k, total in enumerate(kept):
                    _store(builder, builder.load(total), out, ir.Constant(_INT64, LANES * k))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), generate

    return made


def _sum(builder: Any, vector: Any) -> Any:
    """The sum of the eight numbers of a vector: the upper half folded onto the lower, three times."""
    for half in (4, 2, 1):
        upper = ir.Constant(ir.VectorType(_INT32, LANES), [(k + half) % LANES for k in range(LANES)])
        vector = builder.fadd(vector, builder.shuffle_vector(vector, vector, upper))
    return builder.extract_element(vector, ir.Constant(_INT32, 0))


@_compiled_in
def add_scaled(context, out, number, values):
    """out[:COLUMNS] += number values[:COLUMNS]."""

    def generate(context, builder, signature, arguments):
        out, number, values = arguments
        factor = _broadcast(builder, number)
        for k in range(0, COLUMNS, LANES):
            place = ir.Constant(_INT64, k)
            product = factor, _load(builder, values, place)
            _store(builder, _multiply_add(builder, *product, _load(builder, out, place)), out, place)
        return context.get_dummy_value()

    return types.void(types.int64, types.float64, types.int64), generate


@_compiled_in
def dot(context, left, right):
    """sum_r left[r] right[r], r < COLUMNS."""

    def generate(context, builder, signature, arguments):
        total = _ZERO
        for k in range(0, COLUMNS, LANES):
            a, b = (_load(builder, address, ir.Constant(_INT64, k)) for address in arguments)
            total = _multiply_add(builder, a, b, total)
        return _sum(builder, total)

    return types.float64(types.int64, types.int64), generate


@contextmanager
def _each_row(builder: Any, rows: Any, places: Any, columns: Any, count: Any, values: Any, numbers: int) -> Any:
    """For each entry: its index, the row, of so many numbers, of its column, rows[places[columns[index]]], and the
    places in it (multiples of 8) with the vectors of values, which are loaded once."""
    slots = [ir.Constant(_INT64, k) for k in range(0, numbers, LANES)]
    kept = [(slot, _load(builder, values, slot)) for slot in slots]
    with cgutils.for_range(builder, count) as loop:
        column = builder.load(_pointer(builder, columns, loop.index, _INT64))
        place = builder.load(_pointer(builder, places, column, _INT64))
        yield loop.index, builder.add(rows, builder.mul(place, ir.Constant(_INT64, 8 * numbers))), kept


def row_adder(numbers: int) -> Any:
    """rows[places[columns[e]]] += weights[e] values[:numbers] for e < count, a multiple of 8 numbers."""

    @_compiled_in
    def made(context, rows, places, columns, weights, count, values):
        def generate(context, builder, signature, arguments):
            rows, places, columns, weights, count, values = arguments
            with _each_row(builder, rows, places, columns, count, values, numbers) as (index, row, kept):
                weight = _broadcast(builder, builder.load(_pointer(builder, weights, index, _DOUBLE)))
                for slot, value in kept:
                    _store(builder, _multiply_add(builder, weight, value, _load(builder, row, slot)), row, slot)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), generate

    return made


def row_dotter(numbers: int) -> Any:
    """out[e] += the scalar product of rows[places[columns[e]]] with values[:numbers] for e < count."""

    @_compiled_in
    def made(context, rows, places, columns, out, count, values):
        def generate(context, builder, signature, arguments):
            rows, places, columns, out, count, values = arguments
            with _each_row(builder, rows, places, columns, count, values, numbers) as (index, row, kept):
                sums = [_ZERO, _ZERO]  # two that do not wait for each other
                for k, (slot, value) in enumerate(kept):
                    sums[k % 2] = _multiply_add(builder, value, _load(builder, row, slot), sums[k % 2])
                target = _pointer(builder, out, index, _DOUBLE)
                total = _sum(builder, builder.fadd(*sums))
                builder.store(builder.fadd(builder.load(target), total), target)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), generate

    return made


@_compiled_in
def transpose(context, source, stride, out):
    """out[COLUMNS c + r] = source[stride r + c], r and c < 8: bit by bit, row number against lane."""

    def generate(context, builder, signature, arguments):
        source, stride, out = arguments
        rows = []
        for r in range(LANES):
            rows.append(_load(builder, source, builder.mul(stride, ir.Constant(_INT64, r))))
        for k in (4, 2, 1):
            low = [lane + LANES - k if lane & k else lane for lane in range(LANES)]
            high = [lane + LANES if lane & k else lane + k for lane in range(LANES)]
            for r in range(LANES):
                if not r & k:
                    a, b = rows[r], rows[r + k]
                    rows[r], rows[r + k] = (
                        builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, LANES), mask))
                        for mask in (low, high)
                    )
        for c, row in enumerate(rows):
            _store(builder, row, out, ir.Constant(_INT64, COLUMNS * c))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


def _routine(module: str, name: str, arguments: int) -> Any:
    """A routine of SciPy that takes addresses only, for the lower half of symmetric matrices in C's order: the upper
    one in Fortran's, hence the "U" below. Compiled kernels know it by name: its own address is another each time."""
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
def copy(matrix, out):
    """out = matrix: for a slice of one array that is set to another Numba compiles its message of shapes too, for
    longer than most kernels take."""
    for i in range(len(matrix)):
        for j in range(matrix.shape[1]):
            out[i, j] = matrix[i, j]


@_helper
def solve(matrix, vector, factor, s, log_det):
    """factor (its lower half), s of matrix s = vector, and log_det (1,); NaN where it is not positive definite."""
    if factor.ctypes.data != matrix.ctypes.data:
        copy(matrix, factor)
    for k in range(len(s)):
        s[k] = vector[k]
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
        copy(factor, out)
    if out[0, 0] == out[0, 0]:
        invert(out)
    mirror(out)


@_helper
def solve_call(frame):
    """`solve` of A and D."""
    if understood(frame, 2, 3):
        factor, s, log_det = as_matrix(result(frame, 0)), as_vector(result(frame, 1)), as_vector(result(frame, 2))
        solve(as_matrix(argument(frame, 0)), as_vector(argument(frame, 1)), factor, s, log_det)
    return 0


@_helper
def inverse_call(frame):
    """`inverse` of a factor."""
    if understood(frame, 1, 1):
        inverse(as_matrix(argument(frame, 0)), as_matrix(result(frame, 0)))
    return 0
