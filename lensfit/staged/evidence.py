"""What visibilities say about the source of a fit, and about its neighbours."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.fitters.lm import Point
from lensfit.fitters.result import Variant
from lensfit.model import LensModel
from lensfit.operators.non_negative import non_negative_image
from lensfit.staged.case import Roles
from lensfit.staged.trust import Evidence, by_parity, ratio_of_last
from lensfit.verdict import Check

SECOND_SOURCE = tuple(
    (size, far * np.cos(angle), far * np.sin(angle))
    for k, angle in enumerate(np.linspace(0, 2 * np.pi, 6, endpoint=False))
    for size, far in [((0.5, 1.5), (1.5, 1.2))[k % 2]]
)
"""Starts of a second source, see `lensfit.staged.neighbours.fit_family`: all around the first."""
EASING = (0.7, 0.4, 0.2)
"""Shares of itself to which shear goes before it is taken away: visibilities have many optima."""
REJECTED = 0.05
"""Share of the lensed signal, its signal over noise squared, by which a neighbour may fit worse."""
STABLE = 0.06
"""Half the range of the Einstein radius over neighbouring models that fit, relative to it, up to which it is known."""
LEFT, LEFT_SHARE = 8.0, 0.1
"""Largest residual of the dirty image in sigma, and relative to the dirty image's peak, up to which a model is one of
the data: mocks on real baselines leave at most 4.6 sigma, a lens whose faint core is left out 6.6 and 8 %, the same
without its antennas' phases 10.5 and 14 %."""


def gather(likelihood: Any, model: LensModel, point: Point) -> Evidence:
    """Measure the evidence for the source of a model with numbers, that of a point, in visibilities.

    The share that the source explains is of what the best non-negative image lowers chi2 by.
    """
    positive, negative, bare = by_parity(likelihood, model)
    light, best = _light_and_best(likelihood, model)
    columns = jnp.stack([light, positive * likelihood.response, negative * likelihood.response])
    used = np.flatnonzero([bool(jnp.any(image != 0)) for image in columns])
    gram, projection = (np.asarray(a) for a in (likelihood.gram(columns), likelihood.projection(columns)))
    counter, error = np.nan, np.inf
    if {1, 2} <= set(used):
        counter, error = ratio_of_last(gram[np.ix_(used, used)], projection[used])
    before = float(likelihood.chi2(light))
    return Evidence(
        signal=float(np.sqrt(gram[1:, 1:].sum())),
        explained=(before - float(point.chi2)) / (before - float(likelihood.chi2(best))),
        counter=counter,
        counter_error=error,
        counter_signal=float(np.sqrt(gram[2, 2])),
        magnification=float(jnp.sum(positive + negative) / jnp.maximum(jnp.sum(bare), 1e-300)),
    )


def excess(evidence: Evidence, chi2: float) -> float:
    """How far chi2 of a neighbouring model may be above that of the fit: most of chi2 is noise."""
    return REJECTED * evidence.signal**2


def check_residual(likelihood: Any, point: Point) -> list[Check]:
    """Whether the fit of a point leaves anything large in the dirty image."""
    sigma = np.asarray(likelihood.dirty_sigma)
    left, bright = -np.asarray(point.residuals) / sigma, float((np.asarray(likelihood.dirty) / sigma).max())
    place = np.unravel_index(np.argmax(np.abs(left)), left.shape)
    peak, (x, y) = float(left[place]), (float(a[place]) for a in likelihood.grid.coordinates())
    passed = abs(peak) < max(LEFT, LEFT_SHARE * bright)
    remedy = "fit the antennas' phases too (--antenna-phases), or a model with a further component (--standard)"
    return [
        Check.of(
            "dirty residual",
            passed,
            f"the dirty image less the model's is largest at ({x:.2f}, {y:.2f}) arcsec: {peak:+.1f} sigma, "
            f"{100 * abs(peak) / bright:.0f} % of the peak (less than {LEFT:g} sigma or {100 * LEFT_SHARE:g} %)"
            + ("" if passed else f"; {remedy}"),
        )
    ]


def check_family(roles: Roles, variants: tuple[Variant, ...]) -> list[Check]:
    """Whether models next to the fit that fit as well agree with it."""
    radii = np.array([v.values[roles.einstein_radius_name] for v in variants])
    share = 0.5 * np.ptp(radii) / radii[0]
    return [
        Check.of(
            "neighbouring models",
            bool(share < STABLE),
            f"over {len(radii)} models that fit the Einstein radius lies between {radii.min():.4g} and "
            f"{radii.max():.4g}, +- {100 * share:.1f} % (less than {100 * STABLE:g} %)",
        )
    ]


@jax.jit
def _light_and_best(likelihood: Any, model: LensModel) -> tuple[jax.Array, jax.Array]:
    light = likelihood.image(model.only("light"))
    return light, non_negative_image(likelihood.w_tilde, likelihood.dirty, likelihood.response, 0.0)
