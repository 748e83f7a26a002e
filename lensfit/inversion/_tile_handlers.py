"""The kernels of `_rays`, `_tiles` and `_lapack` as XLA calls them: the arrays are taken out of its frame."""
from __future__ import annotations

from numba import njit

from lensfit.inversion import _lapack, _rays, _tiles
from lensfit.inversion._arrays import as_matrix, as_vector, as_whole, as_whole_matrix
from lensfit.native.frame import argument, result, understood

_helper = njit(error_model="numpy")


@_helper
def entries(frame):
    """`_rays.entries` of u, v and (pixels, order)."""
    if understood(frame, 3, 2):
        u, v, numbers = as_matrix(argument(frame, 0)), as_matrix(argument(frame, 1)), as_whole(argument(frame, 2))
        indices, weights = as_whole_matrix(result(frame, 0)), as_matrix(result(frame, 1))
        _rays.entries(u, v, int(numbers[0]), int(numbers[1]), indices, weights)
    return 0


@_helper
def entries_back(frame):
    """`_rays.entries_back` of u, v, (pixels, order), indices and the cotangent of the weights."""
    if understood(frame, 5, 2):
        u, v, numbers = as_matrix(argument(frame, 0)), as_matrix(argument(frame, 1)), as_whole(argument(frame, 2))
        indices, cotangent = as_whole_matrix(argument(frame, 3)), as_matrix(argument(frame, 4))
        u_bar, v_bar = as_matrix(result(frame, 0)), as_matrix(result(frame, 1))
        _rays.entries_back(u, v, int(numbers[0]), int(numbers[1]), indices, cotangent, u_bar, v_bar)
    return 0


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
def normal(frame):
    """`_tiles.normal`."""
    if understood(frame, 10, 2):
        u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh = _observed(frame)
        curvature, vector = as_matrix(result(frame, 0)), as_vector(result(frame, 1))
        _tiles.normal(u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh, curvature, vector)
    return 0


@_helper
def normal_back(frame):
    """`_tiles.normal_back`."""
    if understood(frame, 12, 4):
        u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh = _observed(frame)
        symmetric, toward = as_matrix(argument(frame, 10)), as_vector(argument(frame, 11))
        _tiles.normal_back(
            u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh, symmetric, toward,
            as_matrix(result(frame, 0)), as_matrix(result(frame, 1)), as_matrix(result(frame, 2)),
            as_vector(result(frame, 3)),
        )
    return 0


@_helper
def solve(frame):
    """`_lapack.solve` of A and D."""
    if understood(frame, 2, 3):
        factor, s, log_det = as_matrix(result(frame, 0)), as_vector(result(frame, 1)), as_vector(result(frame, 2))
        _lapack.solve(as_matrix(argument(frame, 0)), as_vector(argument(frame, 1)), factor, s, log_det)
    return 0


@_helper
def inverse(frame):
    """`_lapack.inverse` of a factor."""
    if understood(frame, 1, 1):
        _lapack.inverse(as_matrix(argument(frame, 0)), as_matrix(result(frame, 0)))
    return 0
