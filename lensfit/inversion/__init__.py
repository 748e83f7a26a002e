"""Pixelised sources: mapping matrix T, curvature matrix F = T^T w_tilde T and data vector D = T^T d."""
from lensfit.inversion.curvature import ROUTES, Plan, curvature, plan
from lensfit.inversion.mapping import MappingMatrix

__all__ = ["ROUTES", "MappingMatrix", "Plan", "curvature", "plan"]
