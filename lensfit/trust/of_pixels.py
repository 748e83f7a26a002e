"""What a reconstruction on pixels looks like: wrong Einstein radii make something else of a free source.

At half the right radius such a source becomes the arcs themselves, at twice the radius a ring about half as large
as the lens: both explain the data, and each part of them is seen once. A lens shows each part twice or more. Light
and sky take up what does not fit. ln evidence does not tell: it often prefers these.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.grid import Grid
from lensfit.inversion.regularisation import regularisation
from lensfit.lensing import in_chunks, traced
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.trust.measures import Measures, Noise
from lensfit.trust.of_image import pedestal_of, scatter
from lensfit.trust.of_visibilities import scatter as scatter_of_visibilities

FINE = 4
"""Rays along a side of an image pixel, for counting images."""
FAINTEST = 0.1
"""Magnification below which an image is not counted: the centre of a lens has one of zero for any source."""
PROFILES: dict[str, Callable[[Any], Any]] = {
    "pixels image": lambda term: term.images[0],
    "pixels visibilities": lambda term: term.visibilities,
}
"""The term of the same data for a source of profiles, by the kind of one for a source on pixels."""


def of_images_on_pixels(term: Any, found: Reconstruction) -> Measures:
    """The evidence for a reconstruction in the images of a term; the noise is that of the worst of them."""
    noise = [
        _scatter(np.asarray(image.inverse_noise), np.asarray(seen.residuals), np.asarray(seen.image),
                 np.asarray(seen.source))
        for image, seen in zip(term.images, found.seen, strict=True)
    ]  # fmt: skip
    known = [n for n in noise if n is not None]
    worst = max(known, key=lambda n: max(n.least, 1 / n.most), default=None)
    pedestal = max(pedestal_of(np.asarray(image.psf)) for image in term.images)
    return Measures(
        signal=signal_of(found), images=mean_images(found, term.grids[0]), noise=worst, pedestal=pedestal
    )


def of_visibilities_on_pixels(term: Any, found: Reconstruction) -> Measures:
    """The evidence for a reconstruction in the visibilities of a term."""
    noise = scatter_of_visibilities(float(found.solution.chi2), term.data_count)
    return Measures(signal=signal_of(found), images=mean_images(found, term.grids[0]), noise=noise)


def signal_of(found: Reconstruction) -> float:
    """Signal over noise of the whole lensed source."""
    s = found.coefficients.ravel()
    block = found.solution.system[: len(s), : len(s)]
    held = regularisation(found.source).penalty(s)
    return float(jnp.sqrt(s @ (block @ s) - held))


def mean_images(found: Reconstruction, grid: Grid) -> float:
    """How many images the source has in the first dataset, on `grid`: the mean over its parts.

    A part counts by its brightness squared, as noise about the source should not, and only where it is positive:

        sum over image pixels of max(S, 0)^2 / |mu|  over  sum over the source of max(S, 0)^2,

    areas included, S the source's brightness at the end of a ray.
    """
    across = (np.arange(FINE) - (FINE - 1) / 2) * (grid.pixel_scale / FINE)
    used = np.asarray(found.seen[0].used)
    x, y = (np.asarray(a)[used][:, None, None] for a in grid.coordinates())
    seen, determinant = in_chunks(partial(_traced, found), found.model, x + across, y + across[:, None])
    light = np.maximum(seen, 0.0) ** 2 * np.abs(determinant)
    counted = np.abs(determinant) < 1 / FAINTEST
    area, step = float(grid.pixel_scale / FINE) ** 2, float(found.x[1] - found.x[0])
    whole = float(np.sum(np.maximum(found.brightness, 0.0) ** 2)) * step**2
    return float(np.sum(light[counted])) * area / max(whole, 1e-300)


def _traced(found: Reconstruction, model: LensModel, x: np.ndarray, y: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """Brightness of the source and det A at points (N,) of the image plane [arcsec]."""
    beta, a = traced(model, x, y)
    return found.at(beta[:, 0], beta[:, 1]), jnp.linalg.det(a)


def lensed_flux(term: Any, model: LensModel) -> float:
    """Flux [data unit times arcsec^2] of the lensed source of profiles of a model of numbers, where the term of a
    source on pixels models it."""
    profiles = PROFILES[term.kind](term)
    return float(jnp.sum(profiles.light(model.only("source")))) * float(profiles.grid.pixel_scale) ** 2


def _scatter(inverse: np.ndarray, residuals: np.ndarray, model: np.ndarray, source: np.ndarray) -> Noise | None:
    """Of one image, residuals whitened, model and source not."""
    return scatter(-residuals, model * inverse, source * inverse, inverse)
