"""Panels of the mass of a fit, whatever its data: convergence and magnification in the image plane."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from lensfit.lensing import in_chunks, traced
from lensfit.plots.panels import LIGHT, SOURCE, finish, legend, outlined, scale_bar, show
from lensfit.plots.scene import PIXELS, AnyScene

LARGEST = 100.0
"""Magnification at which the picture of it ends."""
KAPPAS = (0.05, 5.0)
"""Between which the picture of the convergence is coloured."""


def convergence(axes: Axes, scene: AnyScene) -> None:
    """kappa, the surface density over the critical one, in the image plane, with the critical curves."""
    a = _jacobian(scene)
    kappa = 1 - 0.5 * (a[..., 0, 0] + a[..., 1, 1])
    show(axes, np.clip(kappa, *KAPPAS), scene.field, LogNorm(*KAPPAS), SOURCE, "\N{GREEK SMALL LETTER KAPPA}")
    show_critical_curves(axes, scene)
    scale_bar(axes, scene.field, scene.plane.lens_kpc)
    finish(axes, "Convergence", scene.field)
    legend(axes)


def magnification_map(axes: Axes, scene: AnyScene) -> None:
    """|magnification| in the image plane, with the critical curves."""
    with np.errstate(divide="ignore"):
        size = np.clip(1 / np.abs(np.linalg.det(_jacobian(scene))), 1 / LARGEST, LARGEST)
    show(axes, size, scene.field, LogNorm(0.1, LARGEST), LIGHT, "|\N{GREEK SMALL LETTER MU}|")
    show_critical_curves(axes, scene)
    finish(axes, "Magnification", scene.field)
    legend(axes)


def show_critical_curves(axes: Axes, scene: AnyScene) -> None:
    """The critical curves."""
    curves = scene.plane.curves
    outlined(axes, _seen(scene, curves.tangential), scene.field, "tangential critical curve", "-")
    outlined(axes, _seen(scene, curves.radial), scene.field, "radial critical curve", "--")


def _seen(scene: AnyScene, curves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Curves (N, 2) of the frame of the mass in that of the data."""
    return [np.stack(scene.model.seen(*curve.T), -1) for curve in curves]


def _jacobian(scene: AnyScene) -> np.ndarray:
    """A (PIXELS, PIXELS, 2, 2) over the field, in the frame of the mass: its trace and determinant are those of any."""
    x, y = scene.model.placed(*scene.field.cells(PIXELS))
    return in_chunks(traced, scene.model.only(), np.asarray(x), np.asarray(y))[1]
