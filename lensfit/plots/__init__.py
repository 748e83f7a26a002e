"""Figures of data and fits, each a function that returns a matplotlib Figure."""
from lensfit.plots._panels import data_unit
from lensfit.plots.comparison import Course, comparison_figure
from lensfit.plots.compass import position_angle, sky_axes
from lensfit.plots.fit import FIGURES, draw_glance, overview, profile_figure, single
from lensfit.plots.inspect import inspect_figure
from lensfit.plots.pixel_visibilities import PIXEL_VISIBILITY_FIGURES, pixel_visibility_scene
from lensfit.plots.pixels import PIXEL_FIGURES, pixel_scene
from lensfit.plots.samples import SAMPLE_FIGURES, corner_figure, trace_figure
from lensfit.plots.scene import Glance, ModelImages, Scene, unmasked_field
from lensfit.plots.visibilities import VISIBILITY_FIGURES, VisibilityScene, inspect_visibilities

__all__ = [
    "FIGURES",
    "PIXEL_FIGURES",
    "PIXEL_VISIBILITY_FIGURES",
    "SAMPLE_FIGURES",
    "VISIBILITY_FIGURES",
    "Course",
    "Glance",
    "ModelImages",
    "Scene",
    "VisibilityScene",
    "comparison_figure",
    "corner_figure",
    "data_unit",
    "draw_glance",
    "inspect_figure",
    "inspect_visibilities",
    "overview",
    "pixel_scene",
    "pixel_visibility_scene",
    "position_angle",
    "profile_figure",
    "single",
    "sky_axes",
    "trace_figure",
    "unmasked_field",
]
