"""Figures of a fit to visibilities, and of visibilities before one."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure

from lensfit.datasets import ARCSEC, Interferometer
from lensfit.lensing import Field, unmasked_field
from lensfit.likelihood.calibration import Observations
from lensfit.likelihood.interferometer import OVERSAMPLING, model_visibilities
from lensfit.plots.image_figures import show_images, source_plane
from lensfit.plots.mass_figures import convergence, magnification_map, show_critical_curves
from lensfit.plots.panels import (
    LIGHT,
    OVER_NOISE,
    RESIDUAL,
    SIGMA,
    finish,
    in_two_rows,
    legend,
    new_figure,
    note,
    scale_bar,
    show,
    single,
)
from lensfit.plots.scene import VisibilityScene
from lensfit.words import counted

BINS = 20
"""Bins of baseline length, each with as many visibilities."""


def dirty(axes: Axes, scene: VisibilityScene) -> None:
    """The dirty image of the data."""
    _dirty(axes, scene, scene.dirty, "Dirty image")
    scale_bar(axes, scene.field, scene.plane.lens_kpc)
    note(axes, f"peak {scene.dirty.max():.3g} sigma")


def dirty_model(axes: Axes, scene: VisibilityScene) -> None:
    """The dirty image of the model, on the scale of the data's."""
    _dirty(axes, scene, scene.dirty_model, "Dirty image of the model")


def dirty_residual(axes: Axes, scene: VisibilityScene) -> None:
    """The dirty image of data less model, from -5 to 5 sigma."""
    show(axes, scene.dirty_residual, scene.frame, Normalize(-5, 5), RESIDUAL, SIGMA)
    finish(axes, "Dirty residual", scene.field)
    note(axes, f"largest {np.abs(scene.dirty_residual).max():.2f} sigma")


def sky(axes: Axes, scene: VisibilityScene) -> None:
    """The sky of the model with critical curves and the images of the source's centre."""
    image = scene.scale * scene.sky
    peak = float(image.max())
    norm = AsinhNorm(linear_width=0.05 * peak, vmin=0, vmax=peak) if peak > 0 else Normalize(0, 1)
    show(axes, image, scene.frame, norm, LIGHT, scene.unit)
    show_critical_curves(axes, scene)
    show_images(axes, scene)
    finish(axes, "Model of the sky", scene.field)
    legend(axes)


def baselines(axes: Axes, scene: VisibilityScene) -> None:
    """rms of the residuals of visibilities over their noise against baseline length."""
    for number, data in enumerate(scene.corrected):
        table = data.visibilities
        left = (table.values - model_visibilities(data, scene.seen, OVERSAMPLING)) / table.sigma_re
        length, groups = _bins(data)
        rms = np.array([np.sqrt(0.5 * np.mean(np.abs(left[g]) ** 2)) for g in groups])
        error = np.array([0.5 / np.sqrt(len(g)) for g in groups])
        axes.errorbar(length, rms, error, fmt="o", ms=3, lw=0.8, label=f"dataset {number + 1}")
    axes.axhline(1, color="0.4", lw=0.8, ls="--")
    axes.set_ylim(0.5, max(1.6, axes.get_ylim()[1]))
    _baseline_axes(axes, f"rms of {OVER_NOISE}", "Residuals of visibilities")


def amplitudes(axes: Axes, scene: VisibilityScene) -> None:
    """Real part of the visibilities, phased to the middle of the field, against baseline length: data and model."""
    for number, data in enumerate(scene.corrected):
        model = model_visibilities(data, scene.seen, OVERSAMPLING)
        length, value, error = real_parts(data, data.visibilities.values)
        _, expected, _ = real_parts(data, model)
        colour = f"C{number}"
        axes.errorbar(length, value, error, fmt="o", ms=3, lw=0.8, color=colour, label=f"dataset {number + 1}")
        axes.plot(length, expected, "-", color=colour, lw=1.2, label="model")
    axes.axhline(0, color="0.6", lw=0.6)
    _baseline_axes(axes, "mean real part about the field's middle [mJy]", "Visibilities")


def real_parts(data: Interferometer, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Baseline length [1000 wavelengths], mean real part about the middle of the field and its error [mJy], by bin."""
    table = data.visibilities
    x, y = data.origin
    turned = np.real(values * np.exp(2j * np.pi * ARCSEC * (table.u * x + table.v * y)))
    length, groups = _bins(data)
    weights = table.sigma_re**-2
    mean = [np.average(turned[g], weights=weights[g]) for g in groups]
    error = [1 / np.sqrt(weights[g].sum()) for g in groups]
    return length, 1e3 * np.array(mean), 1e3 * np.array(error)


def visibility_overview(scene: VisibilityScene) -> Figure:
    """Dirty image, its model, its residual; model of the sky, source plane, residuals of visibilities."""
    figure = new_figure(11.6, 6.2)
    figure.set_layout_engine("compressed", wspace=0.04)
    return in_two_rows(figure, (dirty, dirty_model, dirty_residual, sky, source_plane, baselines), scene)


VISIBILITY_PANELS: dict[str, Callable[[Axes, VisibilityScene], None]] = {
    "dirty": dirty,
    "dirty_model": dirty_model,
    "dirty_residual": dirty_residual,
    "sky": sky,
    "source": source_plane,
    "convergence": convergence,
    "magnification": magnification_map,
    "visibilities": amplitudes,
    "baselines": baselines,
}
"""Every panel of a fit to visibilities: a function of axes and a scene."""
VISIBILITY_FIGURES: dict[str, Callable[[VisibilityScene], Figure]] = {
    "overview": visibility_overview,
    **{name: partial(single, panel) for name, panel in VISIBILITY_PANELS.items()},
}
"""Every figure of a fit to visibilities, by the name of its file."""


def inspect_visibilities(observations: Observations) -> Figure:
    """Baselines, real parts against baseline length, dirty image and dirty beam."""
    figure = new_figure(9.6, 8.0)
    (coverage, real), (image, beam) = figure.subplots(2, 2)
    for number, data in enumerate(observations.datasets):
        table, many = data.visibilities, counted(len(data.visibilities), "visibility", "visibilities")
        word = f"dataset {number + 1}: {many}"
        u, v = np.concatenate([table.u, -table.u]) / 1e3, np.concatenate([table.v, -table.v]) / 1e3
        coverage.plot(u, v, ".", ms=1.0, color=f"C{number}", label=word, rasterized=True)
        length, value, error = real_parts(data, table.values)
        real.errorbar(length, value, error, fmt="o", ms=3, lw=0.8, color=f"C{number}", label=word)
    coverage.set_xlabel(r"u [10$^3$ wavelengths]", fontsize=8)
    coverage.set_ylabel(r"v [10$^3$ wavelengths]", fontsize=8)
    coverage.set_aspect("equal")
    coverage.tick_params(labelsize=7)
    coverage.set_title("Baselines", fontsize=10)
    coverage.legend(fontsize=7, loc="upper right")
    real.axhline(0, color="0.6", lw=0.6)
    _baseline_axes(real, "mean real part about the field's middle [mJy]", "Visibilities")
    _dirty_image_and_beam(image, beam, observations)
    return figure


def _dirty_image_and_beam(image: Axes, beam: Axes, observations: Observations) -> None:
    likelihood, frame = observations.likelihood(), observations.datasets[0]
    field = unmasked_field(frame)
    shown = np.asarray(likelihood.dirty / likelihood.dirty_sigma)
    show(image, shown, frame, Normalize(min(shown.min(), 0), shown.max()), LIGHT, SIGMA)
    finish(image, "Dirty image", field)
    note(image, f"{frame.pixel_scale:.4g} arcsec per pixel\npeak {shown.max():.3g} sigma")
    compact = likelihood.w_tilde.distinct()[0]
    h, w = frame.shape
    part = compact[h - 1 - h // 2 : h - 1 + h // 2, w - 1 - w // 2 : w - 1 + w // 2] / compact.max()
    half = 0.5 * min(frame.shape) * frame.pixel_scale
    show(beam, part, Field(0.0, 0.0, half), Normalize(-1, 1), RESIDUAL, "share of peak")
    finish(beam, "Dirty beam", Field(0.0, 0.0, half))


def _dirty(axes: Axes, scene: VisibilityScene, image: np.ndarray, title: str) -> None:
    show(axes, image, scene.frame, Normalize(scene.dirty.min(), scene.dirty.max()), LIGHT, SIGMA)
    finish(axes, title, scene.field)


def _bins(data: Interferometer) -> tuple[np.ndarray, list[np.ndarray]]:
    """Mean baseline length [1000 wavelengths] of each bin, and the rows in it."""
    length = np.hypot(data.visibilities.u, data.visibilities.v) / 1e3
    groups = [g for g in np.array_split(np.argsort(length), BINS) if len(g)]
    return np.array([length[g].mean() for g in groups]), groups


def _baseline_axes(axes: Axes, label: str, title: str) -> None:
    axes.set_xlabel(r"baseline [10$^3$ wavelengths]", fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=7, direction="in")
    axes.legend(fontsize=6.5)
