"""lensfit: strong gravitational lens modelling with gradients, from data to a trusted model."""
from lensfit._version import __version__

__all__ = ["__version__"]
