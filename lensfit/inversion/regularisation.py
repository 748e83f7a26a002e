"""What holds a pixelised source: the matrix lambda C of its regularisation, positive definite, and ln det."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import ModelError
from lensfit.profiles import PixelSource
from lensfit.pytree import pytree

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FAINTEST = 1e-3
"""Of "adaptive": the brightness, over that of the brightest node, below which all nodes are held alike."""


@pytree
class Regularisation:
    """lambda C (S, S) and its ln det.

    By its entries `values` at (`rows`, `columns`), all (P,), some of them at one place; or, with `rows` None,
    `values` is the matrix itself. Coefficients are in the order pixels * row + column.
    """

    values: jax.Array
    rows: Any
    columns: Any
    log_det: jax.Array

    def plus(self, matrix: jax.Array) -> jax.Array:
        """matrix (N, N), N >= S, with lambda C added to its first rows and columns."""
        if self.rows is None:
            size = len(self.values)
            return matrix.at[:size, :size].add(self.values)
        return matrix.at[self.rows, self.columns].add(self.values)

    def penalty(self, s: jax.Array) -> jax.Array:
        """lambda s^T C s of coefficients s (S,)."""
        if self.rows is None:
            return s @ (self.values @ s)
        return jnp.sum(self.values * s[self.rows] * s[self.columns])


def check_source(source: PixelSource, name: str) -> None:
    """Raise ModelError where a source on pixels called `name` cannot be solved for, whatever its numbers are."""
    wrong = {
        f"pixels {source.pixels!r}; give a whole number from 2 on, the nodes along a side": (
            isinstance(source.pixels, bool) or not isinstance(source.pixels, int) or source.pixels < 2
        ),
        f"order {source.order!r}; there are 1, 2 and 3": source.order not in (1, 2, 3),
        f"positive {source.positive!r}; it is true or false": not isinstance(source.positive, bool),
        f"no regularisation {source.regularisation!r}; there are {', '.join(_KINDS)}": (
            source.regularisation not in tuple(_KINDS)
        ),
    }
    for field, kind in (("length", "matern"), ("contrast", "adaptive"), ("reference", "adaptive")):
        given, said = getattr(source, field) is not None, f"the regularisation {source.regularisation!r}"
        wrong[f"{said} needs a {field}"] = source.regularisation == kind and not given
        wrong[f"{said} has no {field}"] = source.regularisation != kind and given
    if source.reference is not None:
        shape = np.shape(source.reference)
        wrong[f"reference has shape {shape}, not {(source.pixels,) * 2}"] = shape != (source.pixels,) * 2
    for message, is_so in wrong.items():
        if is_so:
            raise ModelError(f"{name}: {message}")


def regularisation(source: PixelSource) -> Regularisation:
    """The regularisation of a source that `check_source` finds in order."""
    return _KINDS[source.regularisation](source)


def _scaled(source: PixelSource, rows: Any, columns: Any, values: Any, log_det: Any) -> Regularisation:
    strength = jnp.asarray(source.strength)
    return Regularisation(
        values=10.0**strength * jnp.asarray(values), rows=rows, columns=columns,
        log_det=source.pixels**2 * np.log(10.0) * strength + log_det,
    )


def _laplacian(pixels: int) -> csr_array:
    """(S, S): s^T L s is the sum of squared differences between neighbours, those on the border to zero."""
    from scipy.sparse import csr_array, eye_array, kron  # they take long to load

    one = eye_array(pixels)
    line = 2 * one - eye_array(pixels, k=1) - eye_array(pixels, k=-1)
    return csr_array(kron(one, line) + kron(line, one))


def _power(source: PixelSource, power: int) -> Regularisation:
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import matrix_power

    line = 2 - 2 * np.cos(np.pi * np.arange(1, source.pixels + 1) / (source.pixels + 1))
    log_det = power * np.sum(np.log(line[:, None] + line))
    matrix = coo_array(matrix_power(_laplacian(source.pixels), power))
    return _scaled(source, *(a.astype(np.int32) for a in matrix.coords), matrix.data, log_det)


def _adaptive(source: PixelSource) -> Regularisation:
    """Squared differences of neighbours, each over the (2 contrast)-th power of their brightness."""
    n, reference = source.pixels, jnp.asarray(source.reference)
    bright = jnp.maximum(reference, 0.0) / jnp.max(reference)
    bright = jnp.pad(jnp.sqrt(bright * bright + FAINTEST**2), 1, mode="edge")
    across = (0.5 * (bright[1:-1, 1:] + bright[1:-1, :-1])) ** (-2 * source.contrast)
    along = (0.5 * (bright[1:, 1:-1] + bright[:-1, 1:-1])) ** (-2 * source.contrast)
    node = np.arange(n * n).reshape(n, n)
    pairs = [
        (node, node, across[:, 1:] + across[:, :-1] + along[1:] + along[:-1]),
        (node[:, 1:], node[:, :-1], -across[:, 1:-1]),
        (node[:, :-1], node[:, 1:], -across[:, 1:-1]),
        (node[1:], node[:-1], -along[1:-1]),
        (node[:-1], node[1:], -along[1:-1]),
    ]
    rows, columns = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    values = jnp.concatenate([pair[2].ravel() for pair in pairs])
    factor = jnp.linalg.cholesky(jnp.zeros((n * n, n * n)).at[rows, columns].add(values))
    return _scaled(source, rows, columns, values, 2 * jnp.sum(jnp.log(jnp.diagonal(factor))))


def _matern(source: PixelSource) -> Regularisation:
    """Inverse of the covariance (1 + r) exp(-r), r = sqrt(3) distance / length (Matern, nu = 3/2)."""
    y, x = np.divmod(np.arange(source.pixels**2), source.pixels)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    r = np.sqrt(3) * distance * source.step / source.length
    factor = jnp.linalg.cholesky((1 + r) * jnp.exp(-r))
    inverse = jax.scipy.linalg.cho_solve((factor, True), jnp.eye(len(distance)))
    return _scaled(source, None, None, inverse, -2 * jnp.sum(jnp.log(jnp.diagonal(factor))))


_KINDS: dict[str, Callable[[PixelSource], Regularisation]] = {
    "gradient": partial(_power, power=1), "curvature": partial(_power, power=2), "adaptive": _adaptive,
    "matern": _matern,
}
