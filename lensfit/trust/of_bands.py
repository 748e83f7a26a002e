"""What images in several bands say together: the colour of the arcs along all of them, and how well the bands agree."""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from lensfit.compiled import compiled
from lensfit.model import LensModel
from lensfit.pytree import replace

SECTORS = 12
"""Directions about the lens that are told apart."""
INSIDE = 0.8
"""Share of the lensed source's light, the brightest pixels, over which its colour is taken."""
SEEN = 4.0
"""Signal over noise that the arcs must have in a sector, in each of two bands, so that it has a colour."""
FEWEST = 3
"""Sectors that a colour must be known in."""
MAGNITUDE = 2.5 / np.log(10)

Part = tuple[str, Any, LensModel]
"""Name, term and model of numbers of one band."""


@dataclasses.dataclass(frozen=True, eq=False)
class Colours:
    """The colour of two bands along the images, in sectors about the lens (K,): magnitudes of the first less those of
    the second, in the units of the data.

    angle: of each sector [degrees, counter-clockwise from +x]. arcs, error: as the data have it, corrected for the PSFs
    by the model. model: of the model. lens: of the lens light in the same pixels, NaN where it has none; whole: of all
    lens light.
    """

    first: str
    second: str
    angle: np.ndarray
    arcs: np.ndarray
    error: np.ndarray
    model: np.ndarray
    lens: np.ndarray
    whole: float

    @property
    def off_the_model(self) -> float:
        """Scatter of the colour about the model's, noise taken out [mag]."""
        return self._scatter(self.arcs - self.model)

    @property
    def off_the_lens(self) -> float:
        """How far the colour is from those of the lens light, there and as a whole, between which its stars have any:
        root mean square, noise taken out [mag]; NaN without lens light."""
        low, high = np.minimum(self.lens, self.whole), np.maximum(self.lens, self.whole)
        return self._scatter(np.maximum(low - self.arcs, 0.0) + np.maximum(self.arcs - high, 0.0))

    @property
    def noise(self) -> float:
        """Root mean square of the errors [mag], by their weights."""
        return float(np.sqrt(len(self.error) / np.sum(self.error**-2.0)))

    def _scatter(self, difference: np.ndarray) -> float:
        weights = self.error**-2.0
        return float(np.sqrt(max(np.sum(weights * difference**2 - 1) / np.sum(weights), 0.0)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Sectors:
    """What one band shows in each sector (K,): amplitude of the arcs in units of the model's, and its error; light of
    the model's lensed source and of its lens, before the PSF; and all light of that in the image."""

    amplitude: np.ndarray
    error: np.ndarray
    source: np.ndarray
    light: np.ndarray
    whole: float


def colours_of(images: Sequence[Part]) -> tuple[Colours, ...] | None:
    """The colours of the arcs in neighbouring bands, of images alone; None where there are no two, or few sectors have
    one."""
    if len(images) < 2:
        return None
    center = _center(images)
    found = [_colours(one, other, center) for one, other in pairwise(images)]
    return tuple(one for one in found if one is not None) or None


def _center(images: Sequence[Part]) -> tuple[float, float]:
    """The middle of the lensed source's light in the first band [arcsec, frame of the mass]."""
    _, term, model = images[0]
    source, _ = (np.asarray(a) for a in _lights(term, model))
    x, y = map(np.asarray, model.placed(*term.grid.coordinates()))
    return float(np.average(x, weights=source)), float(np.average(y, weights=source))


def _colours(one: Part, other: Part, center: tuple[float, float]) -> Colours | None:
    levels = [_level(*part[1:]) for part in (one, other)]
    a, b = (_sectors(*part[1:], [(one[2], levels[0]), (other[2], levels[1])], center) for part in (one, other))
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = (a.amplitude > SEEN * a.error) & (b.amplitude > SEEN * b.error) & (a.source > 0) & (b.source > 0)
        if np.count_nonzero(seen) < FEWEST:
            return None
        model = -MAGNITUDE * np.log(a.source / b.source)
        arcs = model - MAGNITUDE * np.log(a.amplitude / b.amplitude)
        lens = np.where((a.light > 0) & (b.light > 0), -MAGNITUDE * np.log(a.light / b.light), np.nan)
        error = MAGNITUDE * np.hypot(a.error / a.amplitude, b.error / b.amplitude)
    angle = (np.arange(SECTORS) + 0.5) * 360 / SECTORS
    known = a.whole > 0 and b.whole > 0
    whole = -MAGNITUDE * float(np.log(a.whole / b.whole)) if known else np.nan
    sectors = {"angle": angle, "arcs": arcs, "error": error, "model": model, "lens": lens}
    return Colours(one[0], other[0], whole=whole, **{key: values[seen] for key, values in sectors.items()})


def _level(term: Any, model: LensModel) -> float:
    """The brightness from which on pixels hold the share INSIDE of the lensed source's light."""
    source, used = np.asarray(_lights(term, model)[0]), np.asarray(term.inverse_noise) > 0
    down = np.sort(source[used])[::-1]
    return float(down[np.searchsorted(np.cumsum(down), INSIDE * down.sum())])


def _sectors(
    term: Any, model: LensModel, bright: Sequence[tuple[LensModel, float]], center: tuple[float, float]
) -> _Sectors:
    """Of the pixels where the lensed source of one of the models in `bright` is above its level."""
    bare, light = (np.asarray(a) for a in _lights(term, model))
    source, left = (np.asarray(a) for a in _whitened(term, model))
    inside = np.asarray(term.inverse_noise) > 0
    seen = [np.asarray(_lights(term, replace(one, alignment=model.alignment))[0]) >= level for one, level in bright]
    inside &= np.any(seen, 0)
    x, y = map(np.asarray, model.placed(*term.grid.coordinates()))
    sector = np.floor(np.arctan2(y - center[1], x - center[0]) / (2 * np.pi) * SECTORS).astype(int) % SECTORS

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(sector[inside], values[inside], SECTORS)

    weight = total(source**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        amplitude = total(source * (source + left)) / weight
        error = weight**-0.5
    every = float(np.sum(light[np.asarray(term.inverse_noise) > 0]))
    return _Sectors(amplitude, error, total(bare), total(light), every)


@compiled
def _lights(term: Any, model: LensModel) -> tuple[jax.Array, jax.Array]:
    """Lensed source and lens light (H, W) of a model of numbers before the PSF, without sky."""
    light = model.only("light")
    return term.light(model.only("source")), term.light(light) - light.sky


@compiled
def _whitened(term: Any, model: LensModel) -> tuple[jax.Array, jax.Array]:
    """Lensed source (H, W) as the data show it, and what the model leaves of them, both over the noise."""
    return term.whiten(term.light(model.only("source"))), -term.residuals(model)
