"""Figures of an image and of a fit to it. A panel is a function of (axes, scene), a figure of the scene."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure

from lensfit.lensing import centers
from lensfit.plots.mass_figures import convergence, magnification_map, show_critical_curves
from lensfit.plots.panels import (
    LIGHT,
    OVER_NOISE,
    RESIDUAL,
    SIGMA,
    SOURCE,
    compass,
    finish,
    framed,
    in_two_rows,
    legend,
    new_figure,
    note,
    outlined,
    scale_bar,
    show,
    single,
    stretch,
)
from lensfit.plots.scene import AnyScene, Glance, Scene


def data(axes: Axes, scene: Scene | Glance) -> None:
    """The data."""
    _sky_image(axes, scene, np.where(scene.imaging.mask, np.nan, scene.imaging.data), _scale(scene), "Data")
    compass(axes, scene.imaging.wcs, scene.field)
    scale_bar(axes, scene.field, scene.plane.lens_kpc if isinstance(scene, Scene) else None)


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
    show(axes, found, scene.imaging, Normalize(-5, 5), RESIDUAL, OVER_NOISE)
    finish(axes, "Normalised residual", scene.field)
    good = np.isfinite(found)
    note(axes, f"\N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO} / N = {np.mean(found[good] ** 2):.3f}")


def image_plane(axes: Axes, scene: Scene) -> None:
    """The arcs with critical curves and the images of the source's centre."""
    arcs(axes, scene)
    show_critical_curves(axes, scene)
    show_images(axes, scene)
    axes.set_title("Image plane", fontsize=10)
    legend(axes, "upper right")  # the corners are masked


def show_images(axes: Axes, scene: AnyScene) -> None:
    """The images of the source's centre, and the centres of the masses."""
    for parity, marker, word in ((1, "o", "minimum (+)"), (-1, "s", "saddle (\N{MINUS SIGN})")):
        found = [scene.model.seen(p.x, p.y) for p in scene.plane.positions if p.parity == parity]
        if found:
            axes.plot(*zip(*found, strict=True), marker, ms=6, mfc="none", mec="cyan", mew=1.4, label=word)
    for place in centers(scene.model.mass).values():
        axes.plot(*scene.model.seen(*place), "+", color="white", ms=7)


def source_plane(axes: Axes, scene: AnyScene) -> None:
    """The source as it would be seen without the lens, with the caustics."""
    image = scene.scale * scene.plane.source_plane
    peak = float(image.max())
    norm = AsinhNorm(linear_width=0.1 * peak, vmin=0, vmax=peak) if peak > 0 else Normalize(0, 1)
    show(axes, image, scene.plane.source_field, norm, SOURCE, scene.unit)
    show_caustics(axes, scene, "Source plane")
    scale_bar(axes, scene.plane.source_field, scene.plane.source_kpc)
    legend(axes)


def show_caustics(axes: Axes, scene: AnyScene, title: str) -> None:
    """The caustics over a picture of the source plane, and its title."""
    curves, field = scene.plane.curves, scene.plane.source_field
    outlined(axes, curves.tangential_caustics, field, "tangential caustic", "-")
    outlined(axes, curves.radial_caustics, field, "radial caustic", "--")
    outlined(axes, curves.cuts, field, "cut", ":")
    finish(axes, title, field)


def draw_glance(figure: Figure, glance: Glance, title: str) -> None:
    """Data, model and residual of a fit under way, in place of what was in the figure."""
    figure.clear()
    for axes, panel in zip(figure.subplots(1, 3), (data, model, residual), strict=True):
        panel(axes, glance)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")


def overview(scene: Scene) -> Figure:
    """Data, model, residual; lens light, arcs, source plane."""
    return in_two_rows(new_figure(9.8, 5.7), (data, model, residual, lens_light, arcs, source_plane), scene)


def profile_figure(scene: Scene) -> Figure:
    """The panel `profile` alone."""
    figure, axes = framed(6.2, 4.4, (0.12, 0.12, 0.85, 0.8))
    profile(axes, scene)
    return figure


def profile(axes: Axes, scene: Scene) -> None:
    """Mean brightness in rings about the lens: data with its 1-sigma error, model, lens light, source."""
    images, (radius, mean, count) = scene.images, _rings(scene)
    r, data = mean(radius), mean(scene.imaging.data)
    error = np.sqrt(mean(scene.imaging.noise**2) / count)
    low = float(np.median(error))
    least = 0.3 * low
    below, above = (np.maximum(data + sign * error, 0.1 * least) for sign in (-1, 1))  # a logarithm has no less
    axes.fill_between(r, below, above, color="0.75", label=f"data, 1 {SIGMA}", lw=0)
    axes.plot(r, data, ".", color="black", ms=4, label="data")
    axes.set_yscale("log", nonpositive="mask")
    _plot_arcs(axes, r, mean(np.where(scene.imaging.mask, 0.0, images.arcs)), error, least)
    for values, colour, style, word in (
        (images.model, "#0072b2", "-", "model"),
        (images.light, "#d55e00", "--", "lens light"),
        (images.source, "#009e73", "-.", "lensed source"),
    ):
        axes.plot(r, mean(values), style, color=colour, lw=1.4, label=word)
    axes.set_ylim(least, 2 * max(float(data.max()), 10 * low))
    axes.set_xlabel("distance from the lens [arcsec]", fontsize=9)
    axes.set_ylabel(f"mean brightness [{scene.imaging.unit_label}]", fontsize=9)
    axes.set_title("Radial profile", fontsize=10)
    axes.tick_params(labelsize=8, which="both", direction="in")
    axes.legend(fontsize=8, frameon=False)


PANELS: dict[str, Callable[[Axes, Scene], None]] = {
    "data": data,
    "model": model,
    "residual": residual,
    "lens_light": lens_light,
    "arcs": arcs,
    "lensed_source": lensed_source,
    "image_plane": image_plane,
    "source": source_plane,
    "convergence": convergence,
    "magnification": magnification_map,
    "profile": profile,
}
"""Every panel of a fit: a function of axes and a scene."""
FIGURES: dict[str, Callable[[Scene], Figure]] = {
    "overview": overview,
    **{name: partial(single, panel) for name, panel in PANELS.items()},
    "profile": profile_figure,
}
"""Every figure of a fit, by the name of its file."""
OVERVIEW_PANELS = ("data", "model", "residual", "lens_light", "arcs", "source")
"""The figures of one panel that the overview shows."""


def _sky_image(axes: Axes, scene: Scene | Glance, image: np.ndarray, norm: Normalize, title: str) -> None:
    shown = np.where(scene.imaging.mask, np.nan, image)
    show(axes, shown, scene.imaging, norm, LIGHT, scene.imaging.unit_label)
    finish(axes, title, scene.field)


def _scale(scene: Scene | Glance) -> AsinhNorm:
    good = ~scene.imaging.mask
    return stretch(scene.imaging.data[good], _noise(scene))


def _arc_scale(scene: Scene) -> AsinhNorm:
    return stretch(scene.images.source, _noise(scene))


def _noise(scene: Scene | Glance) -> float:
    return float(np.median(scene.imaging.noise[~scene.imaging.mask]))


def _plot_arcs(axes: Axes, r: np.ndarray, left: np.ndarray, error: np.ndarray, least: float) -> None:
    """What the lens light leaves of the data in rings at r, where it is above `least`."""
    seen = left > least
    below = np.minimum(error, left - 0.1 * least)  # a bar that reaches zero goes to the edge of the figure
    axes.errorbar(
        r[seen], left[seen], [below[seen], error[seen]],
        fmt="o", color="0.45", ms=2.5, lw=0.8, label="data less lens light",
    )


def _rings(scene: Scene) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Of rings about the lens that hold an unmasked pixel: distance (H, W) of each pixel from the lens [arcsec],
    the function that takes an image's mean in each ring, and the number of pixels in it.
    """
    places = [*centers(scene.model.light).values(), *centers(scene.model.mass).values()]
    x, y = scene.model.seen(*places[0]) if places else (scene.field.x, scene.field.y)
    radius = np.hypot(scene.imaging.x - x, scene.imaging.y - y)
    good = ~scene.imaging.mask
    ring = np.rint(radius[good] / scene.imaging.pixel_scale).astype(int)
    count = np.bincount(ring)
    used = count > 0
    return radius, lambda values: np.bincount(ring, values[good])[used] / count[used], count[used]
