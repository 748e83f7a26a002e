"""What holds a pixelised source: the matrix lambda C of its regularisation, positive definite, and ln det."""
from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import ModelError
from lensfit.profiles import PixelSource

FAINTEST = 1e-3
"""Of "adaptive": the brightness, over that of the brightest node, below which all nodes are held alike."""


def regularisation(source: PixelSource) -> jax.Array:
    """lambda C (S, S) of the coefficients in the order pixels * row + column.

    Raises:
        ModelError: there is no such regularisation, or it lacks what belongs to it.
    """
    if source.regularisation not in _KINDS:
        raise ModelError(
            f"there is no regularisation {source.regularisation!r} of a pixelised source; there are "
            f"{', '.join(_KINDS)}"
        )
    for name, kind in (("length", "matern"), ("contrast", "adaptive"), ("reference", "adaptive")):
        if (getattr(source, name) is not None) != (source.regularisation == kind):
            said = "needs a" if source.regularisation == kind else "has no"
            raise ModelError(f"the regularisation {source.regularisation!r} {said} {name} of the PixelSource")
    return 10.0 ** jnp.asarray(source.strength) * _KINDS[source.regularisation](source)


def log_determinant(source: PixelSource, matrix: jax.Array) -> jax.Array:
    """ln det of its regularisation `matrix` (S, S): in closed form where there is one."""
    size = source.pixels**2
    if source.regularisation not in _POWERS:
        return 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(matrix))))
    constant = _POWERS[source.regularisation] * float(np.sum(np.log(_laplacian_eigenvalues(source.pixels))))
    return size * np.log(10.0) * jnp.asarray(source.strength) + constant


def _laplacian(pixels: int) -> np.ndarray:
    """(S, S): s^T L s is the sum of squared differences between neighbours, those on the border to zero."""
    line = 2 * np.eye(pixels) - np.eye(pixels, k=1) - np.eye(pixels, k=-1)
    return np.kron(np.eye(pixels), line) + np.kron(line, np.eye(pixels))


def _laplacian_eigenvalues(pixels: int) -> np.ndarray:
    line = 2 - 2 * np.cos(np.pi * np.arange(1, pixels + 1) / (pixels + 1))
    return line[:, None] + line


_POWERS = {"gradient": 1, "curvature": 2}


def _gradient(source: PixelSource) -> jax.Array:
    return jnp.asarray(_laplacian(source.pixels))


def _curvature(source: PixelSource) -> jax.Array:
    matrix = _laplacian(source.pixels)
    return jnp.asarray(matrix @ matrix)


def _adaptive(source: PixelSource) -> jax.Array:
    """Squared differences of neighbours, each over the (2 contrast)-th power of their brightness."""
    n = source.pixels
    reference = jnp.asarray(source.reference)
    if reference.shape != (n, n):
        raise ModelError(f"the reference of an adaptive PixelSource has shape {reference.shape}, not {(n, n)}")
    bright = jnp.maximum(reference, 0.0) / jnp.max(reference)
    bright = jnp.pad(jnp.sqrt(bright * bright + FAINTEST**2), 1, mode="edge")
    across = (0.5 * (bright[1:-1, 1:] + bright[1:-1, :-1])) ** (-2 * source.contrast)
    along = (0.5 * (bright[1:, 1:-1] + bright[:-1, 1:-1])) ** (-2 * source.contrast)
    diagonal = across[:, 1:] + across[:, :-1] + along[1:] + along[:-1]
    node = np.arange(n * n).reshape(n, n)
    matrix = jnp.zeros((n * n, n * n)).at[node, node].set(diagonal)
    for one, other, weight in (
        (node[:, 1:], node[:, :-1], across[:, 1:-1]),
        (node[1:], node[:-1], along[1:-1]),
    ):
        matrix = matrix.at[one, other].set(-weight).at[other, one].set(-weight)
    return matrix


def _matern(source: PixelSource) -> jax.Array:
    """Inverse of the covariance (1 + r) exp(-r), r = sqrt(3) distance / length (Matern, nu = 3/2)."""
    y, x = np.divmod(np.arange(source.pixels**2), source.pixels)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    r = np.sqrt(3) * distance * source.step / source.length
    factor = jnp.linalg.cholesky((1 + r) * jnp.exp(-r))
    return jax.scipy.linalg.cho_solve((factor, True), jnp.eye(len(distance)))


_KINDS: dict[str, Callable[[PixelSource], jax.Array]] = {
    "gradient": _gradient, "curvature": _curvature, "adaptive": _adaptive, "matern": _matern,
}
