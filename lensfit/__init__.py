"""lensfit: strong gravitational lens modelling with gradients, from data to a trusted model.

Names are imported when they are first used: `import lensfit` itself loads neither JAX nor matplotlib.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lensfit._version import __version__

if TYPE_CHECKING:
    from lensfit import analysis, errors, priors, profiles, progress, standard
    from lensfit.analysis import Analysis, analyse, load
    from lensfit.comparison import compare
    from lensfit.datasets import Imaging, Interferometer, read_imaging, read_interferometer
    from lensfit.fitters.result import FitResult
    from lensfit.likelihood.imaging import ImagingLikelihood
    from lensfit.likelihood.interferometer import InterferometerLikelihood
    from lensfit.likelihood.pixel_images import PixelImagingLikelihood
    from lensfit.likelihood.pixel_visibilities import PixelInterferometerLikelihood
    from lensfit.model import LensModel
    from lensfit.problem import Problem
    from lensfit.registry import fit
    from lensfit.simulate import simulate_imaging, simulate_interferometer
    from lensfit.start_up import setup

__all__ = [
    "Analysis",
    "FitResult",
    "Imaging",
    "ImagingLikelihood",
    "Interferometer",
    "InterferometerLikelihood",
    "LensModel",
    "PixelImagingLikelihood",
    "PixelInterferometerLikelihood",
    "Problem",
    "__version__",
    "analyse",
    "analysis",
    "compare",
    "errors",
    "fit",
    "load",
    "priors",
    "profiles",
    "progress",
    "read_imaging",
    "read_interferometer",
    "setup",
    "simulate_imaging",
    "simulate_interferometer",
    "standard",
]

_HOMES = {
    "Analysis": "lensfit.analysis",
    "FitResult": "lensfit.fitters.result",
    "Imaging": "lensfit.datasets",
    "ImagingLikelihood": "lensfit.likelihood.imaging",
    "Interferometer": "lensfit.datasets",
    "InterferometerLikelihood": "lensfit.likelihood.interferometer",
    "LensModel": "lensfit.model",
    "PixelImagingLikelihood": "lensfit.likelihood.pixel_images",
    "PixelInterferometerLikelihood": "lensfit.likelihood.pixel_visibilities",
    "Problem": "lensfit.problem",
    "analyse": "lensfit.analysis",
    "compare": "lensfit.comparison",
    "fit": "lensfit.registry",
    "load": "lensfit.analysis",
    "read_imaging": "lensfit.datasets",
    "read_interferometer": "lensfit.datasets",
    "setup": "lensfit.start_up",
    "simulate_imaging": "lensfit.simulate",
    "simulate_interferometer": "lensfit.simulate",
}
_MODULES = ("analysis", "errors", "priors", "profiles", "progress", "standard")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"lensfit.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lensfit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
