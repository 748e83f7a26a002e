"""The image grid on which a lens is modelled, chosen from the visibilities when the user gives none."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, label

from lensfit.datasets import Interferometer
from lensfit.datasets.interferometer import least_field
from lensfit.errors import DataError
from lensfit.likelihood.joint import Observations
from lensfit.staged.visibility_stages import align, bright_image

WIDE, FINE = 0.5, 0.36
"""Pixels of the image that is searched for the lens, and of the window, in units of the largest one allowed."""
LARGEST = 512
"""Most pixels along a side of the image that is searched."""
SHARE = 0.2
"""Share of the peak of the smoothed image down to which emission belongs to the lens."""
MARGIN = 1.7
"""Half the side of the window in units of the distance to which that reaches."""


def choose_window(datasets: Sequence[Interferometer]) -> list[Interferometer]:
    """All datasets on one grid: a square about the brightest group of emission, fine enough for a fit.

    It is searched for in the largest field of the datasets. The notes say what was chosen, and what emission
    lies outside and is not modelled.
    """
    nyquist = min(data.nyquist for data in datasets)
    side = max(min(data.shape) * data.pixel_scale for data in datasets)
    count = min(2 * int(np.ceil(side / (WIDE * nyquist) / 2)), LARGEST)
    first = datasets[0]
    wide = [d.regridded(pixel_scale=WIDE * nyquist, shape=(count, count), origin=first.origin) for d in datasets]
    likelihood = align(Observations.of(wide)).likelihood()
    image = bright_image(likelihood)
    x, y, reach, inside = emission(wide[0], image, nyquist)
    least = max(least_field(d.visibilities) for d in datasets)
    half = max(MARGIN * reach + nyquist, 0.5 * least)
    pixel = FINE * nyquist
    count = 16 * int(np.ceil(2 * half / pixel / 16))
    note = (
        f"window chosen from the data: {count} x {count} pixels of {pixel:.4g} arcsec about ({x:.3f}, {y:.3f}), "
        f"with {100 * inside:.0f} % of the positive emission"
    )
    made = [d.regridded(pixel_scale=pixel, shape=(count, count), origin=(x, y)) for d in datasets]
    return [dataclasses.replace(d, notes=(*d.notes, note)) for d in made]


def emission(data: Interferometer, image: np.ndarray, nyquist: float) -> tuple[float, float, float, float]:
    """Centre (x, y) and reach [arcsec] of the brightest group in an image (H, W), and its share of the flux.

    Raises:
        DataError: the image is dark.
    """
    if not image.any():
        raise DataError("no emission in the field: the image made of the visibilities is dark; check sign and units")
    smooth = gaussian_filter(image, 2 * nyquist / data.pixel_scale, mode="constant")
    peak = np.argmax(smooth)
    groups, _ = label(smooth > SHARE * smooth.flat[peak])  # pyright: ignore[reportGeneralTypeIssues]
    group = np.where(groups == groups.flat[peak], image, 0.0)
    x, y = (float(np.average(a, weights=group)) for a in (data.x, data.y))
    used = group > SHARE * group.max()
    reach = np.hypot(data.x[used] - x, data.y[used] - y).max()
    return x, y, float(reach), float(group.sum() / image.sum())
