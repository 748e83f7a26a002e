"""What an image says about a fit: its source, what it leaves on the arcs, and how the sky scatters."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from scipy.ndimage import gaussian_filter, maximum, uniform_filter

from lensfit.compiled import compiled
from lensfit.datasets.psf import pedestal_of
from lensfit.datasets.sky import deviation, differences
from lensfit.lensing import main_center
from lensfit.model import LensModel
from lensfit.trust.measures import CounterImage, Left, Measures, Noise, by_parity, ratio_of_last

ARCS = 2.0
"""Signal over noise of a pixel, smoothed by one pixel, from which it shows an arc: of data or model."""
FEWEST = 8
"""Pixels that show arcs from which on what they leave can be told."""
GLOW = 1.0
"""Signal over noise of the lensed source, smoothed by one pixel, up to which a pixel shows none of it."""
FEWEST_SKY = 100
"""Pixels without lensed light from which on a scatter of the sky is known."""
FEWEST_SKY_OF_BAND = 30
"""The same of a further band, whose pixels may be coarse and whose region is that of the leading one."""
LEAST_SCATTER = 1e-3
"""What data without noise scatter by."""
SKY = 0.5
"""Share of the pixels without lensed light, the faintest ones, over which the sky's scatter is taken."""
STANDS_OUT = 8.0
"""Noise that a smoothed residual must exceed to stand out: correlated noise has 2 where white noise has 1."""
REACH = 3.0
"""Widths of the PSF over which residuals are taken to be correlated."""
CHANCE = 2.0
"""Standard deviations by which their variance must exceed that of noise."""
SECTORS = 12
"""Parts of a ring that are compared."""
NARROWEST = 0.7
"""Least width of the smoothing [pixels]: a narrower one smooths nothing."""


@dataclasses.dataclass(frozen=True)
class OnArcs:
    """Where an image shows arcs, `pixels` (H, W), and where sky that is free of them, `sky`."""

    pixels: np.ndarray
    sky: np.ndarray
    fewest: int = FEWEST_SKY

    @classmethod
    def of(cls, term: Any, model: LensModel) -> OnArcs:
        """Those of a fitted model of numbers: bright in its source, or in the data less its lens light."""
        positive, negative, _ = np.asarray(_parities(term, model))
        source, left, inverse = positive + negative, left_by(term, model), np.asarray(term.inverse_noise)
        return cls.where(source, left, np.asarray(term.whitened_data) - left, inverse, fewest_sky(model))

    @classmethod
    def where(
        cls, source: np.ndarray, left: np.ndarray, model: np.ndarray, inverse: np.ndarray, fewest: int = FEWEST_SKY
    ) -> OnArcs:
        """From the lensed source, what is left, and the model (H, W), all whitened."""
        pixels = _bright(source, source + left) & (inverse > 0)
        return cls(pixels, quiet_sky(model, source, inverse, fewest), fewest)

    @property
    def seen(self) -> bool:
        """Whether there are arcs, and sky to compare them with."""
        return bool(np.count_nonzero(self.pixels) > FEWEST and np.count_nonzero(self.sky) >= self.fewest)

    def variance(self, left: np.ndarray) -> float:
        """Mean square on the arcs of what is left (H, W), whitened."""
        return float(np.mean(left[self.pixels] ** 2))

    def extra(self, left: np.ndarray, psf: np.ndarray) -> float:
        """Variance with which what is left (H, W), whitened, moves a parameter, over that of noise as it is stated: the
        sum of its autocovariance over distances of up to REACH widths of the PSF, tapered to zero there, on the arcs,
        or in the sky where that is larger: a source on pixels takes some of the noise on the arcs. At least 1; 1 too
        where chance could have made it.

        An estimate of the variance of a score whose terms are correlated: Newey & West 1987, of an image.
        """
        side = 2 * round(0.5 * REACH * width_of(psf)) + 1
        found = [1.0]
        for where in (self.pixels, self.sky):
            sums = uniform_filter(np.where(where, left, 0.0), side, mode="constant") * side**2
            count = np.count_nonzero(where)
            variance = float(np.sum(sums**2)) / (side**2 * count)
            found += [variance] if variance > 1 + CHANCE * side * np.sqrt(2 / count) else []
        return max(found)

    def noise(self, left: np.ndarray) -> float:
        """Variance of the sky, which is 1 where the noise is what it says."""
        return max(deviation(left[self.sky]), LEAST_SCATTER) ** 2


def left_by(term: Any, model: LensModel) -> np.ndarray:
    """Data less model over the noise (H, W), of a model of numbers."""
    return -np.asarray(_residuals(term, model))


def of_image(term: Any, model: LensModel) -> Measures:
    """The evidence for the source of a model of numbers in the image of a term."""
    positive, negative, bare = np.asarray(_parities(term, model))
    inverse, data = np.asarray(term.inverse_noise), np.asarray(term.whitened_data)
    left = left_by(term, model)
    source, sigma = positive + negative, np.where(inverse > 0, 1 / np.where(inverse > 0, inverse, 1.0), 0.0)
    light, arcs = data - left - source, source + left
    bright = _bright(source, arcs)
    before, after = (float(np.sum(a[bright] ** 2 - 1)) for a in (arcs, left))
    psf, fewest = np.asarray(term.psf), fewest_sky(model)
    noise = scatter(left, light + source, source, inverse, fewest)
    on_arcs = OnArcs.where(source, left, light + source, inverse, fewest)
    return Measures(
        signal=float(np.sqrt(np.sum(source**2))),
        explained=1 - after / before if bright.sum() > FEWEST and before > 0 else 0.0,
        counter=_counter_image(light, positive, negative, data),
        magnification=float(np.sum(source * sigma) / max(np.sum(bare * sigma), 1e-300)),
        misfit=None if noise is None else float(np.mean(left[inverse > 0] ** 2)) / noise.most**2,
        noise=noise,
        pedestal=pedestal_of(psf),
        left=None if noise is None else remains(left, source, bright, max(noise.most, 1.0), psf),
        extra=on_arcs.extra(left, psf) if on_arcs.seen else None,
        even=evenness(source * sigma, term.grid, model),
    )


def evenness(lensed: np.ndarray, grid: Any, model: LensModel) -> float | None:
    """How even a ring the lensed source (H, W) is about the main mass: the brightest place of the faintest of SECTORS
    over that of the brightest. None where no mass has a place."""
    center = main_center(model.mass)
    if center is None:
        return None
    x, y = (np.asarray(axis) - c for axis, c in zip(grid.coordinates(), center, strict=True))
    sector = np.floor((np.arctan2(y, x) / (2 * np.pi) + 0.5) * SECTORS).astype(int) % SECTORS
    brightest = maximum(lensed, sector, range(SECTORS))
    return float(np.min(brightest) / max(np.max(brightest), 1e-300))


def fewest_sky(model: LensModel) -> int:
    """The least number of pixels of the sky whose scatter says something."""
    return FEWEST_SKY if model.alignment is None else FEWEST_SKY_OF_BAND


def scatter(
    left: np.ndarray, model: np.ndarray, source: np.ndarray, inverse: np.ndarray, fewest: int = FEWEST_SKY
) -> Noise | None:
    """How the sky scatters, from what a fit leaves (H, W) where its model (H, W), source included, is faint.

    All whitened. The scatter itself is too large where the model errs smoothly; that of second differences between
    neighbours is not, but too small where the noise of neighbours is correlated, as drizzling makes it. None where
    too few pixels show no lensed light.
    """
    quiet = quiet_sky(model, source, inverse, fewest)
    if not quiet.any():
        return None
    whole = deviation(left[quiet])
    rough = deviation(differences(left, quiet))
    both = [max(d, LEAST_SCATTER) for d in (whole, rough) if np.isfinite(d)]
    return Noise(least=min(both), most=max(both), where=f"{np.count_nonzero(quiet)} pixels of the sky")


def quiet_sky(model: np.ndarray, source: np.ndarray, inverse: np.ndarray, fewest: int = FEWEST_SKY) -> np.ndarray:
    """The faintest pixels (H, W) without lensed light, model and source whitened; none where too few have none."""
    dark = (inverse > 0) & (gaussian_filter(np.maximum(source, 0.0), 1.0) < GLOW)
    if np.count_nonzero(dark) < fewest:
        return np.zeros_like(dark)
    flux = np.where(dark, model / np.where(dark, inverse, 1.0), np.inf)
    return dark & (flux <= np.quantile(flux[dark], SKY))


def remains(left: np.ndarray, source: np.ndarray, bright: np.ndarray, noise: float, psf: np.ndarray) -> Left:
    """What a fit leaves of the arcs, `bright` pixels, noise taken out."""
    excess = float(np.sum(left[bright] ** 2)) - np.count_nonzero(bright) * noise**2
    whole = max(float(np.sum(source[bright] ** 2)), 1e-300)
    width = max(width_of(psf), NARROWEST)
    unit = 2 * width * np.sqrt(np.pi)  # smoothed white noise times this has deviation 1
    highest = unit * float(np.max(np.abs(gaussian_filter(left, width)[bright]), initial=0.0))
    brightest = unit * float(np.max(gaussian_filter(source, width)))
    stands_out = highest > STANDS_OUT * noise
    return Left(
        share=float(np.sqrt(max(excess, 0.0) / whole)),
        peak=highest / max(brightest, 1e-300) if stands_out else 0.0,
    )


def width_of(psf: np.ndarray) -> float:
    """Standard deviation [pixels] of the Gaussian with as much noise-equivalent area as a PSF."""
    return float(np.sqrt(1 / (4 * np.pi * np.sum((psf / psf.sum()) ** 2))))


def _bright(source: np.ndarray, arcs: np.ndarray) -> np.ndarray:
    """The pixels (H, W) that show arcs, in the model or in the data less lens light."""
    return gaussian_filter(np.maximum(source, arcs), 1.0) > ARCS


def _counter_image(light: np.ndarray, positive: np.ndarray, negative: np.ndarray, data: np.ndarray) -> CounterImage:
    """The negative-parity images, each kind of light of an amplitude of its own."""
    signal = float(np.sqrt(np.sum(negative**2)))
    if not np.any(negative) or not np.any(positive):
        return CounterImage(np.nan, np.inf, signal)
    lit = np.sum(light**2) > 1e-12 * np.sum(data**2)
    columns = np.stack([light, positive, negative] if lit else [positive, negative])
    columns = columns.reshape(len(columns), -1)
    return CounterImage(*ratio_of_last(columns @ columns.T, columns @ data.ravel()), signal)


@compiled
def _parities(term: Any, model: LensModel) -> jax.Array:
    """The light of `by_parity` (3, H, W) as the data show it, over the noise."""
    return term.whiten(by_parity(term, model))


@compiled
def _residuals(term: Any, model: LensModel) -> jax.Array:
    return term.residuals(model)
