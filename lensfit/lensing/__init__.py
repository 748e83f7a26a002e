"""What a lens does: magnification, critical curves and caustics, images of a point, Einstein radius."""
from lensfit.lensing.curves import CriticalCurves, critical_curves, einstein_radius, einstein_radius_of
from lensfit.lensing.flux import (
    Cells,
    bright_cells,
    brightness_at,
    flux,
    half_light_radius,
    mean_images,
    source_magnification,
    unlensed,
)
from lensfit.lensing.lens_equation import (
    Field,
    Image,
    centers,
    image_positions,
    in_chunks,
    jacobian,
    magnification,
    traced,
    unmasked_field,
    whole_field,
)

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
    "half_light_radius",
    "image_positions",
    "in_chunks",
    "jacobian",
    "magnification",
    "mean_images",
    "source_magnification",
    "traced",
    "unlensed",
    "unmasked_field",
    "whole_field",
]
