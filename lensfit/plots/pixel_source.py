"""Figures of a fit whose source is on pixels, to an image or to visibilities."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure

from lensfit.cosmology import Redshifts
from lensfit.datasets import Imaging
from lensfit.lensing import (
    Field,
    critical_curves,
    image_positions,
    mesh_field,
    source_field,
    unmasked_field,
    within_mesh,
)
from lensfit.likelihood.calibration import Observations
from lensfit.likelihood.pixel_images import PixelImagingLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.plots.image_figures import (
    FIGURES,
    PANELS,
    arcs,
    data,
    image_plane,
    lens_light,
    model,
    residual,
    show_caustics,
)
from lensfit.plots.mass_figures import magnification_map
from lensfit.plots.panels import LIGHT, MASKED, SOURCE, in_two_rows, legend, new_figure, note, show, single
from lensfit.plots.scene import PIXELS, AnyScene, ModelImages, Plane, Scene, VisibilityScene, seen_by
from lensfit.plots.visibility_figures import (
    VISIBILITY_FIGURES,
    VISIBILITY_PANELS,
    baselines,
    dirty,
    dirty_model,
    dirty_residual,
    sky,
)


def pixel_plane(found: Reconstruction, field: Field, redshifts: Redshifts | None = None) -> Plane:
    """What a reconstruction looks like in a field of the image plane; the source's field holds mesh and caustics."""
    curves = critical_curves(found.model, field)
    x, y = np.asarray(found.x), np.asarray(found.y)
    row, column = np.unravel_index(np.argmax(found.brightness), found.brightness.shape)
    shown = source_field(found.model, curves, field)
    across, up = shown.cells(PIXELS)
    inside = within_mesh(found.source, across, up)
    return Plane(
        curves=curves,
        positions=tuple(image_positions(found.model, float(x[column]), float(y[row]), field)),
        source_field=shown,
        source_plane=np.where(inside, np.asarray(found.at(across, up)), np.nan),
        mesh_field=mesh_field(found.source),
        deviation=np.asarray(found.deviation),
        redshifts=redshifts,
    )


def pixel_scene(
    imaging: Imaging, likelihood: PixelImagingLikelihood, found: Reconstruction, redshifts: Redshifts | None = None
) -> Scene:
    """Everything that the figures of a reconstruction need; `imaging` is what the likelihood is of."""
    field, seen = unmasked_field(imaging), found.seen[0]
    images = ModelImages.of_parts(imaging, likelihood.images[0], seen.light, seen.source)
    plane = pixel_plane(found, field, redshifts)
    return Scene(imaging=imaging, images=images, model=found.model, field=field, plane=plane)


def pixel_visibility_scene(
    observations: Observations, found: Reconstruction, redshifts: Redshifts | None = None
) -> VisibilityScene:
    """Everything that the figures of a reconstruction need; it is of the observations."""
    likelihood, image = observations.held().likelihood(), found.seen[0]
    above = image.lensed + likelihood.light(found.model.without_pixels())
    images = seen_by(observations, likelihood, above, image.lensed, image.image)
    plane = pixel_plane(found, unmasked_field(observations.datasets[0]), redshifts)
    return VisibilityScene(model=found.model, plane=plane, **images)


def source(axes: Axes, scene: AnyScene) -> None:
    """The source as it was reconstructed, NaN beyond the mesh, with the caustics."""
    image = scene.scale * scene.plane.source_plane
    peak, lowest = float(np.nanmax(image)), float(np.nanmin(image))
    norm = AsinhNorm(linear_width=0.1 * peak, vmin=max(lowest, -peak), vmax=peak) if peak > 0 else Normalize(0, 1)
    show(axes, image, scene.plane.source_field, norm, SOURCE, scene.unit)
    _with_caustics(axes, scene, "Source")


def source_deviation(axes: Axes, scene: AnyScene) -> None:
    """Posterior standard deviation of the source's brightness at each node, with the caustics."""
    mesh, deviation = _mesh(scene)
    shown = scene.scale * deviation
    show(axes, shown, mesh, Normalize(0, float(shown.max()) or 1.0), LIGHT, scene.unit)
    _with_caustics(axes, scene, "Its standard deviation")


def _with_caustics(axes: Axes, scene: AnyScene, title: str) -> None:
    mesh, deviation = _mesh(scene)
    axes.set_facecolor(MASKED)
    show_caustics(axes, scene, title)
    nodes = len(deviation)
    note(axes, f"{nodes} x {nodes} nodes, {2 * mesh.half_width / nodes:.3g} arcsec apart")
    legend(axes, "lower left")


def _mesh(scene: AnyScene) -> tuple[Field, np.ndarray]:
    """The field of the mesh, and the deviation (n, n) at its nodes."""
    assert scene.plane.mesh_field is not None and scene.plane.deviation is not None
    return scene.plane.mesh_field, scene.plane.deviation


def pixel_overview(scene: Scene) -> Figure:
    """Data, model, residual, lens light; arcs, image plane, source with its deviation."""
    panels = (data, model, residual, lens_light, arcs, image_plane, source, source_deviation)
    return in_two_rows(new_figure(13.2, 5.7), panels, scene)


PIXEL_PANELS: dict[str, Callable[[Axes, Scene], None]] = PANELS | {
    "source": source, "source_deviation": source_deviation,
}  # fmt: skip
"""Every panel of a fit of an image whose source is on pixels."""
PIXEL_FIGURES: dict[str, Callable[[Scene], Figure]] = FIGURES | {
    "overview": pixel_overview,
    "source": partial(single, source),
    "source_deviation": partial(single, source_deviation),
}
"""Every figure of a fit of an image whose source is on pixels, by the name of its file."""


def pixel_visibility_overview(scene: VisibilityScene) -> Figure:
    """Dirty image, its model and residual, residuals by baseline; sky, source with deviation, magnification."""
    panels = (dirty, dirty_model, dirty_residual, baselines, sky, source, source_deviation, magnification_map)
    return in_two_rows(new_figure(14.6, 6.2), panels, scene)


PIXEL_VISIBILITY_PANELS: dict[str, Callable[[Axes, VisibilityScene], None]] = VISIBILITY_PANELS | {
    "source": source, "source_deviation": source_deviation,
}  # fmt: skip
"""Every panel of a fit to visibilities whose source is on pixels."""
PIXEL_VISIBILITY_FIGURES: dict[str, Callable[[VisibilityScene], Figure]] = VISIBILITY_FIGURES | {
    "overview": pixel_visibility_overview,
    "source": partial(single, source),
    "source_deviation": partial(single, source_deviation),
}
"""Every figure of a fit to visibilities whose source is on pixels, by the name of its file."""
