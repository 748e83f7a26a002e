"""Light and mass profiles, and a source on pixels."""
from lensfit.profiles._base import LightProfile, MassProfile, Profile, parameter
from lensfit.profiles.exponential import Exponential
from lensfit.profiles.gaussian import Gaussian, MultiGaussian
from lensfit.profiles.pixels import PixelSource
from lensfit.profiles.sersic import Sersic
from lensfit.profiles.shear import Shear
from lensfit.profiles.sie import SIE

__all__ = [
    "SIE",
    "Exponential",
    "Gaussian",
    "LightProfile",
    "MassProfile",
    "MultiGaussian",
    "PixelSource",
    "Profile",
    "Sersic",
    "Shear",
    "parameter",
]
