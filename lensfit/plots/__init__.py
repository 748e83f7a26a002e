"""Figures of data and fits, each a function that returns a matplotlib Figure."""
from lensfit.plots.bands import BAND_FIGURES, COLOURS, band_figures
from lensfit.plots.comparison import Course, comparison_figure
from lensfit.plots.image_figures import FIGURES, OVERVIEW_PANELS, PANELS, draw_glance, overview, profile_figure
from lensfit.plots.inspection import inspect_figure
from lensfit.plots.panels import (
    halved,
    new_figure,
    pixels_of,
    png_of,
    position_angle,
    sheet,
    single,
    sky_axes,
    write_png,
)
from lensfit.plots.pixel_source import (
    PIXEL_FIGURES,
    PIXEL_PANELS,
    PIXEL_VISIBILITY_FIGURES,
    PIXEL_VISIBILITY_PANELS,
    pixel_overview,
    pixel_scene,
    pixel_visibility_overview,
    pixel_visibility_scene,
)
from lensfit.plots.samples import SAMPLE_FIGURES, corner_figure, trace_figure
from lensfit.plots.scene import Glance, ModelImages, Scene, VisibilityScene
from lensfit.plots.visibility_figures import (
    VISIBILITY_FIGURES,
    VISIBILITY_PANELS,
    inspect_visibilities,
    visibility_overview,
)

__all__ = [
    "BAND_FIGURES",
    "COLOURS",
    "FIGURES",
    "OVERVIEW_PANELS",
    "PANELS",
    "PIXEL_FIGURES",
    "PIXEL_PANELS",
    "PIXEL_VISIBILITY_FIGURES",
    "PIXEL_VISIBILITY_PANELS",
    "SAMPLE_FIGURES",
    "VISIBILITY_FIGURES",
    "VISIBILITY_PANELS",
    "Course",
    "Glance",
    "ModelImages",
    "Scene",
    "VisibilityScene",
    "band_figures",
    "comparison_figure",
    "corner_figure",
    "draw_glance",
    "halved",
    "inspect_figure",
    "inspect_visibilities",
    "new_figure",
    "overview",
    "pixel_overview",
    "pixel_scene",
    "pixel_visibility_overview",
    "pixel_visibility_scene",
    "pixels_of",
    "png_of",
    "position_angle",
    "profile_figure",
    "sheet",
    "single",
    "sky_axes",
    "trace_figure",
    "visibility_overview",
    "write_png",
]
