"""F = T^T w_tilde T and its derivative from the distinct values of w_tilde, for one core; numba kernels.

Row y of column s of w_tilde T is sum_e t_e w[y - y_e, x - x_e] over the entries e of T in that column: each
entry adds one contiguous slice of the table w_compact. The Hankel part adds h[y + y_e, x + x_e], a slice too.
Some columns go together, row by row of the image, so that whatever takes up a row reads numbers that
lie side by side, and nothing larger than one row is kept. For F, w_tilde = L + L^T with L its part of rows
y <= y_e, those of the same row halved: F = G + G^T with G = T^T L T, half the work.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from lensfit.inversion._vector import COLUMNS, LANES, add_scaled, dot, transpose, weighted_slices

POSITIVE = (1 << 47) - 1
"""`i & POSITIVE` = i, and tells LLVM that i is not negative: else numba's wrap-around stops the vectoriser."""

_helper = njit(error_model="numpy")
_sums1, _sums2, _sums3, _sums4, _sums5, _sums6, _sums7, _sums8 = (weighted_slices(n) for n in range(1, 9))


@_helper
def _columns(tables, indices, weights, pixels, source_pixels):
    """T by columns: where each begins, and of each entry its image row, offset in the flat tables and weight.

    An entry stands once for every table. Entries of weight 0 are left out. `valid` is False where an index is
    no source pixel, but for entries of index -1 and weight 0.
    """
    tall, wide = (tables.shape[1] + 1) // 2, (tables.shape[2] + 1) // 2
    start, valid = np.zeros(source_pixels + 1, np.int64), True
    for m in range(indices.shape[0]):
        for b in range(indices.shape[1]):
            if 0 <= indices[m, b] < source_pixels:
                start[indices[m, b] + 1] += tables.shape[0] * (weights[m, b] != 0.0)
            elif indices[m, b] != -1 or weights[m, b] != 0.0:
                valid = False
    start = np.cumsum(start)
    row, offset, weight = np.empty(start[-1], np.int64), np.empty(start[-1], np.int64), np.empty(start[-1])
    place = start[:-1].copy()
    y = 0
    for m in range(indices.shape[0] if valid else 0):
        while pixels[m] >= (y + 1) * wide:
            y += 1
        x = pixels[m] - y * wide
        for b in range(indices.shape[1]):
            if weights[m, b] != 0.0:
                for k in range(tables.shape[0]):
                    e = place[indices[m, b]] & POSITIVE
                    place[indices[m, b]] += 1
                    row[e], weight[e] = y, weights[m, b]
                    down, left = (y, x) if k else (tall - 1 - y, wide - 1 - x)
                    offset[e] = (k * tables.shape[1] + down) * tables.shape[2] + left
    return valid, start, row, offset, weight


@_helper
def _rows(pixels, tall, wide):
    """Where each image row begins in `pixels` (ascending), and its first column in use."""
    begin, first = np.zeros(tall + 1, np.int64), np.zeros(tall, np.int64)
    m = 0
    for y in range(tall):
        begin[y] = m
        if m < pixels.size:
            first[y] = pixels[m] - y * wide
        while m < pixels.size and pixels[m] < (y + 1) * wide:
            m += 1
    begin[tall] = m
    return begin, first


@_helper
def _flat(tables):
    """The tables one after the other, with room for slices that reach beyond the last row."""
    flat = np.zeros(tables.size + LANES)
    flat[: tables.size] = tables.ravel()
    return flat


@_helper
def _aligned(size):
    """Zeros that begin with a line of the cache: vectors that straddle two lines take twice as long."""
    array = np.zeros(size + LANES)
    return array[-(array.ctypes.data // 8) % LANES :][:size]


@_helper
def _line(flat, base, offset, weight, begin, end, width, line, place):
    """line[place:][:width] = sum over entries begin <= e < end of weight[e] flat[base + offset[e]:][:width]."""
    table, entries = flat.ctypes.data + 8 * base, end - begin
    offsets, weights = offset.ctypes.data + 8 * begin, weight.ctypes.data + 8 * begin
    out, x = line.ctypes.data + 8 * place, 0
    while width - x >= 8 * LANES:
        _sums8(table + 8 * x, offsets, weights, entries, out + 8 * x)
        x += 8 * LANES
    left, table, out = (width - x) // LANES, table + 8 * x, out + 8 * x
    if left == 7:
        _sums7(table, offsets, weights, entries, out)
    elif left == 6:
        _sums6(table, offsets, weights, entries, out)
    elif left == 5:
        _sums5(table, offsets, weights, entries, out)
    elif left == 4:
        _sums4(table, offsets, weights, entries, out)
    elif left == 3:
        _sums3(table, offsets, weights, entries, out)
    elif left == 2:
        _sums2(table, offsets, weights, entries, out)
    elif left == 1:
        _sums1(table, offsets, weights, entries, out)


@_helper
def _interleave(line, room, width, lanes):
    """lanes[COLUMNS x + r] = line[room r + x]: the columns side by side."""
    for x in range(0, width, LANES):
        for r in range(0, COLUMNS, LANES):
            transpose(line.ctypes.data + 8 * (room * r + x), room, lanes.ctypes.data + 8 * (COLUMNS * x + r))


@_helper
def _width(pixels, begin, first, wide, y):
    """Columns of row y from the first to the last in use, in whole vectors."""
    return (pixels[begin[y + 1] - 1] - y * wide - first[y] + LANES) // LANES * LANES


@_helper
def curvature(tables, indices, weights, pixels, out):
    """out (S, S) = T^T w_tilde T; NaN where an index is no source pixel.

    tables (1 or 2, 2 Ny - 1, 2 Nx - 1): w_compact and, for unequal noise, the Hankel table; indices and weights
    (M, B); pixels (M,) ascending, Nx row + column.
    """
    tall, wide, sources = (tables.shape[1] + 1) // 2, (tables.shape[2] + 1) // 2, out.shape[0]
    valid, start, row, offset, weight = _columns(tables, indices, weights, pixels, sources)
    if not valid:
        out[:] = np.nan
        return
    begin, first = _rows(pixels, tall, wide)
    flat, room = _flat(tables), (wide // LANES + 1) * LANES
    line, lanes, strip = _aligned(COLUMNS * room), _aligned(COLUMNS * room), _aligned(COLUMNS * sources)
    left = np.zeros(COLUMNS, np.int64)
    for s in range(0, sources, COLUMNS):
        columns = min(COLUMNS, sources - s)
        top = -1
        for r in range(columns):
            left[r] = start[s + r]
            if start[s + r + 1] > start[s + r]:
                top = max(top, row[start[s + r + 1] - 1])
        strip[:] = 0.0
        line[:] = 0.0
        for y in range(top + 1):
            _halve_row(row, weight, start, left, s, columns, y)
            if begin[y + 1] == begin[y]:
                continue
            width, base = _width(pixels, begin, first, wide, y), y * tables.shape[2] + first[y]
            for r in range(columns):
                _line(flat, base, offset, weight, left[r], start[s + r + 1], width, line, room * r)
            _interleave(line, room, width, lanes)
            _gather_row(indices, weights, pixels, begin[y], begin[y + 1], y * wide + first[y], lanes, strip)
        _double_row(weight, start, s, columns)
        for t in range(sources):
            for r in range(columns):
                out[t, s + r] = strip[COLUMNS * t + r]
    _add_transposed(out)


@_helper
def _halve_row(row, weight, start, left, s, columns, y):
    """Leave out the entries of rows before y, and halve those of row y."""
    for r in range(columns):
        e, end = left[r], start[s + r + 1]
        while e < end and row[e] < y:
            e += 1
        left[r] = e
        while e < end and row[e] == y:
            weight[e] *= 0.5
            e += 1


@_helper
def _double_row(weight, start, s, columns):
    """Undo what `_halve_row` did to every entry of the columns."""
    for e in range(start[s], start[s + columns]):
        weight[e] *= 2.0


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
    tall, wide, sources = (tables.shape[1] + 1) // 2, (tables.shape[2] + 1) // 2, symmetric.shape[0]
    valid, start, _, offset, weight = _columns(tables, indices, weights, pixels, sources)
    if not valid:
        out[:] = np.nan
        return
    begin, first = _rows(pixels, tall, wide)
    flat, room = _flat(tables), (wide // LANES + 1) * LANES
    line, lanes, strip = _aligned(COLUMNS * room), _aligned(COLUMNS * room), _aligned(COLUMNS * sources)
    out[:] = 0.0
    for s in range(0, sources, COLUMNS):
        columns = min(COLUMNS, sources - s)
        strip[:] = 0.0
        line[:] = 0.0
        for t in range(sources):
            for r in range(columns):
                strip[COLUMNS * t + r] = symmetric[t, s + r]
        for y in range(tall):
            if begin[y + 1] == begin[y]:
                continue
            width, base = _width(pixels, begin, first, wide, y), y * tables.shape[2] + first[y]
            for r in range(columns):
                _line(flat, base, offset, weight, start[s + r], start[s + r + 1], width, line, room * r)
            _interleave(line, room, width, lanes)
            _dot_row(indices, pixels, begin[y], begin[y + 1], y * wide + first[y], lanes, strip, out)


@_helper
def _dot_row(indices, pixels, begin, end, origin, lanes, strip, out):
    """out[m, b] += lanes[COLUMNS x_m:] . strip[COLUMNS indices[m, b]:] over the pixels of a row."""
    for m in range(begin, end):
        values = lanes.ctypes.data + 8 * COLUMNS * (pixels[m] - origin)
        for b in range(indices.shape[1]):
            if indices[m, b] >= 0:
                out[m, b] += dot(values, strip.ctypes.data + 8 * COLUMNS * indices[m, b])
