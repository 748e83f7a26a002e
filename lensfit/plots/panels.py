"""The grammar of a panel: an image in arcsec with its colour bar, its masked pixels and its compass."""
from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from astropy.wcs import WCS
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import AsinhNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patheffects import withStroke
from matplotlib.transforms import offset_copy

from lensfit.datasets import Dataset
from lensfit.datasets.cutout import Frame
from lensfit.lensing import Field

MASKED = "#c4c4c4"
BAR = 0.55
"""The longest scale bar, in units of half the width of a panel."""
DPI = 180
FINE_DPI = 240
"""Of figures of one panel: two of their pixels are one of a sheet, along each axis."""
BELOW, BESIDE, BEYOND = -15.0, -25.0, 34.0
"""Where the labels of axes and of a colour bar are, from their edges [points]: past the numbers."""
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
OVER_NOISE = f"(data \N{MINUS SIGN} model) / {SIGMA}"
"""As plain text, which is drawn much faster than a formula."""
LIGHT, SOURCE, RESIDUAL = "magma", "viridis", "RdBu_r"
"""Colour maps that a colour-blind reader can tell apart by lightness."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure [inches] that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def pixels_of(figure: Figure, share: float = 1.0) -> np.ndarray:
    """A figure drawn, its pixels (H, W, 3); with a share of its pixels along each axis."""
    figure.set_dpi(share * figure.dpi)
    canvas: Any = figure.canvas
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def png_of(figure: Figure) -> bytes:
    """A figure drawn, as the content of a PNG file."""
    made = io.BytesIO()
    imsave(made, pixels_of(figure), format="png")
    return made.getvalue()


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write pixels (H, W, 3) as a PNG file: `Figure.savefig` would draw a figure twice."""
    imsave(path, pixels)


def sheet(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels (H, W, 3) of panels (h, w, 3) of one size, an even number of them in two rows."""
    count = len(panels) // 2
    return np.vstack([np.hstack(panels[:count]), np.hstack(panels[count:])])


def halved(panel: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 3) two by two as their mean."""
    even = panel[: len(panel) // 2 * 2, : panel.shape[1] // 2 * 2].astype(np.uint16)
    total = even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def in_two_rows(figure: Figure, panels: Sequence[Callable[[Axes, Any], None]], scene: Any) -> Figure:
    """The figure with an even number of panels of a scene."""
    for axes, panel in zip(figure.subplots(2, len(panels) // 2).flat, panels, strict=True):
        panel(axes, scene)
    return figure


def single(panel: Callable[[Axes, Any], None], scene: Any) -> Figure:
    """A figure of one panel of a scene."""
    figure, axes = framed(4.2, 3.6, (0.12, 0.12, 0.7, 0.8), FINE_DPI)
    panel(axes, scene)
    return figure


def framed(
    width: float, height: float, place: tuple[float, float, float, float], dpi: int = DPI
) -> tuple[Figure, Axes]:
    """A figure [inches] with axes at a fixed place (left, bottom, width, height), in shares of it: to look for one
    takes as long as to draw it."""
    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure, figure.add_axes(place)


def stretch(image: np.ndarray, noise: float) -> AsinhNorm:
    """Linear up to a few times the noise, logarithmic above; ends at the brightest pixels of (H, W)."""
    top = max(float(np.nanpercentile(image, 99.9)), 5 * noise)
    return AsinhNorm(linear_width=2 * noise, vmin=-3 * noise, vmax=top)


def show(
    axes: Axes, image: np.ndarray, over: Dataset | Frame | Field, norm: Normalize, colours: str, unit: str
) -> None:
    """Draw an image (H, W) on the pixels of a dataset or a frame, or over a field, with colour bar; NaN is masked."""
    shown = axes.imshow(
        np.ma.masked_invalid(image),
        origin="lower",
        extent=over.extent,
        norm=norm,
        cmap=_colormap(colours),
        interpolation="nearest",
        interpolation_stage="rgba",  # the pixels of the data are coloured, not the many more of the figure
    )
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02, extend=_extend(image, norm))
    bar.set_label(unit, fontsize=8)
    whole: Any = axes.figure
    bar.ax.yaxis.set_label_coords(1.0, 0.5, offset_copy(bar.ax.transAxes, whole, x=BEYOND, units="points"))
    if isinstance(norm, AsinhNorm):
        ticks = round_ticks(norm)
        bar.set_ticks(ticks, labels=[f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
        bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=7)


def finish(axes: Axes, title: str, field: Field) -> None:
    """Title, axes in arcsec, and the part of the plane that is seen; all at fixed places, which are quickly drawn."""
    axes.set_title(title, fontsize=10, y=1.0)
    axes.set_xlabel("x [arcsec]", fontsize=8)
    axes.set_ylabel("y [arcsec]", fontsize=8)
    figure: Any = axes.figure
    axes.xaxis.set_label_coords(0.5, 0.0, offset_copy(axes.transAxes, figure, y=BELOW, units="points"))
    axes.yaxis.set_label_coords(0.0, 0.5, offset_copy(axes.transAxes, figure, x=BESIDE, units="points"))
    axes.tick_params(labelsize=7, direction="in", color="0.6")
    axes.set_aspect("equal")
    axes.set_xlim(field.x - field.half_width, field.x + field.half_width)
    axes.set_ylim(field.y - field.half_width, field.y + field.half_width)


def compass(axes: Axes, wcs: WCS | None, field: Field) -> None:
    """Arrows to North and East in the lower left corner, nothing where the WCS is unknown."""
    if wcs is None:
        return
    east, north = sky_axes(wcs)
    length = 0.2 * field.half_width
    tails = -np.minimum(np.minimum(east, north), 0)
    start = np.array([field.x, field.y]) - 0.88 * field.half_width + length * tails
    arrow = {"arrowstyle": "-|>", "color": "white", "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
    text = {"color": "white", "fontsize": 8, "weight": "bold", "ha": "center", "va": "center"}
    for vector, letter in ((north, "N"), (east, "E")):
        tip, place = start + length * vector, start + 1.35 * length * vector
        axes.annotate("", tuple(tip), tuple(start), arrowprops=arrow | {"path_effects": _outline()})
        axes.text(place[0], place[1], letter, text, path_effects=_outline())


def scale_bar(axes: Axes, field: Field, kpc: float | None = None) -> None:
    """A bar of a round length in the lower right corner, with that length [arcsec], and in kpc where it is known how
    many an arcsec is."""
    digits = 10.0 ** np.floor(np.log10(BAR * field.half_width))
    length = max(digit * digits for digit in (1, 2, 5) if digit * digits <= BAR * field.half_width)
    right, low = field.x + 0.9 * field.half_width, field.y - 0.86 * field.half_width
    axes.plot([right - length, right], [low, low], color="white", lw=2.0, solid_capstyle="butt",
              path_effects=_outline())  # fmt: skip
    said = f'{length:g}"' if kpc is None else f'{length:g}" = {length * kpc:.3g} kpc'
    text = {"color": "white", "fontsize": 7.5, "ha": "right" if kpc else "center", "va": "top"}
    place = right if kpc else right - length / 2
    axes.text(place, low - 0.03 * field.half_width, said, path_effects=_outline(), **text)


def sky_axes(wcs: WCS) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (x, y) that point East and North, x along columns and y along rows."""
    inverse = np.linalg.inv(wcs.pixel_scale_matrix)
    east, north = inverse[:, 0], inverse[:, 1]
    return east / np.hypot(*east), north / np.hypot(*north)


def position_angle(wcs: WCS, phi: float) -> float:
    """East of North [deg, 0 to 180] of an axis at phi [deg, counter-clockwise from +x]."""
    direction = [np.cos(np.radians(phi)), np.sin(np.radians(phi))]
    east, north = np.asarray(wcs.pixel_scale_matrix) @ direction
    return float(np.degrees(np.arctan2(east, north)) % 180)


def note(axes: Axes, text: str) -> None:
    """A short text in the upper left corner of a panel."""
    box = {"facecolor": "#202020", "alpha": 0.7, "edgecolor": "none", "boxstyle": "round,pad=0.3"}
    axes.text(0.03, 0.97, text, transform=axes.transAxes, color="white", fontsize=7.5, va="top", bbox=box)


def outlined(axes: Axes, curves: Sequence[np.ndarray], field: Field, label: str, style: str) -> None:
    """Those curves (N, 2) that enter the field, seen on light and dark ground; one entry in the legend."""
    middle = [field.x, field.y]
    seen = [c for c in curves if np.any(np.abs(c - middle).max(axis=1) < field.half_width)]
    for number, curve in enumerate(seen):
        word = label if number == 0 else None
        axes.plot(curve[:, 0], curve[:, 1], style, color="white", lw=1.1, label=word, path_effects=_outline())


def legend(axes: Axes, place: Literal["best", "upper right", "lower left"] = "best") -> None:
    """The legend of a panel on dark ground, away from its curves or at a place, if it has entries."""
    if axes.get_legend_handles_labels()[1]:
        room = {"handlelength": 1.4, "borderpad": 0.3, "labelspacing": 0.25, "handletextpad": 0.5}
        axes.legend(loc=place, fontsize=6, framealpha=0.75, facecolor="#303030", labelcolor="white", **room)


def _outline() -> list[Any]:
    return [withStroke(linewidth=1.8, foreground="#202020")]


def _colormap(name: str) -> Colormap:
    return matplotlib.colormaps[name].with_extremes(bad=MASKED)


def _extend(image: np.ndarray, norm: Normalize) -> str:
    """Which ends of the colour bar stand for values beyond it."""
    low, high = np.nanmin(image) < norm.vmin, np.nanmax(image) > norm.vmax
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[int(low), int(high)]


def round_ticks(norm: AsinhNorm) -> list[float]:
    """Round numbers spread along the colour bar: zero first, then powers of ten, then twos and fives."""
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    top = np.floor(np.log10(max(abs(low), abs(high))))
    decades = 10.0 ** (top - np.arange(5))
    wanted = [sign * digit * decade for digit in (1, 2, 5) for decade in decades for sign in (1, -1)]
    inside = [value for value in (0.0, *wanted) if low <= value <= high]
    kept: dict[float, float] = {}
    for value, place in zip(inside, np.asarray(norm(inside)), strict=True):
        if all(abs(place - other) > 0.09 for other in kept.values()):
            kept[value] = place
    return sorted(kept)
