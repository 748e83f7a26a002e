"""Light and mass profiles, and a source on pixels."""
from lensfit.profiles.base import LightProfile, MassProfile, Profile, parameter
from lensfit.profiles.epl import EPL
from lensfit.profiles.gaussian import Gaussian, MultiGaussian
from lensfit.profiles.pixel_source import PixelSource
from lensfit.profiles.sersic import Exponential, Sersic
from lensfit.profiles.shear import Shear
from lensfit.profiles.sie import SIE

__all__ = [
    "EPL",
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
