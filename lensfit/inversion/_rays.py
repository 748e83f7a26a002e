"""The mean over a pixel's rays of the B-splines that they meet, each source pixel once; numba kernels."""
from __future__ import annotations

import math

import numpy as np
from numba import njit

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
def entries(u, v, pixels, order, indices, weights):
    """indices and weights (M, Q (order + 1)^2) of rays at mesh positions u, v (M, Q).

    Each source pixel that a pixel sees stands once, in front; behind come entries of index 0 and weight 0.
    A ray that is NaN makes a weight NaN.
    """
    count, rays = u.shape
    total, seen = np.zeros(pixels * pixels), np.zeros(pixels * pixels, np.bool_)
    across, up, slopes = np.empty(4), np.empty(4), np.empty(4)
    share = 1.0 / rays
    indices[:] = 0
    weights[:] = 0.0
    for m in range(count):
        found = 0
        broken = False
        for q in range(rays):
            if u[m, q] != u[m, q] or v[m, q] != v[m, q]:
                broken = True
            if not _meets(u[m, q], v[m, q], pixels):
                continue
            left = _spline(u[m, q], order, across, slopes)
            low = _spline(v[m, q], order, up, slopes)
            for a in range(max(0, -low), min(order + 1, pixels - low)):
                for b in range(max(0, -left), min(order + 1, pixels - left)):
                    j = pixels * (low + a) + left + b
                    if not seen[j]:
                        seen[j] = True
                        indices[m, found] = j
                        found += 1
                    total[j] += share * up[a] * across[b]
        for k in range(found):
            j = indices[m, k]
            weights[m, k] = total[j]
            total[j] = 0.0
            seen[j] = False
        if broken:
            weights[m, 0] = np.nan


@_helper
def entries_back(u, v, pixels, order, indices, cotangent, u_bar, v_bar):
    """u_bar, v_bar (M, Q): sum over the entries of their cotangent (M, B) times the slope of their weight."""
    count, rays = u.shape
    toward = np.zeros(pixels * pixels)
    across, up, slope_across, slope_up = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    share = 1.0 / rays
    u_bar[:] = 0.0
    v_bar[:] = 0.0
    for m in range(count):
        for k in range(indices.shape[1] - 1, -1, -1):  # from behind: what is not used has index 0 too
            toward[indices[m, k]] = cotangent[m, k]
        for q in range(rays):
            if not _meets(u[m, q], v[m, q], pixels):
                continue
            left = _spline(u[m, q], order, across, slope_across)
            low = _spline(v[m, q], order, up, slope_up)
            along_u, along_v = 0.0, 0.0
            for a in range(max(0, -low), min(order + 1, pixels - low)):
                for b in range(max(0, -left), min(order + 1, pixels - left)):
                    value = toward[pixels * (low + a) + left + b]
                    along_u += value * up[a] * slope_across[b]
                    along_v += value * slope_up[a] * across[b]
            u_bar[m, q] = share * along_u
            v_bar[m, q] = share * along_v
