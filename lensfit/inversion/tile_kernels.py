"""F and D of a pixelised source seen through a PSF, and their derivative, tile by tile; numba kernels.

A tile of 8 x 8 image pixels sees, through the PSF, only some of the source pixels: B of the tile is small, and
F is the sum over the tiles of B B^T. A row of B holds 64 numbers, and each entry of T adds to it a multiple of
64 numbers of the PSF.
"""
from __future__ import annotations

import numpy as np
from numba import njit

from lensfit.inversion.algebra_kernels import (
    as_matrix,
    as_vector,
    as_whole,
    copy,
    gram,
    mirror,
    multiply,
    row_adder,
    row_dotter,
)
from lensfit.inversion.ray_kernels import pixel_back, sparse
from lensfit.native.frame import argument, result, understood

TILE = 8
SIZE = TILE * TILE

_helper = njit(error_model="numpy")
_add_to_rows, _dot_with_rows = row_adder(SIZE), row_dotter(SIZE)


@_helper
def _numbered(pixels, shape):
    """(H, W): the number of each pixel among `pixels`, -1 for none."""
    numbers = np.full(shape[0] * shape[1], -1)
    for k in range(pixels.size):
        numbers[pixels[k]] = k
    return numbers.reshape(shape[0], shape[1])


@_helper
def _corners(seen):
    """The upper left pixels of the tiles that hold a pixel with data, (K, 2)."""
    made = []
    for y in range(0, seen.shape[0], TILE):
        for x in range(0, seen.shape[1], TILE):
            if np.any(seen[y : y + TILE, x : x + TILE] >= 0):
                made.append((y, x))
    return made


@_helper
def _load(y, x, seen, inverse_noise, target, columns, scale, data, light):
    """1 / sigma (64,), whitened data (64,) and columns (K, 64) of the tile at (y, x); 0 without data."""
    scale[:], data[:], light[:] = 0.0, 0.0, 0.0
    for a in range(min(TILE, seen.shape[0] - y)):
        for b in range(min(TILE, seen.shape[1] - x)):
            m = seen[y + a, x + b]
            if m >= 0:
                scale[TILE * a + b], data[TILE * a + b] = inverse_noise[m], target[m]
                for k in range(columns.shape[0]):
                    light[k, TILE * a + b] = columns[k, m]


@_helper
def _padded(psf):
    """The PSF with zeros about it, so that the footprint of a pixel on a tile is a block of it."""
    out = np.zeros((psf.shape[0] + 2 * TILE, psf.shape[1] + 2 * TILE))
    copy(psf, out[TILE:, TILE:])
    return out


@_helper
def _footprint(psf, down, right, out):
    """out (64,): what a tile sees of a pixel, the tile's corner being `down` and `right` of it."""
    row, column = psf.shape[0] // 2 + down, psf.shape[1] // 2 + right
    for a in range(TILE):
        for b in range(TILE):
            out[TILE * a + b] = psf[row + a, column + b]


@_helper
def _range(corner, reach, size):
    return max(0, corner - reach), min(size, corner + TILE + reach)


@_helper
def _near(y, x, reach, rays, start, near):
    """The pixels with rays that a tile sees: near[:n] of the n, their number and the way from each to the tile."""
    top, bottom = _range(y, reach[0], rays.shape[0])
    left, right = _range(x, reach[1], rays.shape[1])
    count = 0
    for down in range(top, bottom):
        for across in range(left, right):
            e = rays[down, across]
            if e >= 0 and start[e] < start[e + 1]:
                near[count, 0], near[count, 1], near[count, 2] = e, y - down, x - across
                count += 1
    return count


@_helper
def _sources(near, start, column, local, active):
    """The source pixels that a tile sees, ascending: active[:n] of the n, and in local (S,) their place or -1."""
    local[:] = -1
    for i in range(near.shape[0]):
        for p in range(start[near[i, 0]], start[near[i, 0] + 1]):
            local[column[p]] = 0
    count = 0
    for j in range(local.size):
        if local[j] == 0:
            local[j], active[count] = count, j
            count += 1
    return count


@_helper
def _tile(near, psf, start, column, value, scale, foot, local, count, rows):
    """rows[:count] (64 each) of B: the whitened images of the source pixels that the tile sees."""
    rows[:count] = 0.0
    for i in range(near.shape[0]):
        first, end = start[near[i, 0]], start[near[i, 0] + 1]
        _footprint(psf, near[i, 1], near[i, 2], foot)
        _add_to_rows(
            rows.ctypes.data, local.ctypes.data, column.ctypes.data + 8 * first, value.ctypes.data + 8 * first,
            end - first, foot.ctypes.data,
        )
    for k in range(count):
        for o in range(SIZE):
            rows[k, o] *= scale[o]


@_helper
def _shows(column):
    """Whether any of a column's pixels (64,) is not zero."""
    seen = False
    for p in range(len(column)):
        seen |= column[p] != 0.0
    return seen


@_helper
def _append(light, sources, every, active, rows, count):
    """Put the columns of light (K, 64) of a tile behind the rows of its source pixels, those of zeros only where
    `every` one counts; how many rows these are together."""
    for k in range(light.shape[0]):
        if every or _shows(light[k]):
            active[count] = sources + k
            for p in range(light.shape[1]):
                rows[count, p] = light[k, p]
            count += 1
    return count


@_helper
def normal(u, v, rays_at, seen_at, inverse_noise, psf, columns, target, shape, mesh, curvature, vector):
    """curvature F (N, N) and vector D (N,) of S = N - K source pixels and K columns of light.

    u, v (E, Q): rays on the mesh (pixels, order) from the pixels rays_at (E,); inverse_noise, target (M,) and
    columns (K, M), whitened, of the pixels seen_at (M,); psf (h, w); shape (H, W).
    """
    size, lights = vector.size, columns.shape[0]
    sources = size - lights
    start, column, value = sparse(u, v, mesh[0], mesh[1])
    reach = psf.shape[0] // 2, psf.shape[1] // 2
    rays, seen, psf = _numbered(rays_at, shape), _numbered(seen_at, shape), _padded(psf)
    scale, data, foot, light = np.empty(SIZE), np.empty(SIZE), np.empty(SIZE), np.empty((lights, SIZE))
    local, active, rows = np.empty(sources, np.int64), np.empty(size, np.int64), np.empty((size, SIZE))
    every = np.empty(((TILE + 2 * reach[0]) * (TILE + 2 * reach[1]), 3), np.int64)
    part = np.empty(size * size)
    curvature[:] = 0.0
    vector[:] = 0.0
    for y, x in _corners(seen):
        _load(y, x, seen, inverse_noise, target, columns, scale, data, light)
        near = every[: _near(y, x, reach, rays, start, every)]
        count = _sources(near, start, column, local, active)
        _tile(near, psf, start, column, value, scale, foot, local, count, rows)
        count = _append(light, sources, False, active, rows, count)
        if count == 0:
            continue
        gram(rows, count, part)
        for i in range(count):
            row = active[i]
            for o in range(SIZE):
                vector[row] += rows[i, o] * data[o]
            for j in range(i + 1):
                curvature[row, active[j]] += part[count * i + j]
    mirror(curvature)


@_helper
def normal_back(
    u, v, rays_at, seen_at, inverse_noise, psf, columns, target, shape, mesh, symmetric, toward, held,
    u_bar, v_bar, columns_bar, target_bar,
):
    """Cotangents of u and v (E, Q), columns (K, M) and target (M,): of B it is symmetric B + toward d^T. Where light
    is held those of columns and target are not asked for: zeros.

    symmetric (N, N) is the cotangent of F plus its transpose, toward (N,) that of D; the rest as in `normal`.
    """
    size, lights = toward.size, columns.shape[0]
    sources = size - lights
    start, column, value = sparse(u, v, mesh[0], mesh[1])
    reach = psf.shape[0] // 2, psf.shape[1] // 2
    rays, seen, psf = _numbered(rays_at, shape), _numbered(seen_at, shape), _padded(psf)
    scale, data, foot, light = np.empty(SIZE), np.empty(SIZE), np.empty(SIZE), np.empty((lights, SIZE))
    local, active, rows = np.empty(sources, np.int64), np.empty(size, np.int64), np.empty((size, SIZE))
    every = np.empty(((TILE + 2 * reach[0]) * (TILE + 2 * reach[1]), 3), np.int64)
    part, bar, value_bar = np.empty(size * size), np.empty((size, SIZE)), np.zeros(value.size)
    toward_t, columns_bar[:], target_bar[:] = np.zeros(sources), 0.0, 0.0
    for y, x in _corners(seen):
        _load(y, x, seen, inverse_noise, target, columns, scale, data, light)
        near = every[: _near(y, x, reach, rays, start, every)]
        count = _sources(near, start, column, local, active)
        _tile(near, psf, start, column, value, scale, foot, local, count, rows)
        whole = _append(light, sources, not held, active, rows, count)
        if whole == 0 or (held and count == 0):
            continue
        for i in range(whole):
            row = active[i]
            for j in range(i + 1):
                part[whole * i + j] = symmetric[row, active[j]]
        multiply(part, rows, whole, bar)
        foot[:] = 0.0
        for i in range(whole):
            slope = toward[active[i]]
            for o in range(SIZE):
                foot[o] += slope * rows[i, o]
                bar[i, o] += slope * data[o]
        if not held:
            _unload(y, x, seen, foot, bar[count:whole], target_bar, columns_bar)
        for i in range(count):
            for o in range(SIZE):
                bar[i, o] *= scale[o]
        _tile_back(near, psf, start, column, foot, local, bar, value_bar)
    for e in range(len(u)):
        for p in range(start[e], start[e + 1]):
            toward_t[column[p]] = value_bar[p]
        pixel_back(u[e], v[e], mesh[0], mesh[1], toward_t, u_bar[e], v_bar[e])


@_helper
def _unload(y, x, seen, data_bar, light_bar, target_bar, columns_bar):
    """Put the cotangents of the data (64,) and columns of light (K, 64) of a tile where they belong."""
    for a in range(min(TILE, seen.shape[0] - y)):
        for b in range(min(TILE, seen.shape[1] - x)):
            m = seen[y + a, x + b]
            if m >= 0:
                target_bar[m] = data_bar[TILE * a + b]
                for k in range(light_bar.shape[0]):
                    columns_bar[k, m] = light_bar[k, TILE * a + b]


@_helper
def _tile_back(near, psf, start, column, foot, local, bar, value_bar):
    """Add to value_bar what the rows of a tile, of cotangent bar (n, 64), owe to each entry of T."""
    for i in range(near.shape[0]):
        first, end = start[near[i, 0]], start[near[i, 0] + 1]
        _footprint(psf, near[i, 1], near[i, 2], foot)
        _dot_with_rows(
            bar.ctypes.data, local.ctypes.data, column.ctypes.data + 8 * first, value_bar.ctypes.data + 8 * first,
            end - first, foot.ctypes.data,
        )


@_helper
def _observed(frame):
    """What both kernels of the tiles take first, in their order."""
    return (
        as_matrix(argument(frame, 0)),
        as_matrix(argument(frame, 1)),
        as_whole(argument(frame, 2)),
        as_whole(argument(frame, 3)),
        as_vector(argument(frame, 4)),
        as_matrix(argument(frame, 5)),
        as_matrix(argument(frame, 6)),
        as_vector(argument(frame, 7)),
        as_whole(argument(frame, 8)),
        as_whole(argument(frame, 9)),
    )


@_helper
def normal_call(frame):
    """`normal`."""
    if understood(frame, 10, 2):
        u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh = _observed(frame)
        curvature, vector = as_matrix(result(frame, 0)), as_vector(result(frame, 1))
        normal(u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh, curvature, vector)
    return 0


@_helper
def normal_back_call(frame):
    """`normal_back`."""
    if understood(frame, 13, 4):
        u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh = _observed(frame)
        symmetric, toward = as_matrix(argument(frame, 10)), as_vector(argument(frame, 11))
        held = as_whole(argument(frame, 12))[0] != 0
        normal_back(
            u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh, symmetric, toward, held,
            as_matrix(result(frame, 0)), as_matrix(result(frame, 1)), as_matrix(result(frame, 2)),
            as_vector(result(frame, 3)),
        )
    return 0
