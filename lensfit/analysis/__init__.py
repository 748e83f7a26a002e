"""The road from data to verdict: an analysis, and the steps that carry it forward."""
from lensfit.analysis.analysis import Analysis, Step, load
from lensfit.analysis.auto_source import AutoSource
from lensfit.analysis.galaxies import Companions
from lensfit.analysis.pixel_model import Mesh
from lensfit.analysis.road import analyse, prepare, standard_road
from lensfit.analysis.source_on_pixels import SourceOnPixels
from lensfit.analysis.steps import Calibration, Posterior, Region, Search
from lensfit.analysis.warming import Warmed, warm_up

__all__ = [
    "Analysis",
    "AutoSource",
    "Calibration",
    "Companions",
    "Mesh",
    "Posterior",
    "Region",
    "Search",
    "SourceOnPixels",
    "Step",
    "Warmed",
    "analyse",
    "load",
    "prepare",
    "standard_road",
    "warm_up",
]
