"""What visibilities say about a fit: measured through w_tilde, signal over noise included."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.lensing import centers, whole_field
from lensfit.model import LensModel
from lensfit.operators.toeplitz import non_negative_image
from lensfit.trust.measures import CounterImage, Measures, Noise, Peak, by_parity, ratio_of_last
from lensfit.trust.unlensed import Unlensed, seen_again


def of_visibilities(term: Any, model: LensModel) -> Measures:
    """The evidence for the source of a model of numbers in the visibilities of a term.

    The share that the source explains is of what the best non-negative image lowers chi2 by.
    """
    positive, negative, bare = by_parity(term, model)
    light, best, seen = _light_best_and_seen(term, model)
    columns = jnp.stack([light, positive * term.response, negative * term.response])
    used = np.flatnonzero([bool(jnp.any(image != 0)) for image in columns])
    gram, projection = (np.asarray(a) for a in (term.gram(columns), term.projection(columns)))
    amplitude, error = np.nan, np.inf
    if {1, 2} <= set(used):
        amplitude, error = ratio_of_last(gram[np.ix_(used, used)], projection[used])
    before, after = float(term.chi2(light)), float(term.chi2(seen))
    dirty = np.asarray(term.dirty / term.dirty_sigma)
    x, y = term.grid.coordinates()
    return Measures(
        signal=float(np.sqrt(gram[1:, 1:].sum())),
        explained=(before - after) / (before - float(term.chi2(best))),
        counter=CounterImage(amplitude, error, float(np.sqrt(gram[2, 2]))),
        magnification=float(jnp.sum(positive + negative) / jnp.maximum(jnp.sum(bare), 1e-300)),
        noise=scatter(after, term.data_count),
        peak=peak_of(np.asarray(term.dirty_residual(seen)), dirty, x, y, beams(term.w_tilde)),
        unlensed=unlensed_of(term, model),
    )


def unlensed_of(term: Any, model: LensModel) -> tuple[Unlensed, ...]:
    """The light of a model of numbers that is not lensed, and where it would be seen again if it were."""
    light, mass = model.only("light"), model.only()
    found, field = [], whole_field(term.grid)
    for name, place in centers(model.light).items():
        alone = dataclasses.replace(light, light={"one": model.light[name]}, mass={})
        signal = float(jnp.sqrt(term.gram(_image(term, alone)[None])[0, 0]))
        found.append(seen_again(mass, name, (float(place[0]), float(place[1])), signal, field))
    return tuple(found)


def scatter(chi2: float, count: int) -> Noise:
    """How far visibilities scatter about a model of this chi2, their noise 1."""
    ratio = float(np.sqrt(chi2 / count))
    return Noise(ratio, ratio, "visibilities about the best model")


def beams(w_tilde: Any) -> float:
    """How many independent numbers the noise of a dirty image (H, W) is made of: its pixels over the area [pixels] in
    which they are alike, sum of the squares of their correlation with one of them."""
    w_compact, _ = w_tilde.distinct()
    h, w = w_tilde.shape
    return h * w / max(float(np.sum((w_compact / w_compact[h - 1, w - 1]) ** 2)), 1.0)


def peak_of(left: np.ndarray, dirty: np.ndarray, x: np.ndarray, y: np.ndarray, beams: float) -> Peak:
    """The largest residual of a dirty image (H, W): what is left and the image itself, both over the noise."""
    place = np.unravel_index(np.argmax(np.abs(left)), left.shape)
    highest = float(left[place])
    return Peak(highest, abs(highest) / float(dirty.max()), float(x[place]), float(y[place]), beams)


@compiled
def _light_best_and_seen(term: Any, model: LensModel) -> tuple[jax.Array, jax.Array, jax.Array]:
    light = term.image(model.only("light"))
    return light, non_negative_image(term.w_tilde, term.dirty, term.response, 0.0), term.image(model)


@compiled
def _image(term: Any, model: LensModel) -> jax.Array:
    return term.image(model)
