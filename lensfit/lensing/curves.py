"""Critical curves, caustics, and the Einstein radius that they define."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import contourpy
import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import ModelError
from lensfit.lensing.local import Field, centers, eigenvalues, in_chunks, traced
from lensfit.model import LensModel

CELLS = 300
"""Cells along a side of the field in which the curves are looked for."""
CUT_RADIUS = 1e-4
"""Radius of the circle about a singular mass whose image in the source plane is the cut [arcsec]."""


@dataclasses.dataclass(frozen=True)
class CriticalCurves:
    """Curves as (N, 2) arrays of x, y [arcsec]; a closed one ends where it starts.

    tangential, radial: critical curves in the image plane; tangential_caustics, radial_caustics: the same in
    the source plane, in the same order. cuts: the edge of the region in which a singular mass (as the SIE)
    makes one image more; it stands where other masses have a radial caustic.
    """

    tangential: tuple[np.ndarray, ...]
    radial: tuple[np.ndarray, ...]
    tangential_caustics: tuple[np.ndarray, ...]
    radial_caustics: tuple[np.ndarray, ...]
    cuts: tuple[np.ndarray, ...]

    @property
    def main(self) -> np.ndarray:
        """The closed tangential critical curve (N, 2) that encloses the largest area.

        Raises:
            ModelError: there is none.
        """
        closed = [curve for curve in self.tangential if _is_closed(curve)]
        if not closed:
            raise ModelError("no closed tangential critical curve in this field; widen it if there is one")
        return max(closed, key=lambda curve: float(_area(curve)))


def critical_curves(model: LensModel, field: Field) -> CriticalCurves:
    """Critical curves of a model of numbers inside a field, to about 1e-9 arcsec, and their caustics."""
    x, y = field.cells(CELLS)
    tangential, radial = in_chunks(_eigenvalues, model, x, y)
    step = 2 * field.half_width / CELLS
    tangential = _lines(model, _tangential_slope, x, y, tangential)
    radial = [c for c in _lines(model, _radial_slope, x, y, radial) if np.ptp(c, axis=0).max() > 3 * step]
    return CriticalCurves(
        tangential=tuple(tangential),
        radial=tuple(radial),
        tangential_caustics=tuple(_to_source(model, c) for c in tangential),
        radial_caustics=tuple(_to_source(model, c) for c in radial),
        cuts=tuple(_cuts(model, radial)),
    )


def einstein_radius(model: LensModel, curve: Any) -> jax.Array:
    """Effective Einstein radius [arcsec]: sqrt(area / pi) inside a closed tangential critical curve (N, 2).

    It carries the derivative by the model's numbers, with which the curve moves.
    """
    points = jax.lax.stop_gradient(jnp.asarray(curve)[:-1])
    value, slope = _slope(lambda m, x, y: eigenvalues(m, x, y)[0])(model, points[:, 0], points[:, 1])
    slope = jax.lax.stop_gradient(slope)
    moved = points - (value / jnp.sum(slope * slope, -1))[:, None] * slope
    return jnp.sqrt(_area(moved) / jnp.pi)


def _area(points: Any) -> Any:
    """Area inside a polygon (N, 2) [arcsec^2]."""
    x, y = points[:, 0], points[:, 1]
    return 0.5 * abs((x * jnp.roll(y, -1) - jnp.roll(x, -1) * y).sum())


def _slope(value: Callable[..., jax.Array]) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """value(model, x, y) at points x, y (N,), with its gradient (N, 2) over the sky."""

    def both(model: LensModel, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        one, zero = jnp.ones_like(x), jnp.zeros_like(x)
        at = lambda x, y: value(model, x, y)  # noqa: E731
        found, by_x = jax.jvp(at, (x, y), (one, zero))
        _, by_y = jax.jvp(at, (x, y), (zero, one))
        return found, jnp.stack([by_x, by_y], -1)

    return both


_eigenvalues = jax.jit(eigenvalues)
_tangential_slope = jax.jit(_slope(lambda m, x, y: eigenvalues(m, x, y)[0]))
_radial_slope = jax.jit(_slope(lambda m, x, y: eigenvalues(m, x, y)[1]))


def _lines(
    model: LensModel, slope: Callable[..., Any], x: np.ndarray, y: np.ndarray, values: np.ndarray
) -> list[np.ndarray]:
    """The curves on which an eigenvalue vanishes: contours of its values (H, W), moved onto the zero."""
    curves = []
    for curve in contourpy.contour_generator(x, y, values).lines(0.0):
        points = np.array(curve)
        for _ in range(4):
            value, by = in_chunks(slope, model, points[:, 0], points[:, 1])
            points = points - (value / np.sum(by * by, -1))[:, None] * by
        curves.append(points)
    return curves


def _to_source(model: LensModel, curve: np.ndarray) -> np.ndarray:
    return in_chunks(traced, model, curve[:, 0], curve[:, 1])[0]


def _cuts(model: LensModel, radial: list[np.ndarray]) -> list[np.ndarray]:
    """The image of a tiny circle about each mass: a curve where the mass is singular, else a point."""
    angle = np.linspace(0, 2 * np.pi, 721)
    circle = CUT_RADIUS * np.stack([np.cos(angle), np.sin(angle)], -1)
    bare = [center for center in centers(model.mass).values() if not _inside(radial, center)]
    found = [_to_source(model, circle + center) for center in bare]
    return [cut for cut in found if np.ptp(cut, axis=0).max() > 100 * CUT_RADIUS]


def _is_closed(curve: np.ndarray) -> bool:
    return bool(np.allclose(curve[0], curve[-1], atol=1e-6))


def _inside(curves: list[np.ndarray], point: np.ndarray) -> bool:
    """Whether a closed curve winds about the point."""
    for curve in curves:
        angle = np.unwrap(np.arctan2(*(curve - point).T[::-1]))
        if abs(angle[-1] - angle[0]) > np.pi:
            return True
    return False
