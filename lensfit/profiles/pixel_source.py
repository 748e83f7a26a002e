"""A source on pixels: a square mesh of B-splines whose coefficients the likelihood solves."""
from __future__ import annotations

import dataclasses
from typing import Any, Literal

from lensfit.names import Regularisation
from lensfit.profiles.base import Profile, parameter
from lensfit.pytree import pytree, static


def mesh_position(x: Any, y: Any, center_x: Any, center_y: Any, half_width: Any, pixels: int) -> tuple[Any, Any]:
    """Where source-plane points (x, y) [arcsec] lie on the mesh, in steps from node to node.

    The first node is at 0, the last at pixels - 1; half_width is from the centre to the outermost nodes.
    """
    steps = (pixels - 1) / 2
    scale = steps / half_width
    return steps + scale * (x - center_x), steps + scale * (y - center_y)


def _only_for(kind: str, unit: str, symbol: str) -> Any:
    metadata = {"unit": unit, "symbol": symbol, "role": "regularisation", "only_for": kind}
    return dataclasses.field(default=None, metadata=metadata)


@pytree
class PixelSource(Profile):
    """Source brightness sum_ij s_ij B(u - j) B(v - i) on a mesh of pixels x pixels nodes, zero beyond it.

    (u, v) is `mesh_position`, B the B-spline of `order` 1 (bilinear, with kinks), 2 (quadratic) or 3 (cubic).
    The coefficients s are no parameters: a `PixelImagingLikelihood` or `PixelInterferometerLikelihood` solves
    them, with lambda s^T C s as their regularisation, or with s >= 0 if `positive`.

    Attributes:
        strength: log10 of lambda, of unit 1 / (data unit)^2.
        length: correlation length of "matern" [arcsec].
        contrast: of "adaptive", from 0 (as "gradient") to about 1: by how much bright parts are less held.
        reference: (pixels, pixels) of "adaptive", fixed: the brightness expected on the mesh, in any unit.
        regularisation: C. "gradient" and "curvature": squared differences of first and second order, to the
            zero border too; "adaptive": of first order, weighted by the reference; "matern": the inverse of a
            Matern covariance.
    """

    formula = staticmethod(mesh_position)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    half_width: Any = parameter("arcsec", "w", "half_width")
    strength: Any = parameter("", r"\log_{10}\lambda", "regularisation")
    length: Any = _only_for("matern", "arcsec", r"\ell")
    contrast: Any = _only_for("adaptive", "", r"\gamma")
    reference: Any = _only_for("adaptive", "", "b")
    pixels: int = static()
    order: Literal[1, 2, 3] = static(default=2)
    regularisation: Regularisation = static(default="gradient")
    positive: bool = static(default=False)

    def position(self, x: Any, y: Any) -> tuple[Any, Any]:
        """`mesh_position` of source-plane points (x, y) [arcsec]."""
        return mesh_position(x, y, self.center_x, self.center_y, self.half_width, self.pixels)

    @property
    def step(self) -> Any:
        """From node to node [arcsec]."""
        return 2 * self.half_width / (self.pixels - 1)
