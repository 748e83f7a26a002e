"""Radial profiles of data and model."""
from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from lensfit.lensing import centers
from lensfit.plots._panels import data_unit, new_figure
from lensfit.plots.scene import Scene


def profile_figure(scene: Scene) -> Figure:
    """Mean brightness in rings about the lens: data with its 1-sigma error, model, lens light, source."""
    figure = new_figure(6.2, 4.4)
    axes = figure.add_subplot()
    good = ~scene.imaging.mask
    images = scene.images
    radius, ring = _rings(scene)
    count = np.bincount(ring)
    used = count > 0

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(ring, values[good])[used] / count[used]

    r, data = mean(radius), mean(scene.imaging.data)
    error = np.sqrt(mean(scene.imaging.noise**2) / count[used])
    axes.fill_between(r, data - error, data + error, color="0.75", label=r"data, $1\sigma$", lw=0)
    axes.plot(r, data, ".", color="black", ms=4, label="data")
    left = mean(np.where(scene.imaging.mask, 0.0, images.arcs))
    axes.set_yscale("log", nonpositive="mask")
    low = float(np.median(error))
    least = 0.3 * low
    seen = left > least
    below = np.minimum(error, left - 0.1 * least)  # a bar that reaches zero goes to the edge of the figure
    axes.errorbar(
        r[seen], left[seen], [below[seen], error[seen]],
        fmt="o", color="0.45", ms=2.5, lw=0.8, label="data less lens light",
    )
    for values, colour, style, word in (
        (images.model, "#0072b2", "-", "model"),
        (images.light, "#d55e00", "--", "lens light"),
        (images.source, "#009e73", "-.", "lensed source"),
    ):
        axes.plot(r, mean(values), style, color=colour, lw=1.4, label=word)
    axes.set_ylim(least, 2 * max(float(data.max()), 10 * low))
    axes.set_xlabel("distance from the lens [arcsec]", fontsize=9)
    axes.set_ylabel(f"mean brightness [{data_unit(scene.imaging)}]", fontsize=9)
    axes.set_title("Radial profile", fontsize=10)
    axes.tick_params(labelsize=8, which="both", direction="in")
    axes.legend(fontsize=8, frameon=False)
    return figure


def _rings(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Distance (H, W) of each pixel from the lens [arcsec], and the ring (N,) of each unmasked one."""
    places = [*centers(scene.model.light).values(), *centers(scene.model.mass).values()]
    x, y = places[0] if places else (scene.field.x, scene.field.y)
    radius = np.hypot(scene.imaging.x - x, scene.imaging.y - y)
    return radius, np.rint(radius[~scene.imaging.mask] / scene.imaging.pixel_scale).astype(int)
