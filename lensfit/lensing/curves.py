"""Critical curves, caustics, and the Einstein radius that they define."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import contourpy
import numpy as np

from lensfit.errors import ModelError
from lensfit.lensing.lens_equation import Field, centers, eigenvalues, in_chunks, traced
from lensfit.model import LensModel

CELLS = 300
"""Cells along a side of the field in which the curves are looked for."""
STEP = 1e-5
"""Distance over which the eigenvalues are differenced [arcsec]."""
CUT_RADIUS = 1e-4
"""Radius of the circle about a singular mass whose image in the source plane is the cut [arcsec]."""

TANGENTIAL, RADIAL = 0, 1


@dataclasses.dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f"<CriticalCurves: {len(self.tangential)} tangential, {len(self.radial)} radial, with their caustics>"

    @property
    def main(self) -> np.ndarray:
        """The closed tangential critical curve (N, 2) that encloses the largest area.

        Raises:
            ModelError: there is none.
        """
        return _largest(self.tangential)


def critical_curves(model: LensModel, field: Field) -> CriticalCurves:
    """Critical curves of a model of numbers inside a field, to about 1e-9 arcsec, and their caustics."""
    tangential, radial = _curves(model, field, (TANGENTIAL, RADIAL))
    return CriticalCurves(
        tangential=tuple(tangential),
        radial=tuple(radial),
        tangential_caustics=tuple(_to_source(model, c) for c in tangential),
        radial_caustics=tuple(_to_source(model, c) for c in radial),
        cuts=tuple(_cuts(model, radial)),
    )


def main_critical_curve(model: LensModel, field: Field) -> np.ndarray:
    """`critical_curves(model, field).main` (N, 2), without the other curves.

    Raises:
        ModelError: there is none.
    """
    return _largest(*_curves(model, field, (TANGENTIAL,)))


def einstein_radius(model: LensModel, curve: np.ndarray) -> float:
    """Effective Einstein radius [arcsec]: sqrt(area / pi) inside the tangential critical curve.

    `curve` (N, 2) is the model's own (`main_critical_curve`), or that of a model that differs very little.
    """
    return float(np.sqrt(_area(_on_curve(model, TANGENTIAL, curve)) / np.pi))


def einstein_radius_of(model: LensModel, field: Field) -> float:
    """Effective Einstein radius [arcsec] of a model of numbers, whatever its masses: that of its critical curve.

    NaN where no tangential critical curve closes inside the field.
    """
    try:
        curve = main_critical_curve(model, field)
    except ModelError:
        return float("nan")
    return einstein_radius(model, curve)


def _area(points: np.ndarray) -> float:
    """Area inside a closed polygon (N, 2) [arcsec^2]."""
    x, y = points.T
    return 0.5 * abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()))


def _curves(model: LensModel, field: Field, kinds: tuple[int, ...]) -> list[list[np.ndarray]]:
    """The curves of each kind inside a field."""
    x, y = field.cells(CELLS)
    values = eigenvalues(in_chunks(traced, model, x, y)[1])
    return [_lines(model, kind, x, y, values[kind]) for kind in kinds]


def _lines(model: LensModel, kind: int, x: np.ndarray, y: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """The curves on which an eigenvalue vanishes: the contours of its values over a grid (H, W), moved onto the zero.

    Those of less than three cells are left out: a grid point on a singular mass would seem to have one.
    """
    curves = []
    for curve in contourpy.contour_generator(x, y, values).lines(0.0):
        points = np.array(curve)
        if np.ptp(points, axis=0).max() < 3 * (x[0, 1] - x[0, 0]):
            continue
        for _ in range(4):
            points = _on_curve(model, kind, points)
        curves.append(points)
    return curves


def _on_curve(model: LensModel, kind: int, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) moved to where an eigenvalue vanishes, one step of Newton's method along its slope."""
    right, above = STEP * np.array([[0, 1, -1, 0, 0], [0, 0, 0, 1, -1]])[..., None]
    a = in_chunks(traced, model, points[:, 0] + right, points[:, 1] + above)[1]
    values = eigenvalues(a)[kind]
    slope = np.stack([values[1] - values[2], values[3] - values[4]], -1) / (2 * STEP)
    return points - (values[0] / np.sum(slope * slope, -1))[:, None] * slope


def _to_source(model: LensModel, curve: np.ndarray) -> np.ndarray:
    return in_chunks(traced, model, curve[:, 0], curve[:, 1])[0]


def _cuts(model: LensModel, radial: list[np.ndarray]) -> list[np.ndarray]:
    """The image of a tiny circle about each mass: a curve where the mass is singular, else a point."""
    angle = np.linspace(0, 2 * np.pi, 721)
    circle = CUT_RADIUS * np.stack([np.cos(angle), np.sin(angle)], -1)
    bare = [center for center in centers(model.mass).values() if not _inside(radial, center)]
    found = [_to_source(model, circle + center) for center in bare]
    return [cut for cut in found if np.ptp(cut, axis=0).max() > 100 * CUT_RADIUS]


def _largest(curves: Iterable[np.ndarray]) -> np.ndarray:
    """The closed curve that encloses the largest area. Raises ModelError where none is closed."""
    closed = [curve for curve in curves if _is_closed(curve)]
    if not closed:
        raise ModelError("no closed tangential critical curve in this field; widen it if there is one")
    return max(closed, key=_area)


def _is_closed(curve: np.ndarray) -> bool:
    return bool(np.allclose(curve[0], curve[-1], atol=1e-6))


def _inside(curves: list[np.ndarray], point: np.ndarray) -> bool:
    """Whether a closed curve winds about the point."""
    for curve in curves:
        angle = np.unwrap(np.arctan2(*(curve - point).T[::-1]))
        if abs(angle[-1] - angle[0]) > np.pi:
            return True
    return False
