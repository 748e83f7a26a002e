"""Figures of a fit to visibilities whose source is on pixels."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lensfit.likelihood.joint import Observations
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.plots._panels import in_two_rows, new_figure
from lensfit.plots.pixels import magnification_map, pixel_plane, show_deviation, show_reconstruction
from lensfit.plots.scene import unmasked_field
from lensfit.plots.visibilities import (
    MILLI,
    VISIBILITY_FIGURES,
    VisibilityScene,
    baselines,
    dirty,
    dirty_model,
    dirty_residual,
    seen_by,
    sky,
    visibility_single,
)


def pixel_visibility_scene(observations: Observations, found: Reconstruction) -> VisibilityScene:
    """Everything that the figures of a reconstruction need; it is of the observations."""
    likelihood, image = observations.held().likelihood(), found.seen[0]
    above = image.lensed + likelihood.light(found.model.without_pixels())
    images = seen_by(observations, likelihood, above, image.lensed, image.image)
    plane = pixel_plane(found, unmasked_field(observations.datasets[0]))
    return VisibilityScene(model=found.model, plane=plane, **images)


def source(axes: Axes, scene: VisibilityScene) -> None:
    """The source as it was reconstructed, with the caustics."""
    show_reconstruction(axes, scene, 1e3 * scene.plane.source_plane, MILLI)


def source_deviation(axes: Axes, scene: VisibilityScene) -> None:
    """Posterior standard deviation of the source's brightness at each node, with the caustics."""
    assert scene.plane.deviation is not None
    show_deviation(axes, scene, 1e3 * scene.plane.deviation, MILLI)


def overview(scene: VisibilityScene) -> Figure:
    """Dirty image, its model and residual, residuals by baseline; sky, source with deviation, magnification."""
    panels = (dirty, dirty_model, dirty_residual, baselines, sky, source, source_deviation, magnification_map)
    return in_two_rows(new_figure(14.6, 6.2), panels, scene)


PIXEL_VISIBILITY_FIGURES: dict[str, Callable[[VisibilityScene], Figure]] = VISIBILITY_FIGURES | {
    "overview": overview,
    "source": partial(visibility_single, source),
    "source_deviation": partial(visibility_single, source_deviation),
    "magnification": partial(visibility_single, magnification_map),
}
"""Every figure of a fit to visibilities whose source is on pixels, by the name of its file."""
