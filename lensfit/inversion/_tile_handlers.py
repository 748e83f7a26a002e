"""The kernels of `_rays`, `_tiles` and `_lapack` as XLA calls them: the arrays are taken out of its frame."""
from __future__ import annotations

from numba import carray, njit  # pyright: ignore[reportPrivateImportUsage]

from lensfit.inversion import _lapack, _rays, _tiles
from lensfit.native.frame import argument, float64, int32, int64, result, understood

_helper = njit(error_model="numpy")


@_helper
def _size(buffer, axis):
    return int64(buffer[5])[axis]


@_helper
def _vector(buffer):
    return carray(float64(buffer[3]), (_size(buffer, 0),))


@_helper
def _matrix(buffer):
    return carray(float64(buffer[3]), (_size(buffer, 0), _size(buffer, 1)))


@_helper
def _whole(buffer):
    return carray(int32(buffer[3]), (_size(buffer, 0),))


@_helper
def _whole_matrix(buffer):
    return carray(int32(buffer[3]), (_size(buffer, 0), _size(buffer, 1)))


@_helper
def entries(frame):
    """`_rays.entries` of u, v and (pixels, order)."""
    if understood(frame, 3, 2):
        u, v, numbers = _matrix(argument(frame, 0)), _matrix(argument(frame, 1)), _whole(argument(frame, 2))
        indices, weights = _whole_matrix(result(frame, 0)), _matrix(result(frame, 1))
        _rays.entries(u, v, int(numbers[0]), int(numbers[1]), indices, weights)
    return 0


@_helper
def entries_back(frame):
    """`_rays.entries_back` of u, v, (pixels, order), indices and the cotangent of the weights."""
    if understood(frame, 5, 2):
        u, v, numbers = _matrix(argument(frame, 0)), _matrix(argument(frame, 1)), _whole(argument(frame, 2))
        indices, cotangent = _whole_matrix(argument(frame, 3)), _matrix(argument(frame, 4))
        u_bar, v_bar = _matrix(result(frame, 0)), _matrix(result(frame, 1))
        _rays.entries_back(u, v, int(numbers[0]), int(numbers[1]), indices, cotangent, u_bar, v_bar)
    return 0


@_helper
def _observed(frame):
    """What both kernels of the tiles take first, in their order."""
    return (
        _matrix(argument(frame, 0)),
        _matrix(argument(frame, 1)),
        _whole(argument(frame, 2)),
        _whole(argument(frame, 3)),
        _vector(argument(frame, 4)),
        _matrix(argument(frame, 5)),
        _matrix(argument(frame, 6)),
        _vector(argument(frame, 7)),
        _whole(argument(frame, 8)),
        _whole(argument(frame, 9)),
    )


@_helper
def normal(frame):
    """`_tiles.normal`."""
    if understood(frame, 10, 2):
        u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh = _observed(frame)
        curvature, vector = _matrix(result(frame, 0)), _vector(result(frame, 1))
        _tiles.normal(u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh, curvature, vector)
    return 0


@_helper
def normal_back(frame):
    """`_tiles.normal_back`."""
    if understood(frame, 12, 4):
        u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh = _observed(frame)
        symmetric, toward = _matrix(argument(frame, 10)), _vector(argument(frame, 11))
        _tiles.normal_back(
            u, v, rays, seen, inverse_noise, psf, columns, target, shape, mesh, symmetric, toward,
            _matrix(result(frame, 0)), _matrix(result(frame, 1)), _matrix(result(frame, 2)), _vector(result(frame, 3)),
        )
    return 0


@_helper
def solve(frame):
    """`_lapack.solve` of A and D."""
    if understood(frame, 2, 3):
        factor, s, log_det = _matrix(result(frame, 0)), _vector(result(frame, 1)), _vector(result(frame, 2))
        _lapack.solve(_matrix(argument(frame, 0)), _vector(argument(frame, 1)), factor, s, log_det)
    return 0


@_helper
def inverse(frame):
    """`_lapack.inverse` of a factor."""
    if understood(frame, 1, 1):
        _lapack.inverse(_matrix(argument(frame, 0)), _matrix(result(frame, 0)))
    return 0
