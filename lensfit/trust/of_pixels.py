"""What a reconstruction on pixels looks like: wrong Einstein radii make something else of a free source.

At half the right radius such a source becomes the arcs themselves, at twice the radius a ring about half as large
as the lens: both explain the data, and each part of them is seen once. A lens shows each part twice or more. Light
and sky take up what does not fit. ln evidence does not tell: it often prefers these.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.datasets.psf import pedestal_of
from lensfit.inversion.regularisation import regularisation
from lensfit.lensing.flux import mean_images
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.trust.measures import Measures, Noise
from lensfit.trust.of_image import OnArcs, evenness, scatter
from lensfit.trust.of_visibilities import scatter as scatter_of_visibilities

TAKEN_UP = 2.0
"""Factor of the errors for what a free source takes up of anything that no model explains, and for how it moves the
mass by being held smooth: residuals do not show it. Of the 32 lenses without a satellite that came out on pixels among
the seeds 13 to 246 of benchmarks/realistic.py, 66 and 97 % of the Einstein radii lie within one and two total errors
so, 66 and 94 % of the slopes. Visibilities, whose sources are held smooth as well, have it from there."""

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
    extra = [_extra(image, seen) or 1.0 for image, seen in zip(term.images, found.seen, strict=True)]
    worst = max(known, key=lambda n: max(n.least, 1 / n.most), default=None)
    pedestal = max(pedestal_of(np.asarray(image.psf)) for image in term.images)
    return Measures(
        signal=signal_of(found), images=mean_images(found, term.grids[0]), negative=negative_light(term, found),
        noise=worst, pedestal=pedestal, extra=TAKEN_UP**2 * max(extra),
        even=evenness(np.asarray(found.seen[0].source), term.grids[0], found.model),
    )


def of_visibilities_on_pixels(term: Any, found: Reconstruction) -> Measures:
    """The evidence for a reconstruction in the visibilities of a term."""
    noise = scatter_of_visibilities(float(found.solution.chi2), term.data_count)
    images = mean_images(found, term.grids[0])
    return Measures(signal=signal_of(found), images=images, noise=noise, extra=TAKEN_UP**2)


def signal_of(found: Reconstruction) -> float:
    """Signal over noise of the whole lensed source."""
    return float(_signal(found))


@compiled
def _signal(found: Reconstruction) -> jax.Array:
    """See `signal_of`."""
    s = found.coefficients.ravel()
    block = found.solution.system[: len(s), : len(s)]
    return jnp.sqrt(s @ (block @ s) - regularisation(found.source).penalty(s))


def negative_light(term: Any, found: Reconstruction) -> float:
    """Of the worst of the images of a term, see `Measures`."""
    shares = []
    for image, seen in zip(term.images, found.seen, strict=True):
        signal = np.asarray(seen.source * image.inverse_noise)
        dark, light = (float(np.sum(part**2)) for part in (np.minimum(signal, 0.0), np.maximum(signal, 0.0)))
        shares.append(np.inf if light == 0 else dark / light)
    return float(np.max(shares))


def lensed_flux(term: Any, model: LensModel) -> float:
    """Flux [data unit times arcsec^2] of the lensed source of profiles of a model of numbers, where the term of a
    source on pixels models it."""
    profiles = PROFILES[term.kind](term)
    return float(_whole_light(profiles, model.only("source"))) * float(profiles.grid.pixel_scale) ** 2


@compiled
def _whole_light(profiles: Any, source: LensModel) -> jax.Array:
    """Summed over pixels."""
    return jnp.sum(profiles.light(source))


def _extra(image: Any, seen: Any) -> float | None:
    """Of one image, see `Measures`; None where too little is seen of arcs or sky."""
    inverse, left = np.asarray(image.inverse_noise), -np.asarray(seen.residuals)
    arcs = OnArcs.where(np.asarray(seen.source) * inverse, left, np.asarray(seen.image) * inverse, inverse)
    return arcs.extra(left, np.asarray(image.psf)) if arcs.seen else None


def _scatter(inverse: np.ndarray, residuals: np.ndarray, model: np.ndarray, source: np.ndarray) -> Noise | None:
    """Of one image, residuals whitened, model and source not."""
    return scatter(-residuals, model * inverse, source * inverse, inverse)
