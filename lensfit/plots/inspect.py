"""What was understood of a data set."""
from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from lensfit.datasets import Imaging
from lensfit.lensing import Field
from lensfit.plots._panels import LIGHT, SOURCE, compass, data_unit, finish, new_figure, note, show, stretch
from lensfit.plots.scene import unmasked_field


def inspect_figure(imaging: Imaging) -> Figure:
    """Data, noise map, signal over noise and PSF, with mask, pixel scale and compass."""
    figure = new_figure(9.6, 8.0)
    (data, noise), (ratio, psf) = figure.subplots(2, 2)
    good = ~imaging.mask
    field, unit = unmasked_field(imaging), data_unit(imaging)
    shown = {name: np.where(good, getattr(imaging, name), np.nan) for name in ("data", "noise")}
    typical = float(np.median(imaging.noise[good]))
    show(data, shown["data"], imaging, stretch(shown["data"], typical), LIGHT, unit)
    finish(data, "Data", field)
    note(data, f"{imaging.pixel_scale:.4g} arcsec per pixel\n{np.count_nonzero(good)} pixels used")
    compass(data, imaging, field)
    limits = np.nanpercentile(shown["noise"], [0.5, 99.5])
    show(noise, shown["noise"], imaging, Normalize(limits[0], limits[1]), SOURCE, unit)
    finish(noise, "Noise map", field)
    snr = shown["data"] / shown["noise"]
    show(ratio, snr, imaging, stretch(snr, 1.0), LIGHT, r"data / $\sigma$")
    finish(ratio, "Signal over noise", field)
    note(ratio, f"peak {np.nanmax(snr):.3g}")
    for axes in (data, noise, ratio):
        _outline_mask(axes, imaging)
    half = max(imaging.psf.shape) * imaging.pixel_scale / 2
    top = float(imaging.psf.max())
    show(psf, _square(imaging.psf), Field(0.0, 0.0, half), LogNorm(1e-5 * top, top), LIGHT, "share of light")
    finish(psf, f"PSF, {imaging.psf.shape[0]} x {imaging.psf.shape[1]} pixels", Field(0.0, 0.0, half))
    return figure


def _square(psf: np.ndarray) -> np.ndarray:
    """The PSF in the middle of a square, NaN beside it; its negative pixels as the faintest."""
    side = max(psf.shape)
    margins = [((side - n) // 2, side - n - (side - n) // 2) for n in psf.shape]
    return np.pad(np.maximum(psf, 1e-9 * psf.max()), margins, constant_values=np.nan)


def _outline_mask(axes, imaging: Imaging) -> None:
    if imaging.mask.any():
        axes.contour(imaging.x, imaging.y, imaging.mask, [0.5], colors="#00b7eb", linewidths=0.8)
