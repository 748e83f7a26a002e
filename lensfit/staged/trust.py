"""Whether a fit may be believed: questions that wrong fits with a good chi2 answer badly."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter

from lensfit.fitters.lm import Point
from lensfit.fitters.result import Variant
from lensfit.model import LensModel
from lensfit.space import Space
from lensfit.staged.case import Basin, Roles, to_z
from lensfit.surface import surfaces
from lensfit.verdict import Check

LEAST_SIGNAL = 25.0
"""Signal over noise of the whole lensed source below which there is nothing to model."""
LEAST_EXPLAINED = 0.75
"""Share of the arcs' chi2 that the source must explain."""
COUNTER_IMAGE = 0.25
"""Most that the amplitude of the negative-parity images may differ from the others', beside its error."""
LEAST_MAGNIFICATION = 1.5
PRIOR_WIDTHS = 3.5
"""Widths of its prior that a parameter may lie from its middle."""
AGREE = 0.01
"""Relative difference in Einstein radius up to which two answers are one."""
GAP = 10.0
"""Least difference in objective between the best basin and the next."""
REJECTED = 0.1
"""Share of its chi2 by which a neighbour may fit worse and still be a model of these data."""
GAIN = 1.0
"""Most that chi2 may fall when the descent goes on."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the image says about the source of a fit.

    signal: signal over noise of the lensed source. explained: share of the arcs' chi2 that it takes away.
    counter, counter_error: amplitude of the negative-parity images over that of the others, and
    counter_signal, their signal over noise in the model. magnification: lensed over unlensed flux.
    """

    signal: float
    explained: float
    counter: float
    counter_error: float
    counter_signal: float
    magnification: float


def gather(likelihood: Any, model: LensModel, point: Point) -> Evidence:
    """Measure the evidence for the source of a model with numbers, that of a point, in an image."""
    images = likelihood.whiten(by_parity(likelihood, model))
    positive, negative, bare = np.asarray(images)
    residuals = np.asarray(point.residuals)
    data, inverse = np.asarray(likelihood.whitened_data), np.asarray(likelihood.inverse_noise)
    noise = np.where(inverse > 0, 1 / np.where(inverse > 0, inverse, 1.0), 0.0)
    source = positive + negative
    light = data + residuals - source
    arcs = source - residuals
    bright = gaussian_filter(np.maximum(source, arcs), 1.0) > 2.0
    before, after = (float(np.sum(a[bright] ** 2 - 1)) for a in (arcs, arcs - source))
    counter, error = _counter_image(light, positive, negative, data)
    return Evidence(
        signal=float(np.sqrt(np.sum(source**2))),
        explained=1 - after / before if bright.sum() > 8 and before > 0 else 0.0,
        counter=counter,
        counter_error=error,
        counter_signal=float(np.sqrt(np.sum(negative**2))),
        magnification=float(np.sum(source * noise) / max(np.sum(bare * noise), 1e-300)),
    )


def check_fit(
    space: Space, roles: Roles, theta: np.ndarray, evidence: Evidence, gain: float, most: float = GAIN
) -> list[Check]:
    """The checks that need one fit alone, whatever fitter made it.

    `gain` is how much chi2 + |z|^2 still fell when the descent was continued, `most` how much it may.
    """
    z = np.asarray(to_z(space, theta))
    sizes = [source.radius for source in roles.sources if source.radius >= 0]
    asked = [*np.flatnonzero(roles.mass), *sizes]
    far = [k for k in asked if abs(z[k]) > PRIOR_WIDTHS]
    edges = ", ".join(f"{space.names[k]} = {theta[k]:.4g} ({z[k]:+.1f})" for k in far)
    tolerance = COUNTER_IMAGE + 3 * evidence.counter_error
    return [
        Check.of(
            "lensed source",
            evidence.signal > LEAST_SIGNAL,
            f"signal over noise of the lensed source is {evidence.signal:.1f} (at least {LEAST_SIGNAL:.0f})",
        ),
        Check.of(
            "arcs explained",
            evidence.explained > LEAST_EXPLAINED,
            f"the source explains {100 * evidence.explained:.0f} % of what lens light leaves "
            f"(at least {100 * LEAST_EXPLAINED:.0f} %)",
        ),
        Check.of(
            "counter-image",
            bool(evidence.counter_signal > 5 and abs(evidence.counter - 1) < tolerance),
            f"the images of negative parity, signal over noise {evidence.counter_signal:.1f}, come out at "
            f"{evidence.counter:.2f} +- {evidence.counter_error:.2f} of what the others predict (1 expected)",
        ),
        Check.of(
            "magnified",
            evidence.magnification > LEAST_MAGNIFICATION,
            f"the source is magnified {evidence.magnification:.1f} times (at least {LEAST_MAGNIFICATION})",
        ),
        Check.of(
            "priors",
            not far,
            f"far out in their priors [widths]: {edges}" if far else "no mass and no size of a source is far out",
        ),
        Check.of(
            "optimum",
            bool(gain < most),
            f"going on lowered chi2 by {gain:.2g} (less than {most:g})",
        ),
    ]


def check_search(
    roles: Roles, theta: np.ndarray, basins: tuple[Basin, ...], other: np.ndarray
) -> list[Check]:
    """The checks of a search: a second one from another seed, and how far the next basin is."""
    radius = theta[roles.einstein_radius]
    change = other[roles.einstein_radius] / radius - 1
    rivals = [b for b in basins[1:] if abs(b.theta[roles.einstein_radius] / radius - 1) > AGREE]
    gap = min((b.score - basins[0].score for b in rivals), default=np.inf)
    nearest = f"the next best basin is {gap:.0f} in chi2 away (at least {GAP:.0f})"
    return [
        Check.of(
            "another seed",
            bool(abs(change) < AGREE),
            f"a search from another seed ends at an Einstein radius {100 * abs(change):.2f} % away "
            f"(less than {100 * AGREE:g} %)",
        ),
        Check.of("next basin", bool(gap > GAP), nearest if rivals else "no other basin came near"),
    ]


def excess(evidence: Evidence, chi2: float) -> float:
    """How far chi2 of a neighbouring model may be above that of the fit."""
    return REJECTED * chi2


def check_residual(likelihood: Any, point: Point) -> list[Check]:
    """Nothing is asked of an image's residuals: noise maps are often wrong, and galaxies are no Sersic profiles."""
    return []


def check_family(roles: Roles, variants: tuple[Variant, ...]) -> list[Check]:
    """Nothing is asked of the neighbours: in an image they tell how far to believe the fit, not whether."""
    return []


def _counter_image(
    light: np.ndarray, positive: np.ndarray, negative: np.ndarray, data: np.ndarray
) -> tuple[float, float]:
    """Amplitude of the negative-parity images over that of the others, each left free, and its error."""
    if not np.any(negative) or not np.any(positive):
        return np.nan, np.inf
    lit = np.sum(light**2) > 1e-12 * np.sum(data**2)
    columns = np.stack([light, positive, negative] if lit else [positive, negative])
    columns = columns.reshape(len(columns), -1)
    return ratio_of_last(columns @ columns.T, columns @ data.ravel())


def ratio_of_last(gram: np.ndarray, projection: np.ndarray) -> tuple[float, float]:
    """Best amplitude of the last of some columns over that of the one before, and its error."""
    covariance = np.linalg.inv(gram)
    best = covariance @ projection
    ratio = best[-1] / best[-2]
    slope = np.array([-ratio, 1.0]) / best[-2]
    return float(ratio), float(np.sqrt(slope @ covariance[-2:, -2:] @ slope))


@jax.jit
def by_parity(likelihood: Any, model: LensModel) -> jax.Array:
    """Light (3, H, W): lensed source of positive and of negative parity, and the source unlensed."""
    source = model.only("source")
    bare = dataclasses.replace(source, mass={})

    def formula(both: tuple[LensModel, LensModel], x: Any, y: Any) -> tuple[Any, Any, Any]:
        lensed = both[0].brightness(x, y)
        (xx, xy), (yx, yy) = jax.jacfwd(lambda p: jnp.stack(both[0].source_position(p[0], p[1])))(jnp.stack([x, y]))
        outside = xx * yy - xy * yx > 0
        return jnp.where(outside, lensed, 0.0), jnp.where(outside, 0.0, lensed), both[1].brightness(x, y)

    return surfaces(formula, (source, bare), likelihood.grid)
