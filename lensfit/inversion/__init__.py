"""Pixelised sources: mapping matrix T, curvature matrix F = T^T w_tilde T and data vector D = T^T d."""
from lensfit.inversion.curvature import curvature
from lensfit.inversion.mapping import MappingMatrix
from lensfit.inversion.routes import ROUTES, Plan, plan

__all__ = ["ROUTES", "MappingMatrix", "Plan", "curvature", "plan"]
