"""Fits with the source on pixels: model and mesh from a parametric fit, and whether the result may be believed."""
