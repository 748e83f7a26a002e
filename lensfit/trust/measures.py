"""What one dataset says about a fit, as numbers: whatever kind of data it is, the same questions are put to them."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.model import LensModel
from lensfit.surface import surfaces
from lensfit.trust.unlensed import Unlensed


@dataclasses.dataclass(frozen=True)
class CounterImage:
    """The images of negative parity, their amplitude left free.

    amplitude, error: over that of the images of positive parity, 1 expected. signal: over noise in the model.
    """

    amplitude: float
    error: float
    signal: float


@dataclasses.dataclass(frozen=True)
class Noise:
    """How far the data scatter where the model has nothing to explain, over the noise that they state.

    least, most: from two estimates, of which one cannot come out too large and the other cannot come out too small.
    """

    least: float
    most: float
    where: str


@dataclasses.dataclass(frozen=True)
class Left:
    """What a fit leaves where the lensed source is.

    share: of the brightness of the arcs, root mean square, noise taken out. peak: the largest residual as wide as the
    PSF, over the brightest place of the arcs seen as wide; zero where none stands out of the noise.
    """

    share: float
    peak: float


@dataclasses.dataclass(frozen=True)
class Peak:
    """The largest residual of a dirty image: sigma, share of the dirty image's peak, place (x, y) [arcsec]; and the
    number of independent beams in the image."""

    sigma: float
    share: float
    x: float
    y: float
    beams: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measures:
    """What was measured; None where the data or the model do not have it.

    signal: of the lensed source over noise. explained: share of what lens light leaves, chi2 above noise, that the
    source takes away. magnification: lensed over unlensed flux, weighted by the noise. images: mean number of images
    of the source's light. negative: squared signal over noise of the lensed source on pixels where it is below zero,
    over that where it is above. misfit: chi2 over the number of data and over the square of their scatter. pedestal:
    share of the PSF's light that is a constant below all of it. extra: variance of what a fit leaves on the arcs,
    correlations between neighbours counted in, over that of the noise as stated, no less than 1; of a source on pixels
    times the square of `of_pixels.TAKEN_UP`. even: how bright the faintest part of the ring about the lens is, over the
    brightest. unlensed: the light of visibilities that is not lensed in the model.
    """

    signal: float | None = None
    explained: float | None = None
    counter: CounterImage | None = None
    magnification: float | None = None
    images: float | None = None
    negative: float | None = None
    misfit: float | None = None
    extra: float | None = None
    even: float | None = None
    noise: Noise | None = None
    left: Left | None = None
    pedestal: float | None = None
    peak: Peak | None = None
    unlensed: tuple[Unlensed, ...] | None = None


@compiled
def by_parity(term: Any, model: LensModel) -> jax.Array:
    """Light (3, H, W): lensed source of positive and of negative parity, and the source unlensed.

    The parity is that of the whole lens, however many masses it has.
    """
    source = model.only("source")
    bare = dataclasses.replace(source, mass={})

    def formula(both: tuple[LensModel, LensModel], x: Any, y: Any) -> tuple[Any, Any, Any]:
        lensed, one, zero = both[0].brightness(x, y), jnp.ones_like(x), jnp.zeros_like(x)
        bare = both[1].brightness(x, y)
        x, y = both[0].placed(x, y)
        _, (xx, yx) = jax.jvp(both[0].source_position, (x, y), (one, zero))
        _, (xy, yy) = jax.jvp(both[0].source_position, (x, y), (zero, one))
        outside = xx * yy - xy * yx > 0
        return jnp.where(outside, lensed, 0.0), jnp.where(outside, 0.0, lensed), bare

    return surfaces(formula, (source, bare), term.grid)


def ratio_of_last(gram: np.ndarray, projection: np.ndarray) -> tuple[float, float]:
    """Best amplitude of the last of some columns over that of the one before, and its error."""
    covariance = np.linalg.inv(gram)
    best = covariance @ projection
    ratio = best[-1] / best[-2]
    slope = np.array([-ratio, 1.0]) / best[-2]
    return float(ratio), float(np.sqrt(slope @ covariance[-2:, -2:] @ slope))
