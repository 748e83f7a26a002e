"""Figures of a fit to images in several bands: a row of panels for each, and all of them as one picture in colour."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter, map_coordinates

from lensfit.datasets.psf import fwhm
from lensfit.lensing import Field, brightness_at, unlensed
from lensfit.plots.image_figures import arcs, data, model, residual, show_caustics, source_plane
from lensfit.plots.panels import MASKED, finish, new_figure, note
from lensfit.plots.scene import PIXELS, Scene
from lensfit.trust.of_bands import Colours

Scenes = Mapping[str, Scene]
"""The scene of each band by its name, the bluest first."""
PANELS = (data, model, residual, arcs, source_plane)
"""Of the row of a band."""
STRETCH, SOFTENING = 0.6, 7.0
"""Of `make_lupton_rgb`: brightness up to which colours are linear, in units of the bright part of the lensed source,
and how far above that they are told apart."""
PEAK = 99.5
"""Percentile of the picture of a source that is as bright in it as arcs are in theirs."""
BRIGHT = 95.0
"""Percentile of the lensed source where it is seen that is its bright part."""


def bands_overview(scenes: Scenes) -> Figure:
    """A row for each band: data, model, residual, data without lens light, source."""
    figure = new_figure(3.1 * len(PANELS), 2.75 * len(scenes))
    rows = np.atleast_2d(np.asarray(figure.subplots(len(scenes), len(PANELS))))
    for row, (name, scene) in zip(rows, scenes.items(), strict=True):
        for axes, panel in zip(row, PANELS, strict=True):
            panel(axes, scene)
            axes.set_facecolor(MASKED)  # a band may end within the region
        row[0].set_title(f"{name}: {row[0].get_title()}", fontsize=10, y=1.0)
    return figure


def colour_figure(scenes: Scenes) -> Figure:
    """Data, model, data without lens light, and source, each of all bands as one picture."""
    figure = new_figure(13.0, 3.6)
    first = reference_of(scenes)
    panels: list[tuple[str, Callable[[Scene], np.ndarray]]] = [
        ("Data", lambda scene: np.where(scene.imaging.mask, np.nan, scene.imaging.data)),
        ("Model", lambda scene: np.where(scene.imaging.mask, np.nan, scene.images.model)),
        ("Data \N{MINUS SIGN} lens light", lambda scene: scene.images.arcs),
    ]
    axes = figure.subplots(1, len(panels) + 1)
    for one, (title, image) in zip(axes, panels, strict=False):
        where = first.field, _size(first), _widest(scenes)
        layers = [sampled(scene, image(scene), *where) for scene in scenes.values()]
        _show(one, in_colour(layers, scales(scenes)), np.any(np.isnan(layers), 0), first.field, title)
    note(axes[0], f"blue to red: {', '.join(scenes)}")
    field = first.plane.source_field
    source = [brightness_at(unlensed(scene.model), *field.cells(PIXELS)) / scene.imaging.pixel_scale**2
              for scene in scenes.values()]  # fmt: skip
    _show(axes[-1], in_colour(source, _scales_of_source(source, scales(scenes))), None, field, "Source plane")
    show_caustics(axes[-1], first, "Source plane")
    return figure


def colours_figure(colours: Sequence[Colours]) -> Figure:
    """The colour of the arcs along all images, of neighbouring bands: data, model, and the lens light among them."""
    figure = new_figure(6.2, 0.6 + 2.4 * max(len(colours), 1))
    rows = np.atleast_1d(np.asarray(figure.subplots(len(colours), 1, sharex=True)))
    for axes, one in zip(rows, colours, strict=True):
        axes.errorbar(one.angle, one.arcs, one.error, fmt="o", color="black", ms=4, lw=1.0, label="arcs")
        axes.plot(one.angle, one.model, "D", color="#0072b2", mfc="none", ms=6, label="model of the source")
        axes.plot(one.angle, one.lens, "x", color="#d55e00", ms=6, label="lens light among them")
        axes.set_ylabel(f"{one.first} \N{MINUS SIGN} {one.second} [mag of data units]", fontsize=8)
        axes.tick_params(labelsize=8, direction="in")
    axes.set_xlim(0, 360)
    axes.set_xticks(range(0, 361, 60))
    axes.set_xlabel("direction about the lens [degrees from +x]", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    figure.suptitle("Colour along the images", fontsize=10)
    return figure


BAND_FIGURES: dict[str, Callable[[Scenes], Figure]] = {"overview": bands_overview, "colour": colour_figure}
"""Of several images together, by the name of their file."""
COLOURS = "colours"
"""The name of the file of `colours_figure`, which is drawn where the arcs have a colour."""


def reference_of(scenes: Scenes) -> Scene:
    """The scene in whose frame the mass is."""
    return next((scene for scene in scenes.values() if scene.model.alignment is None), next(iter(scenes.values())))


def sampled(scene: Scene, image: np.ndarray, field: Field, size: int, width: float) -> np.ndarray:
    """An image (H, W) of a band as brightness per square arcsec at size x size places of a field of the frame of the
    mass, as a PSF of FWHM `width` [arcsec] would show it; NaN where it is."""
    imaging = scene.imaging
    x, y = map(np.asarray, scene.model.seen(*field.cells(size)))
    column = (x - imaging.x[0, 0]) / imaging.pixel_scale
    row = (y - imaging.y[0, 0]) / imaging.pixel_scale
    more = np.sqrt(max(width**2 - (fwhm(imaging.psf) * imaging.pixel_scale) ** 2, 0.0)) / 2.355 / imaging.pixel_scale
    known = np.isfinite(image)
    filled = np.where(known, image, 0.0)
    if more > 0:
        share = gaussian_filter(known.astype(float), more)
        filled = gaussian_filter(filled, more) / np.maximum(share, 1e-9)
    values = map_coordinates(filled, [row, column], order=1, cval=np.nan) / imaging.pixel_scale**2
    return np.where(map_coordinates(known.astype(float), [row, column], order=0, cval=0.0) > 0, values, np.nan)


def in_colour(layers: Sequence[np.ndarray], scales: Sequence[float]) -> np.ndarray:
    """Pixels (H, W, 3) of the images (H, W) of bands from blue to red, each over its scale; NaN is dark.

    The colours are those of Lupton et al. (2004, PASP 116, 133): an asinh of the mean brightness.
    """
    images = [np.maximum(np.nan_to_num(layer / scale), 1e-6) for layer, scale in zip(layers, scales, strict=True)]
    blue, green, red = (sum(w * image for w, image in zip(weights, images, strict=True))
                        for weights in channels(len(images)))  # fmt: skip
    return make_lupton_rgb(red, green, blue, stretch=STRETCH, Q=SOFTENING)  # pyright: ignore[reportArgumentType]


def channels(count: int) -> np.ndarray:
    """Shares (3, count) of the bands, from blue to red, in the channels blue, green and red; each sums to 1."""
    places = (count - 1) * np.array([0.0, 0.5, 1.0])
    share = np.clip(1 - np.abs(np.arange(count) - places[:, None]) / max((count - 1) / 2, 1.0), 0.0, None)
    return share / share.sum(1, keepdims=True)


def scales(scenes: Scenes) -> list[float]:
    """The bright part of each band's lensed source, per square arcsec, as the widest PSF shows it: the source as a
    whole is white."""
    found, first = [], reference_of(scenes)
    for scene in scenes.values():
        light = sampled(scene, scene.images.source, first.field, _size(first), _widest(scenes))
        seen = light[np.isfinite(light)]
        bright = seen[seen > 0.1 * seen.max(initial=0.0)]
        found.append(float(np.percentile(bright, BRIGHT)) if bright.size else 1.0)
    return found


def _scales_of_source(source: Sequence[np.ndarray], scales: Sequence[float]) -> list[float]:
    """The same for their sources (n, n), which are brighter without a lens's PSF by a factor that all share."""
    peak = max(float(np.percentile(image, PEAK)) / scale for image, scale in zip(source, scales, strict=True))
    return [scale * max(peak, 1e-300) for scale in scales]


def _widest(scenes: Scenes) -> float:
    return max(fwhm(scene.imaging.psf) * scene.imaging.pixel_scale for scene in scenes.values())


def _size(scene: Scene) -> int:
    return int(np.clip(2 * scene.field.half_width / scene.imaging.pixel_scale, 100, 600))


def _show(axes: Axes, pixels: np.ndarray, masked: Any, field: Field, title: str) -> None:
    shown = pixels.copy()
    if masked is not None:
        shown[masked] = [int(MASKED[k : k + 2], 16) for k in (1, 3, 5)]
    axes.imshow(shown, origin="lower", extent=field.extent, interpolation="nearest")
    finish(axes, title, field)


def band_figures(scenes: Scenes, colours: Sequence[Colours] | None) -> dict[str, Callable[[], Figure]]:
    """The figures of all bands together, ready to be drawn; without colours of the arcs that figure is left out."""
    made = {name: partial(figure, scenes) for name, figure in BAND_FIGURES.items()}
    return made | ({COLOURS: partial(colours_figure, colours)} if colours else {})
