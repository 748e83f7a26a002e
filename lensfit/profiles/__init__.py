"""Light and mass profiles."""
from lensfit.profiles._base import LightProfile, MassProfile, Profile, parameter
from lensfit.profiles.exponential import Exponential
from lensfit.profiles.gaussian import Gaussian, MultiGaussian
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
    "Profile",
    "Sersic",
    "Shear",
    "parameter",
]
