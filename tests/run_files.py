"""What a run folder holds, by the kind of fit."""

from lensfit.plots import FIGURES, PIXEL_FIGURES, PIXEL_VISIBILITY_FIGURES, SAMPLE_FIGURES, VISIBILITY_FIGURES

MAP_FILES = ("maps.fits", "critical_curves.reg", "caustics.reg")
WRITTEN = ("manifest.json", "result.json", "parameters.ecsv", "model.fits", "recipe.toml", "report.html", *MAP_FILES)
"""By every analysis."""


def _with(figures, *others):
    return (*WRITTEN, *others, *(f"{name}.png" for name in figures))


IMAGE_FILES, VISIBILITY_FILES = _with(FIGURES), _with(VISIBILITY_FIGURES)
PIXEL_FILES = _with(PIXEL_FIGURES, "source.fits")
PIXEL_VISIBILITY_FILES = _with(PIXEL_VISIBILITY_FIGURES, "source.fits")
SAMPLE_FILES = ("samples.ecsv", "samples.h5", *(f"{name}.png" for name in SAMPLE_FIGURES))
"""As well, where the fitter samples."""
RUN_FILES = ("log.txt", *IMAGE_FILES)
"""That of `lensfit fit` of an image."""
