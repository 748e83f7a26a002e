"""Figures of a fit to visibilities whose source is on pixels."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from lensfit.datasets import Interferometer
from lensfit.lensing import CriticalCurves, Field, Image
from lensfit.likelihood.joint import Observations
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.plots._panels import new_figure
from lensfit.plots.pixels import PixelPlane, magnification_map, source, source_deviation
from lensfit.plots.scene import unmasked_field
from lensfit.plots.visibilities import (
    VISIBILITY_FIGURES,
    baselines,
    dirty,
    dirty_model,
    dirty_residual,
    seen_by,
    sky,
    visibility_single,
)


@dataclasses.dataclass(frozen=True, eq=False)
class PixelVisibilityScene:
    """A fit to visibilities as the figures show it: as in `VisibilityScene` and `PixelPlane`."""

    imaging: Interferometer
    corrected: tuple[Interferometer, ...]
    model: LensModel
    dirty: np.ndarray
    dirty_model: np.ndarray
    dirty_residual: np.ndarray
    sky: np.ndarray
    source: np.ndarray
    seen: np.ndarray
    field: Field
    curves: CriticalCurves
    positions: tuple[Image, ...]
    source_field: Field
    source_plane: np.ndarray
    mesh_field: Field
    deviation: np.ndarray

    @classmethod
    def of(cls, observations: Observations, found: Reconstruction) -> PixelVisibilityScene:
        """Everything that the figures of a reconstruction need; it is of the observations."""
        likelihood, image = observations.held().likelihood(), found.seen[0]
        above = image.lensed + likelihood.light(found.model.without_pixels())
        images = seen_by(observations, likelihood, above, image.lensed, image.image)
        plane = PixelPlane.of(found, unmasked_field(observations.datasets[0]))
        return cls(model=found.model, **images, **vars(plane))


def overview(scene: PixelVisibilityScene) -> Figure:
    """Dirty image, its model and residual, residuals by baseline; sky, source with deviation, magnification."""
    figure = new_figure(14.6, 6.2)
    panels = (dirty, dirty_model, dirty_residual, baselines, sky, source, source_deviation, magnification_map)
    for axes, panel in zip(figure.subplots(2, 4).flat, panels, strict=True):
        panel(axes, scene)  # pyright: ignore[reportArgumentType]
    return figure


PIXEL_VISIBILITY_FIGURES: dict[str, Callable[..., Figure]] = VISIBILITY_FIGURES | {
    "overview": overview,
    "source": partial(visibility_single, source),
    "source_deviation": partial(visibility_single, source_deviation),
    "magnification": partial(visibility_single, magnification_map),
}
"""Every figure of a fit to visibilities whose source is on pixels, by the name of its file."""
