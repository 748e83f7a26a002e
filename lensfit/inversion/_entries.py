"""T by columns, for the kernels of `_toeplitz`: what each column adds to two rows of the image at once.

An entry of T in image row r adds one slice of a table to every row y of w_tilde T, and another one, a table row
further, to row y + 1. With w_compact the latter is also the slice that an entry in row r + 1 of the same image
column adds to row y. A slice is met once, with the weight that it has in row y and that in row y + 1.
"""
from __future__ import annotations

import numpy as np
from numba import njit

POSITIVE = (1 << 47) - 1
"""`i & POSITIVE` = i, and tells LLVM that i is not negative: else numba's wrap-around stops the vectoriser."""

_helper = njit(error_model="numpy")


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
