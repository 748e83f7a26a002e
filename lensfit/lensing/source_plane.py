"""The part of the source plane that is worth a look: about the source and the caustics."""
from __future__ import annotations

import numpy as np

from lensfit.lensing.curves import CriticalCurves
from lensfit.lensing.flux import brightness_at, unlensed
from lensfit.lensing.lens_equation import Field
from lensfit.model import LensModel
from lensfit.profiles import PixelSource

CELLS = 400
"""Along a side of the field in which the light of the source is looked for."""
FAINT = 0.03
"""Share of the source's peak down to which the part of the source plane reaches."""
MARGIN, MESH_MARGIN = 1.2, 1.15
"""The part over the square about light and caustics, and over that about a mesh and caustics."""


def source_field(model: LensModel, curves: CriticalCurves, field: Field) -> Field:
    """The square about the light of a source of profiles, or about its mesh, and the tangential caustics.

    field: of the image plane, in which the light is looked for.
    """
    meshes = [mesh_field(mesh) for mesh in model.pixels().values()]
    if meshes:
        edges = [np.array([m.x, m.y]) + m.half_width * np.array([[-1.0, -1.0], [1.0, 1.0]]) for m in meshes]
        return _about(np.concatenate([*edges, *curves.tangential_caustics]), MESH_MARGIN)
    x, y = field.cells(CELLS)
    light = brightness_at(unlensed(model), x, y)
    bright = light > FAINT * light.max()
    points = np.concatenate([np.stack([x[bright], y[bright]], -1), *curves.tangential_caustics])
    return _about(points, MARGIN) if len(points) else field


def mesh_field(mesh: PixelSource) -> Field:
    """The square of the cells about the nodes of a source on pixels."""
    return Field(float(mesh.center_x), float(mesh.center_y), float(mesh.half_width + 0.5 * mesh.step))


def within_mesh(mesh: PixelSource, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points (...) of the source plane [arcsec] are where a source on pixels is modelled: as far as its outer
    splines reach."""
    field = mesh_field(mesh)
    reach = field.half_width + 0.5 * mesh.order * float(mesh.step)
    return np.maximum(np.abs(x - field.x), np.abs(y - field.y)) < reach


def _about(points: np.ndarray, margin: float) -> Field:
    """The square about points (N, 2) with a margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    return Field(float(middle[0]), float(middle[1]), 0.5 * margin * float((high - low).max()))
