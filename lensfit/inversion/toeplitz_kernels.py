"""F = T^T w_tilde T and its derivative from the distinct values of w_tilde, for one core; numba kernels.

Row y of column s of w_tilde T is sum_e t_e w[y - y_e, x - x_e] over the entries e of T in that column: each
entry adds one contiguous slice of the table w_compact. The Hankel part adds h[y + y_e, x + x_e], a slice too.
Two rows of some columns are made together: one load of a slice then serves two sums, and whatever takes up a row
reads numbers that lie side by side. For F, w_tilde = L + L^T with L its part of rows y <= y_e, those of the same
row halved: F = G + G^T with G = T^T L T, half the work.

T is met by columns. An entry of T in image row r adds one slice of a table to every row y of w_tilde T, and another
one, a table row further, to row y + 1. With w_compact the latter is also the slice that an entry in row r + 1 of the
same image column adds to row y. A slice is met once, with the weight that it has in row y and that in row y + 1.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from lensfit.inversion.algebra_kernels import (
    COLUMNS,
    LANES,
    MOST,
    add_scaled,
    as_matrix,
    as_tables,
    as_whole,
    as_whole_matrix,
    dot,
    transpose,
    weighted_slices,
)
from lensfit.native.frame import argument, result, understood

_helper = njit(error_model="numpy")
_sums = weighted_slices(MOST)
_sums1, _sums2, _sums3, _sums4, _sums5 = (weighted_slices(n) for n in range(1, 6))

POSITIVE = (1 << 47) - 1
"""`i & POSITIVE` = i, and tells LLVM that i is not negative: else numba's wrap-around stops the vectoriser."""

@_helper
def valid(indices, weights, source_pixels):
    """Whether every index is a source pixel, or -1 with weight 0."""
    for m in range(indices.shape[0]):
        for b in range(indices.shape[1]):
            unused = indices[m, b] == -1 and weights[m, b] == 0.0
            if not (unused or 0 <= indices[m, b] < source_pixels):
                return False
    return True


@_helper
def slices(indices, weights, pixels, source_pixels, shape, hankel):
    """Slices of a table by columns: where each column begins, and the row, offset and two weights of each slice.

    A slice of row r belongs to entries in image row r where it adds to row y, and to entries in row r + 1 where
    it adds to row y + 1; the offset is that for y = 0. Rows ascend. Entries of weight 0 are left out.
    """
    tall, wide = shape
    begin, place, weight = _by_column(indices, weights, pixels, source_pixels)
    start = np.zeros(source_pixels + 1, np.int64)
    size = 2 * begin[source_pixels]
    row, offset, both = np.empty(size, np.int64), np.empty(size, np.int64), np.empty((size, 2))
    n = 0
    for s in range(source_pixels):
        i = j = begin[s]
        last, end = -1, begin[s + 1]
        while i < end:
            above = j == end or place[i] <= place[j] - wide
            k = i if above else j
            y = place[k] // wide
            x = place[k] - y * wide
            down, left = (y, x) if hankel else (tall - 1 - y, wide - 1 - x)
            here = (down + (not above)) * (2 * wide - 1) + left
            if here != last:
                row[n], offset[n], both[n, 0], both[n, 1] = y - (not above), here, 0.0, 0.0
                n, last = n + 1, here
            both[n - 1, 0 if above else 1] += weight[k]
            if above:
                i += 1
            else:
                j += 1
        start[s + 1] = n
    return start, row, offset, both


@_helper
def _by_column(indices, weights, pixels, source_pixels):
    """Where each column of T begins, and pixel and weight of its entries, pixels ascending."""
    begin = np.zeros(source_pixels + 1, np.int64)
    for m in range(indices.shape[0]):
        for b in range(indices.shape[1]):
            begin[indices[m, b] + 1] += weights[m, b] != 0.0
    begin = np.cumsum(begin)
    free = begin[:-1].copy()
    place, weight = np.empty(begin[-1], np.int64), np.empty(begin[-1])
    for m in range(indices.shape[0]):
        for b in range(indices.shape[1]):
            if weights[m, b] != 0.0:
                e = free[indices[m, b]] & POSITIVE
                free[indices[m, b]] += 1
                place[e], weight[e] = pixels[m], weights[m, b]
    return begin, place, weight


@_helper
def _rows(pixels, tall, wide):
    """Where each image row begins in `pixels` (ascending), and the first and one past the last column of two rows."""
    begin, first, stop = np.zeros(tall + 3, np.int64), np.full(tall // 2 + 1, wide), np.zeros(tall // 2 + 1, np.int64)
    for m in range(pixels.size):
        y = pixels[m] // wide
        x = pixels[m] - y * wide
        begin[y + 1] += 1
        first[y // 2], stop[y // 2] = min(first[y // 2], x), max(stop[y // 2], x + 1)
    return np.cumsum(begin), first, stop


@_helper
def _flat(table):
    """A table with room for slices that reach beyond its last row."""
    flat = np.zeros(table.size + table.shape[1] + LANES)
    flat[: table.size] = table.ravel()
    return flat


@_helper
def _aligned(size):
    """Zeros that begin with a line of the cache: vectors that straddle two lines take twice as long."""
    array = np.zeros(size + LANES)
    return array[-(array.ctypes.data // 8) % LANES :][:size]


@_helper
def _lines(table, offset, both, begin, end, width, room, line):
    """line[k, room r:] = row k of two of column r, from x = 0 to a width in whole vectors, of its slices begin[r] on.

    All columns of one stretch of x after the other: they are neighbours and read much the same numbers.
    """
    for x in range(0, width, MOST * LANES):
        size = min(MOST, (width - x) // LANES)
        for r in range(len(begin)):
            e = begin[r]
            offsets, weights, count = offset.ctypes.data + 8 * e, both.ctypes.data + 16 * e, end[r] - e
            upper = line.ctypes.data + 8 * (room * r + x)
            lower = upper + 8 * room * COLUMNS
            if size == MOST:
                _sums(table + 8 * x, offsets, weights, count, upper, lower)
            elif size == 5:
                _sums5(table + 8 * x, offsets, weights, count, upper, lower)
            elif size == 4:
                _sums4(table + 8 * x, offsets, weights, count, upper, lower)
            elif size == 3:
                _sums3(table + 8 * x, offsets, weights, count, upper, lower)
            elif size == 2:
                _sums2(table + 8 * x, offsets, weights, count, upper, lower)
            else:
                _sums1(table + 8 * x, offsets, weights, count, upper, lower)


@_helper
def _interleave(line, room, width, lanes):
    """lanes[COLUMNS x + r] = line[room r + x]: the columns side by side."""
    for x in range(0, width, LANES):
        for r in range(0, COLUMNS, LANES):
            transpose(line.ctypes.data + 8 * (room * r + x), room, lanes.ctypes.data + 8 * (COLUMNS * x + r))


@_helper
def curvature(tables, indices, weights, pixels, out):
    """out (S, S) = T^T w_tilde T; NaN where an index is no source pixel.

    tables (1 or 2, 2 Ny - 1, 2 Nx - 1): w_compact and, for unequal noise, the Hankel table; indices and weights
    (M, B); pixels (M,) ascending, Nx row + column.
    """
    out[:] = 0.0
    for k in range(tables.shape[0]):
        if valid(indices, weights, out.shape[0]):
            _add_half(tables[k], k == 1, indices, weights, pixels, out)
        else:
            out[:] = np.nan
    _add_transposed(out)


@_helper
def _add_half(table, hankel, indices, weights, pixels, out):
    """out += T^T L T for one table."""
    tall, wide, sources = (table.shape[0] + 1) // 2, (table.shape[1] + 1) // 2, out.shape[0]
    start, row, offset, both = slices(indices, weights, pixels, sources, (tall, wide), hankel)
    begin, first, stop = _rows(pixels, tall, wide)
    flat, room = _flat(table), (wide // LANES + 1) * LANES
    line, lanes, strip = _aligned(2 * COLUMNS * room), _aligned(COLUMNS * room), _aligned(COLUMNS * sources)
    left = np.zeros(COLUMNS, np.int64)
    for s in range(0, sources, COLUMNS):
        columns = min(COLUMNS, sources - s)
        strip[:] = 0.0
        line[:] = 0.0
        left[:columns] = start[s : s + columns]
        for y in range(0, tall, 2):
            more = _halve_row(row, both, start, left, s, columns, y)
            if not more:
                break
            if begin[y + 2] == begin[y]:
                continue
            width = (stop[y // 2] - first[y // 2] + LANES - 1) // LANES * LANES
            table_row = flat.ctypes.data + 8 * (y * table.shape[1] + first[y // 2])
            _lines(table_row, offset, both, left[:columns], start[s + 1 : s + columns + 1], width, room, line)
            for k in range(2):
                origin = (y + k) * wide + first[y // 2]
                _interleave(line[k * COLUMNS * room :], room, width, lanes)
                _gather_row(indices, weights, pixels, begin[y + k], begin[y + k + 1], origin, lanes, strip)
        for t in range(sources):
            for r in range(columns):
                out[t, s + r] += strip[COLUMNS * t + r]


@_helper
def _halve_row(row, both, start, left, s, columns, y):
    """Leave out the slices of rows before y, and halve those of row y; whether any are left."""
    more = False
    for r in range(columns):
        e, end = left[r], start[s + r + 1]
        while e < end and row[e] < y:
            e += 1
        left[r] = e
        more |= e < end
        while e < end and row[e] == y:
            both[e, 0] *= 0.5
            both[e, 1] *= 0.5
            e += 1
    return more


@_helper
def _gather_row(indices, weights, pixels, begin, end, origin, lanes, strip):
    """strip[COLUMNS s:] += sum_m T[m, s] lanes[COLUMNS x_m:] over the pixels of a row."""
    for m in range(begin, end):
        values = lanes.ctypes.data + 8 * COLUMNS * (pixels[m] - origin)
        for b in range(indices.shape[1]):
            if weights[m, b] != 0.0:
                add_scaled(strip.ctypes.data + 8 * COLUMNS * indices[m, b], weights[m, b], values)


@_helper
def _add_transposed(out):
    """out = G + G^T of the G (S, S) that it holds, in tiles: a walk down a column of a large array is slow."""
    size = len(out)
    for i in range(0, size, LANES):
        for j in range(0, i + 1, LANES):
            for a in range(i, min(i + LANES, size)):
                for b in range(j, min(j + LANES, a + 1)):
                    total = out[a, b] + out[b, a]
                    out[a, b] = total
                    out[b, a] = total


@_helper
def derivative(tables, indices, weights, pixels, symmetric, out):
    """out[m, b] (M, B) = sum_s (w_tilde T)[m, s] symmetric[indices[m, b], s]; symmetric (S, S).

    With symmetric = C + C^T this is the derivative of sum_st C_st F_st with respect to the weights.
    """
    out[:] = 0.0
    for k in range(tables.shape[0]):
        if valid(indices, weights, symmetric.shape[0]):
            _add_derivative(tables[k], k == 1, indices, weights, pixels, symmetric, out)
        else:
            out[:] = np.nan


@_helper
def _add_derivative(table, hankel, indices, weights, pixels, symmetric, out):
    """out += the derivative by one table."""
    tall, wide, sources = (table.shape[0] + 1) // 2, (table.shape[1] + 1) // 2, symmetric.shape[0]
    start, _, offset, both = slices(indices, weights, pixels, sources, (tall, wide), hankel)
    begin, first, stop = _rows(pixels, tall, wide)
    flat, room = _flat(table), (wide // LANES + 1) * LANES
    line, lanes, strip = _aligned(2 * COLUMNS * room), _aligned(COLUMNS * room), _aligned(COLUMNS * sources)
    for s in range(0, sources, COLUMNS):
        columns = min(COLUMNS, sources - s)
        strip[:] = 0.0
        line[:] = 0.0
        for t in range(sources):
            for r in range(columns):
                strip[COLUMNS * t + r] = symmetric[t, s + r]
        for y in range(0, tall, 2):
            if begin[y + 2] == begin[y]:
                continue
            width = (stop[y // 2] - first[y // 2] + LANES - 1) // LANES * LANES
            table_row = flat.ctypes.data + 8 * (y * table.shape[1] + first[y // 2])
            _lines(table_row, offset, both, start[s : s + columns], start[s + 1 : s + columns + 1], width, room, line)
            for k in range(2):
                origin = (y + k) * wide + first[y // 2]
                _interleave(line[k * COLUMNS * room :], room, width, lanes)
                _dot_row(indices, pixels, begin[y + k], begin[y + k + 1], origin, lanes, strip, out)


@_helper
def _dot_row(indices, pixels, begin, end, origin, lanes, strip, out):
    """out[m, b] += lanes[COLUMNS x_m:] . strip[COLUMNS indices[m, b]:] over the pixels of a row."""
    for m in range(begin, end):
        values = lanes.ctypes.data + 8 * COLUMNS * (pixels[m] - origin)
        for b in range(indices.shape[1]):
            if indices[m, b] >= 0:
                out[m, b] += dot(values, strip.ctypes.data + 8 * COLUMNS * indices[m, b])


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
def curvature_call(frame):
    """`curvature`."""
    if understood(frame, 4, 1):
        tables, indices, weights, pixels = _given(frame)
        curvature(tables, indices, weights, pixels, as_matrix(result(frame, 0)))
    return 0


@_helper
def derivative_call(frame):
    """`derivative`."""
    if understood(frame, 5, 1):
        tables, indices, weights, pixels = _given(frame)
        symmetric, out = as_matrix(argument(frame, 4)), as_matrix(result(frame, 0))
        derivative(tables, indices, weights, pixels, symmetric, out)
    return 0
