"""Figures of a fit. A panel is a function of (axes, scene); a figure is a function of the scene."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure

from lensfit.lensing import centers
from lensfit.plots._panels import (
    LIGHT,
    RESIDUAL,
    SOURCE,
    compass,
    data_unit,
    finish,
    in_two_rows,
    new_figure,
    note,
    outlined,
    show,
    stretch,
)
from lensfit.plots.profile import profile_figure
from lensfit.plots.scene import Glance, Scene

Panel = Callable[[Axes, Scene], None]


def data(axes: Axes, scene: Scene | Glance) -> None:
    """The data."""
    _sky_image(axes, scene, np.where(scene.imaging.mask, np.nan, scene.imaging.data), _scale(scene), "Data")
    compass(axes, scene.imaging, scene.field)


def model(axes: Axes, scene: Scene | Glance) -> None:
    """The model image, on the scale of the data."""
    _sky_image(axes, scene, scene.images.model, _scale(scene), "Model")


def lens_light(axes: Axes, scene: Scene) -> None:
    """The lens light with the sky, on the scale of the data."""
    _sky_image(axes, scene, scene.images.light, _scale(scene), "Lens light")


def arcs(axes: Axes, scene: Scene) -> None:
    """The data without the lens light, on the scale of the lensed source."""
    _sky_image(axes, scene, scene.images.arcs, _arc_scale(scene), "Data \N{MINUS SIGN} lens light")


def lensed_source(axes: Axes, scene: Scene) -> None:
    """The model of the arcs."""
    _sky_image(axes, scene, scene.images.source, _arc_scale(scene), "Lensed source")


def residual(axes: Axes, scene: Scene | Glance) -> None:
    """(data - model) / noise, from -5 to 5."""
    found = scene.images.residual
    show(axes, found, scene.imaging, Normalize(-5, 5), RESIDUAL, r"(data $-$ model) / $\sigma$")
    finish(axes, "Normalised residual", scene.field)
    good = np.isfinite(found)
    note(axes, rf"$\chi^2/N$ = {np.mean(found[good] ** 2):.3f}")


def image_plane(axes: Axes, scene: Scene) -> None:
    """The arcs with critical curves and the images of the source's centre."""
    arcs(axes, scene)
    show_critical_curves(axes, scene)
    show_images(axes, scene)
    axes.set_title("Image plane", fontsize=10)
    legend(axes, "upper right")  # the corners are masked


def show_critical_curves(axes: Axes, scene: Any) -> None:
    """The critical curves of any kind of scene."""
    curves = scene.plane.curves
    outlined(axes, curves.tangential, scene.field, "tangential critical curve", "-")
    outlined(axes, curves.radial, scene.field, "radial critical curve", "--")


def show_images(axes: Axes, scene: Any) -> None:
    """The images of the source's centre, and the centres of the masses, of any kind of scene."""
    for parity, marker, word in ((1, "o", "minimum (+)"), (-1, "s", "saddle (\N{MINUS SIGN})")):
        found = [(p.x, p.y) for p in scene.plane.positions if p.parity == parity]
        if found:
            axes.plot(*zip(*found, strict=True), marker, ms=6, mfc="none", mec="cyan", mew=1.4, label=word)
    for place in centers(scene.model.mass).values():
        axes.plot(*place, "+", color="white", ms=7)


def source_plane(axes: Axes, scene: Scene) -> None:
    """The source as it would be seen without the lens, with the caustics."""
    show_source(axes, scene, scene.plane.source_plane, data_unit(scene.imaging))


def show_source(axes: Axes, scene: Any, image: np.ndarray, unit: str) -> None:
    """An image of the source plane of any kind of scene, with the caustics."""
    peak = float(image.max())
    norm = AsinhNorm(linear_width=0.1 * peak, vmin=0, vmax=peak) if peak > 0 else Normalize(0, 1)
    show(axes, image, scene.plane.source_field, norm, SOURCE, unit)
    show_caustics(axes, scene, "Source plane")
    legend(axes)


def show_caustics(axes: Axes, scene: Any, title: str) -> None:
    """The caustics over a picture of the source plane of any kind of scene, and its title."""
    curves, field = scene.plane.curves, scene.plane.source_field
    outlined(axes, curves.tangential_caustics, field, "tangential caustic", "-")
    outlined(axes, curves.radial_caustics, field, "radial caustic", "--")
    outlined(axes, curves.cuts, field, "cut", ":")
    finish(axes, title, field)


def single(panel: Panel, scene: Scene) -> Figure:
    """A figure of one panel."""
    figure = new_figure(5.6, 4.8)
    panel(figure.add_subplot(), scene)
    return figure


def draw_glance(figure: Figure, glance: Glance, title: str) -> None:
    """Data, model and residual of a fit under way, in place of what was in the figure."""
    figure.clear()
    for axes, panel in zip(figure.subplots(1, 3), (data, model, residual), strict=True):
        panel(axes, glance)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")


def overview(scene: Scene) -> Figure:
    """Data, model, residual; lens light, arcs, source plane."""
    return in_two_rows(new_figure(9.8, 5.7), (data, model, residual, lens_light, arcs, source_plane), scene)


FIGURES: dict[str, Callable[[Scene], Figure]] = {
    "overview": overview,
    "data": partial(single, data),
    "model": partial(single, model),
    "residual": partial(single, residual),
    "lens_light": partial(single, lens_light),
    "arcs": partial(single, arcs),
    "lensed_source": partial(single, lensed_source),
    "image_plane": partial(single, image_plane),
    "source": partial(single, source_plane),
    "profile": profile_figure,
}
"""Every figure of a fit, by the name of its file."""


def _sky_image(axes: Axes, scene: Scene | Glance, image: np.ndarray, norm: Normalize, title: str) -> None:
    shown = np.where(scene.imaging.mask, np.nan, image)
    show(axes, shown, scene.imaging, norm, LIGHT, data_unit(scene.imaging))
    finish(axes, title, scene.field)


def _scale(scene: Scene | Glance) -> AsinhNorm:
    good = ~scene.imaging.mask
    return stretch(scene.imaging.data[good], _noise(scene))


def _arc_scale(scene: Scene) -> AsinhNorm:
    return stretch(scene.images.source, _noise(scene))


def _noise(scene: Scene | Glance) -> float:
    return float(np.median(scene.imaging.noise[~scene.imaging.mask]))


def legend(axes: Axes, place: Literal["best", "upper right", "lower left"] = "best") -> None:
    """The legend of a panel on dark ground, away from its curves or at a place, if it has entries."""
    if axes.get_legend_handles_labels()[1]:
        room = {"handlelength": 1.4, "borderpad": 0.3, "labelspacing": 0.25, "handletextpad": 0.5}
        axes.legend(loc=place, fontsize=6, framealpha=0.75, facecolor="#303030", labelcolor="white", **room)
