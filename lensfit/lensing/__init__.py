"""What a lens does: magnification, critical curves and caustics, images of a point, Einstein radius."""
from lensfit.lensing.curves import CriticalCurves, critical_curves, einstein_radius, einstein_radius_of
from lensfit.lensing.flux import Cells, bright_cells, brightness_at, flux, source_magnification, unlensed
from lensfit.lensing.images import Image, image_positions
from lensfit.lensing.local import Field, centers, jacobian, magnification

__all__ = [
    "Cells",
    "CriticalCurves",
    "Field",
    "Image",
    "bright_cells",
    "brightness_at",
    "centers",
    "critical_curves",
    "einstein_radius",
    "einstein_radius_of",
    "flux",
    "image_positions",
    "jacobian",
    "magnification",
    "source_magnification",
    "unlensed",
]
