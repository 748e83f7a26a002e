"""The global fit from the data alone: lens light, search of mass and source, joint fit, trust."""
from lensfit.staged.fitter import Staged

__all__ = ["Staged"]
