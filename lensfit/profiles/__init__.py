"""Light and mass profiles, and a source on pixels."""
from lensfit.profiles.base import LightProfile, MassProfile, Profile, parameter
from lensfit.profiles.convergence_sheet import ConvergenceSheet
from lensfit.profiles.dpie import DPIE
from lensfit.profiles.epl import EPL
from lensfit.profiles.gaussian import Gaussian, MultiGaussian
from lensfit.profiles.multipole import Multipole1, Multipole3, Multipole4
from lensfit.profiles.nfw import NFW
from lensfit.profiles.pixel_source import PixelSource
from lensfit.profiles.point_mass import PointMass
from lensfit.profiles.sersic import Exponential, Sersic
from lensfit.profiles.shear import Shear
from lensfit.profiles.sie import SIE
from lensfit.profiles.sis import SIS

__all__ = [
    "DPIE",
    "EPL",
    "NFW",
    "SIE",
    "SIS",
    "ConvergenceSheet",
    "Exponential",
    "Gaussian",
    "LightProfile",
    "MassProfile",
    "MultiGaussian",
    "Multipole1",
    "Multipole3",
    "Multipole4",
    "PixelSource",
    "PointMass",
    "Profile",
    "Sersic",
    "Shear",
    "parameter",
]
