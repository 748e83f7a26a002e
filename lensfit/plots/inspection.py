"""What `lensfit inspect` draws of an image: all of it with the region that is used, its noise and its PSF."""
from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from lensfit.datasets import FieldTable, Imaging, blocks
from lensfit.datasets.cutout import Frame, window
from lensfit.datasets.dataset import MASKING_NOISE
from lensfit.lensing import Field, unmasked_field
from lensfit.plots.panels import LIGHT, MASKED, SIGMA, SOURCE, compass, finish, legend, new_figure, note, show, stretch
from lensfit.words import counted

MOST = 1500
"""Most pixels along a side that are drawn; those of a larger image are averaged."""
REGION = "#00b7eb"
OBJECTS = {"lens": "#ffd000", "galaxy": "#ff3df5", "arc": "#ff4b33", "image": "#ff9a3c", "field": "#9a9a9a"}
"""Colours of the kinds of objects."""


def inspect_figure(imaging: Imaging, table: FieldTable | None = None) -> Figure:
    """The whole image and its noise with the region that is used, and with the objects of a table of its field; that
    region over the noise, and the PSF."""
    figure = new_figure(9.6, 8.0)
    (image, ratio), (noise, psf) = figure.subplots(2, 2)
    good = ~imaging.mask
    used = imaging.noise[good]
    unknown = imaging.mask & (imaging.data == 0)
    _whole(image, imaging, np.where(unknown, np.nan, imaging.data), float(np.median(used)))
    note(image, f"{imaging.shape[1]} x {imaging.shape[0]} pixels of {imaging.pixel_scale:.4g} arcsec")
    if table is not None:
        _objects(image, table)
    _region(ratio, imaging, good)
    _noise(noise, imaging, used, unknown)
    _psf(psf, imaging)
    return figure


def _whole(axes: Axes, imaging: Imaging, values: np.ndarray, noise: float) -> None:
    seen, frame = _thinned(values, imaging.frame)
    show(axes, seen, frame, stretch(seen, noise), LIGHT, imaging.unit_label)
    finish(axes, "Whole image, region used outlined", _field(imaging.frame))
    _outline(axes, imaging)


def _objects(axes: Axes, table: FieldTable) -> None:
    """The outlines of the objects by their kinds, and the numbers of the lens and of galaxies."""
    for kind, colour in OBJECTS.items():
        numbers = [n for n, one in enumerate(table.objects, 1) if one.kind == kind]
        if not numbers:
            continue
        shown = np.isin(table.segments, numbers)
        axes.contour(shown, [0.5], extent=table.frame.extent, origin="lower", colors=colour, linewidths=0.9)
        axes.plot([], [], color=colour, label=f"{kind} ({len(numbers)})")
    for n, one in enumerate(table.objects, 1):
        if one.kind in ("lens", "galaxy"):
            beside = {"xytext": (6, 6), "textcoords": "offset points", "fontsize": 7, "clip_on": True}
            axes.annotate(str(n), (one.x, one.y), color=OBJECTS[one.kind], **beside)
    legend(axes, "lower left")


def _region(axes: Axes, imaging: Imaging, good: np.ndarray) -> None:
    """Signal over noise of the pixels that are used, as large as they are."""
    field = unmasked_field(imaging)
    part = window(imaging.frame, field.half_width, (field.x, field.y))
    ratio = np.where(good[part], imaging.data[part] / imaging.noise[part], np.nan)
    seen, frame = _thinned(ratio, imaging.frame.cut(part))
    show(axes, seen, frame, stretch(seen, 1.0), LIGHT, f"data / {SIGMA}")
    finish(axes, "Region used: signal over noise", field)
    note(axes, f"{counted(int(np.count_nonzero(good)), 'pixel')} used, peak {np.nanmax(ratio):.3g}")
    compass(axes, imaging.wcs, field)
    axes.set_facecolor(MASKED)  # beyond the image


def _noise(axes: Axes, imaging: Imaging, used: np.ndarray, unknown: np.ndarray) -> None:
    """The noise map on the scale of the pixels that are used."""
    unknown |= imaging.noise >= MASKING_NOISE
    seen, frame = _thinned(np.where(unknown, np.nan, imaging.noise), imaging.frame)
    low, high = np.percentile(used, [0.5, 99.5])
    show(axes, seen, frame, Normalize(low, high), SOURCE, imaging.unit_label)
    finish(axes, "Noise map", _field(imaging.frame))
    note(axes, f"median {np.median(used):.3g} where used")
    _outline(axes, imaging)


def _psf(axes: Axes, imaging: Imaging) -> None:
    """The PSF, five decades down from its peak."""
    half = max(imaging.psf.shape) * imaging.pixel_scale / 2
    top = float(imaging.psf.max())
    show(axes, _square(imaging.psf), Field(0.0, 0.0, half), LogNorm(1e-5 * top, top), LIGHT, "share of light")
    finish(axes, f"PSF, {imaging.psf.shape[0]} x {imaging.psf.shape[1]} pixels", Field(0.0, 0.0, half))


def _thinned(values: np.ndarray, frame: Frame) -> tuple[np.ndarray, Frame]:
    """An image (H, W) on pixels that a picture can show, and where they lie; a block with a NaN is NaN."""
    factor = -(-max(frame.shape) // MOST)
    if factor == 1:
        return values, frame
    rows, columns = (side // factor * factor for side in frame.shape)
    return blocks(values, factor).mean(axis=-1), frame.cut(np.s_[0:rows, 0:columns])


def _field(frame: Frame) -> Field:
    """The square about a whole image."""
    return Field(*frame.origin, 0.5 * max(frame.shape) * frame.pixel_scale)


def _outline(axes: Axes, imaging: Imaging) -> None:
    if imaging.mask.any():
        masked, frame = _thinned(imaging.mask, imaging.frame)
        axes.contour(masked, [0.5], extent=frame.extent, origin="lower", colors=REGION, linewidths=0.8)


def _square(psf: np.ndarray) -> np.ndarray:
    """The PSF in the middle of a square, NaN beside it; its negative pixels as the faintest."""
    side = max(psf.shape)
    margins = [((side - n) // 2, side - n - (side - n) // 2) for n in psf.shape]
    return np.pad(np.maximum(psf, 1e-9 * psf.max()), margins, constant_values=np.nan)
