"""Where the mesh of a source on pixels lies and how strongly it is held, to begin with: from a parametric fit."""
from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter

from lensfit.errors import FitError
from lensfit.inversion.regularisation import regularisation
from lensfit.lensing import brightness_at, unlensed
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import LogNormal, Normal
from lensfit.profiles import PixelSource
from lensfit.pytree import replace

FAINT = 1.0
"""Signal over noise of a pixel, smoothed by one pixel, above which the lensed source is seen."""
INSIDE = 0.9
"""Share of these pixels whose rays fall on the mesh."""
CENTER_WIDTH, SIZE_WIDTH, STRENGTH_WIDTH = 0.3, 0.3, 2.0
"""Widths of the priors: of the centre in half-widths, of ln half-width, and of the strength in powers of ten."""
LENGTH, LENGTH_WIDTH = 0.3, 0.7
"""Median of the correlation length of "matern" in half-widths, and width of the prior of its logarithm."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """How a source is put on pixels, as in `PixelSource`."""

    pixels: int = 28
    order: Literal[1, 2, 3] = 2
    regularisation: Literal["gradient", "curvature", "matern"] = "gradient"
    positive: bool = False


def pixel_source(mesh: Mesh, likelihood: ImagingLikelihood, model: LensModel) -> PixelSource:
    """The source on pixels with its priors, centred where a model of numbers puts the source in an image.

    Raises:
        FitError: the model has no lensed source that is seen in the data.
    """
    x, y, half_width = _extent(likelihood, model)
    placed = PixelSource(
        center_x=x, center_y=y, half_width=half_width, strength=0.0,
        length=LENGTH * half_width if mesh.regularisation == "matern" else None, **vars(mesh),
    )  # fmt: skip
    length = LogNormal(median=LENGTH * half_width, sigma=LENGTH_WIDTH)
    return replace(
        placed,
        center_x=Normal(mean=x, sigma=CENTER_WIDTH * half_width),
        center_y=Normal(mean=y, sigma=CENTER_WIDTH * half_width),
        half_width=LogNormal(median=half_width, sigma=SIZE_WIDTH),
        strength=Normal(mean=_strength(placed, model), sigma=STRENGTH_WIDTH),
        length=None if placed.length is None else length,
    )


def _extent(likelihood: ImagingLikelihood, model: LensModel) -> tuple[float, float, float]:
    """Centre (x, y) and half-width [arcsec] of the square that most of the visible lensed source comes from."""
    source = np.asarray(likelihood.image(model.only("source")) * likelihood.inverse_noise)
    seen = gaussian_filter(source, 1.0)
    bright = (seen > FAINT) & (np.asarray(likelihood.inverse_noise) > 0)
    if np.count_nonzero(bright) < 2:
        raise FitError("no lensed source is seen above the noise in the parametric fit; there is nothing to put on "
                       "pixels")
    beta: Any = model.source_position(*(a[bright] for a in likelihood.coordinates()))
    beta, weight = np.asarray(beta), seen[bright] ** 2
    x, y = (float(np.average(b, weights=weight)) for b in beta)
    return x, y, float(np.quantile(np.maximum(abs(beta[0] - x), abs(beta[1] - y)), INSIDE))


def _strength(placed: PixelSource, model: LensModel) -> float:
    """log10 lambda at which the source of the model, taken at the nodes, is as likely as can be: S / s^T C s."""
    nodes = (np.arange(placed.pixels) - (placed.pixels - 1) / 2) * placed.step
    x, y = np.meshgrid(placed.center_x + nodes, placed.center_y + nodes)
    s = brightness_at(unlensed(model), x, y).ravel()
    return float(np.log10(len(s) / regularisation(placed).penalty(jnp.asarray(s))))
