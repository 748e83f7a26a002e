"""The mean over a pixel's rays of the B-splines that they meet, each source pixel once; numba kernels."""
from __future__ import annotations

import math

import numpy as np
from numba import njit

from lensfit.inversion.algebra_kernels import as_matrix, as_whole, as_whole_matrix
from lensfit.native.frame import argument, result, understood

_helper = njit(error_model="numpy")


@_helper
def _spline(u, order, weights, slopes):
    """The first node that sees position u; weights and slopes (order + 1,) of the nodes from there on."""
    first = math.floor(u + 0.5) if order == 2 else math.floor(u)
    t = u - first
    if order == 1:
        weights[0], weights[1] = 1 - t, t
        slopes[0], slopes[1] = -1.0, 1.0
    elif order == 2:
        weights[0], weights[1], weights[2] = 0.5 * (0.5 - t) ** 2, 0.75 - t * t, 0.5 * (0.5 + t) ** 2
        slopes[0], slopes[1], slopes[2] = t - 0.5, -2 * t, t + 0.5
    else:
        m, square = 1 - t, t * t
        weights[0], weights[3] = m * m * m / 6, square * t / 6
        weights[1] = (3 * square * t - 6 * square + 4) / 6
        weights[2] = (3 * m * m * m - 6 * m * m + 4) / 6
        slopes[0], slopes[3] = -0.5 * m * m, 0.5 * square
        slopes[1], slopes[2] = 1.5 * square - 2 * t, 2 * m - 1.5 * m * m
    return int(first) - order // 2


@_helper
def _meets(u, v, pixels):
    """Whether a ray comes near the mesh."""
    return -3.0 < u < pixels + 2.0 and -3.0 < v < pixels + 2.0


@_helper
def _pixel(u, v, pixels, order, total, seen, met):
    """How many source pixels the rays u, v (Q,) of one pixel meet: met[:n]; total holds the weight of each."""
    across, up, slopes = np.empty(4), np.empty(4), np.empty(4)
    share, found = 1.0 / u.size, 0
    for q in range(u.size):
        if not _meets(u[q], v[q], pixels):
            continue
        left = _spline(u[q], order, across, slopes)
        low = _spline(v[q], order, up, slopes)
        for a in range(max(0, -low), min(order + 1, pixels - low)):
            for b in range(max(0, -left), min(order + 1, pixels - left)):
                j = pixels * (low + a) + left + b
                if not seen[j]:
                    seen[j] = True
                    met[found] = j
                    found += 1
                total[j] += share * up[a] * across[b]
    return found


@_helper
def sparse(u, v, pixels, order):
    """T of rays at mesh positions u, v (M, Q): where the entries of each pixel begin, their source pixels, weights.

    Each source pixel that a pixel sees stands once. A ray that is NaN makes a weight NaN.
    """
    count, rays = u.shape
    total, seen = np.zeros(pixels * pixels), np.zeros(pixels * pixels, np.bool_)
    met, start = np.empty(rays * (order + 1) ** 2, np.int64), np.zeros(count + 1, np.int64)
    column, value = np.empty(count * met.size, np.int64), np.empty(count * met.size)
    place = 0
    for m in range(count):
        found = _pixel(u[m], v[m], pixels, order, total, seen, met)
        if np.any(np.isnan(u[m])) or np.any(np.isnan(v[m])):
            column[place], value[place] = 0, np.nan
            place += 1
        for k in range(found):
            column[place], value[place] = met[k], total[met[k]]
            total[met[k]] = 0.0
            seen[met[k]] = False
            place += 1
        start[m + 1] = place
    return start, column[:place], value[:place]


@_helper
def entries(u, v, pixels, order, indices, weights):
    """indices and weights (M, Q (order + 1)^2) of the same T; behind its entries come others of index -1, weight 0."""
    start, column, value = sparse(u, v, pixels, order)
    indices[:] = -1
    weights[:] = 0.0
    for m in range(len(u)):
        for p in range(start[m], min(start[m + 1], start[m] + indices.shape[1])):
            indices[m, p - start[m]], weights[m, p - start[m]] = column[p], value[p]


@_helper
def pixel_back(u, v, pixels, order, toward, u_bar, v_bar):
    """u_bar, v_bar (Q,): the slope of sum_s toward[s] T[s] of the rays u, v (Q,) of one pixel; toward (S,)."""
    across, up, slope_across, slope_up = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    share = 1.0 / u.size
    for q in range(u.size):
        u_bar[q], v_bar[q] = 0.0, 0.0
        if not _meets(u[q], v[q], pixels):
            continue
        left = _spline(u[q], order, across, slope_across)
        low = _spline(v[q], order, up, slope_up)
        for a in range(max(0, -low), min(order + 1, pixels - low)):
            for b in range(max(0, -left), min(order + 1, pixels - left)):
                value = share * toward[pixels * (low + a) + left + b]
                u_bar[q] += value * up[a] * slope_across[b]
                v_bar[q] += value * slope_up[a] * across[b]


@_helper
def entries_back(u, v, pixels, order, indices, cotangent, u_bar, v_bar):
    """u_bar, v_bar (M, Q): sum over the entries of their cotangent (M, B) times the slope of their weight."""
    toward = np.zeros(pixels * pixels)
    for m in range(len(u)):
        for k in range(indices.shape[1]):
            if indices[m, k] >= 0:
                toward[indices[m, k]] = cotangent[m, k]
        pixel_back(u[m], v[m], pixels, order, toward, u_bar[m], v_bar[m])


@_helper
def entries_call(frame):
    """`entries` of u, v and (pixels, order)."""
    if understood(frame, 3, 2):
        u, v, numbers = as_matrix(argument(frame, 0)), as_matrix(argument(frame, 1)), as_whole(argument(frame, 2))
        indices, weights = as_whole_matrix(result(frame, 0)), as_matrix(result(frame, 1))
        entries(u, v, int(numbers[0]), int(numbers[1]), indices, weights)
    return 0


@_helper
def entries_back_call(frame):
    """`entries_back` of u, v, (pixels, order), indices and the cotangent of the weights."""
    if understood(frame, 5, 2):
        u, v, numbers = as_matrix(argument(frame, 0)), as_matrix(argument(frame, 1)), as_whole(argument(frame, 2))
        indices, cotangent = as_whole_matrix(argument(frame, 3)), as_matrix(argument(frame, 4))
        u_bar, v_bar = as_matrix(result(frame, 0)), as_matrix(result(frame, 1))
        entries_back(u, v, int(numbers[0]), int(numbers[1]), indices, cotangent, u_bar, v_bar)
    return 0
