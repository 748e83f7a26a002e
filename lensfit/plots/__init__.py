"""Figures of data and fits, each a function that returns a matplotlib Figure."""
from lensfit.plots.fit import FIGURES, overview, profile_figure, single
from lensfit.plots.inspect import inspect_figure
from lensfit.plots.scene import ModelImages, Scene

__all__ = ["FIGURES", "ModelImages", "Scene", "inspect_figure", "overview", "profile_figure", "single"]
