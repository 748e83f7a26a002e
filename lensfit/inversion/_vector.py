"""Eight numbers at a time: the sums that the loops of `_toeplitz` and `_tiles` are made of.

LLVM vectorises such loops only where it can prove that arrays do not overlap, and keeps a sum of 64 numbers in
registers only by luck. Here both are said outright. Arrays are given by the address of their first number.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
COLUMNS = 16
"""Numbers that `add_scaled` and `dot` take: so many columns of w_tilde T go together."""
MOST = 6 if binding.get_host_cpu_features().get("avx512f") else 3
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
