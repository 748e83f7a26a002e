"""lensfit: strong gravitational lens modelling with gradients, from data to a trusted model.

    import lensfit

    lensfit.setup()
    analysis = lensfit.analyse("data/jwst_mock")
    print(analysis.summary())
    analysis.save("runs/mine")

`analyse` is the whole road, its steps are in `lensfit.analysis`; below it are `Problem` and `fit`. Names are imported
when they are first used: `import lensfit` itself loads neither JAX nor matplotlib.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lensfit.version import __version__

if TYPE_CHECKING:
    from lensfit import analysis, errors, priors, profiles, progress, standard
    from lensfit.analysis import Analysis, analyse, load, warm_up
    from lensfit.comparison import compare
    from lensfit.coolest import read_coolest
    from lensfit.cosmology import Redshifts
    from lensfit.datasets import (
        Galaxy,
        Imaging,
        Interferometer,
        Visibilities,
        read_imaging,
        read_interferometer,
        write_imaging,
        write_interferometer,
    )
    from lensfit.fitters.checkpoint import Store
    from lensfit.fitters.result import FitResult
    from lensfit.instruments import Instrument
    from lensfit.likelihood.calibration import Observations
    from lensfit.likelihood.imaging import ImagingLikelihood
    from lensfit.likelihood.interferometer import InterferometerLikelihood
    from lensfit.likelihood.pixel_images import PixelImagingLikelihood
    from lensfit.likelihood.pixel_visibilities import PixelInterferometerLikelihood
    from lensfit.maps import Maps
    from lensfit.model import LensModel, Models
    from lensfit.population import fit_population
    from lensfit.problem import Problem
    from lensfit.recipe import DataSection, read_recipe, write_recipe
    from lensfit.registry import fit, fitter
    from lensfit.results import Quantity
    from lensfit.simulate import simulate_imaging, simulate_interferometer
    from lensfit.start_up import setup
    from lensfit.survey import analyse_many
    from lensfit.terms import Sum
    from lensfit.verdict import Check, Trust

_MODULES = ("analysis", "errors", "priors", "profiles", "progress", "standard")
_HOMES = {
    "lensfit.analysis": ("Analysis", "analyse", "load", "warm_up"),
    "lensfit.comparison": ("compare",),
    "lensfit.coolest": ("read_coolest",),
    "lensfit.cosmology": ("Redshifts",),
    "lensfit.datasets": (
        "Galaxy", "Imaging", "Interferometer", "Visibilities", "read_imaging", "read_interferometer", "write_imaging",
        "write_interferometer",
    ),
    "lensfit.fitters.checkpoint": ("Store",),
    "lensfit.fitters.result": ("FitResult",),
    "lensfit.instruments": ("Instrument",),
    "lensfit.likelihood.calibration": ("Observations",),
    "lensfit.likelihood.imaging": ("ImagingLikelihood",),
    "lensfit.likelihood.interferometer": ("InterferometerLikelihood",),
    "lensfit.likelihood.pixel_images": ("PixelImagingLikelihood",),
    "lensfit.likelihood.pixel_visibilities": ("PixelInterferometerLikelihood",),
    "lensfit.maps": ("Maps",),
    "lensfit.model": ("LensModel", "Models"),
    "lensfit.population": ("fit_population",),
    "lensfit.problem": ("Problem",),
    "lensfit.recipe": ("DataSection", "read_recipe", "write_recipe"),
    "lensfit.registry": ("fit", "fitter"),
    "lensfit.results": ("Quantity",),
    "lensfit.simulate": ("simulate_imaging", "simulate_interferometer"),
    "lensfit.start_up": ("setup",),
    "lensfit.survey": ("analyse_many",),
    "lensfit.terms": ("Sum",),
    "lensfit.verdict": ("Check", "Trust"),
}  # fmt: skip

__all__ = [
    "Analysis",
    "Check",
    "DataSection",
    "FitResult",
    "Galaxy",
    "Imaging",
    "ImagingLikelihood",
    "Instrument",
    "Interferometer",
    "InterferometerLikelihood",
    "LensModel",
    "Maps",
    "Models",
    "Observations",
    "PixelImagingLikelihood",
    "PixelInterferometerLikelihood",
    "Problem",
    "Quantity",
    "Redshifts",
    "Store",
    "Sum",
    "Trust",
    "Visibilities",
    "__version__",
    "analyse",
    "analyse_many",
    "analysis",
    "compare",
    "errors",
    "fit",
    "fit_population",
    "fitter",
    "load",
    "priors",
    "profiles",
    "progress",
    "read_coolest",
    "read_imaging",
    "read_interferometer",
    "read_recipe",
    "setup",
    "simulate_imaging",
    "simulate_interferometer",
    "standard",
    "warm_up",
    "write_imaging",
    "write_interferometer",
    "write_recipe",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"lensfit.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'lensfit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
