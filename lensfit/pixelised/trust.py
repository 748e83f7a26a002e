"""Whether a fit with the source on pixels may be believed: what wrong Einstein radii make of a free source.

At half the right radius such a source becomes the arcs themselves, at twice the radius a ring about half as large
as the lens: both explain the data, and each part of them is seen once. A lens shows each part twice or more. Light
and sky take up what does not fit. ln evidence does not tell: it often prefers these.
"""
from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from lensfit.inversion.regularisation import regularisation
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.pixelised.shape import mean_images
from lensfit.verdict import Check

LEAST_SIGNAL = 40.0
"""Signal over noise of the whole lensed source below which a free one can be anything."""
LEAST_IMAGES = 1.8
"""Mean number of images of the source's light below which the source is not one seen through a lens."""
FLUX = (0.4, 2.0)
"""Least and largest flux of the lensed source over that of the parametric fit."""
MOVED = 0.15
"""Relative change of the Einstein radius from that of the parametric fit."""
WORSE = 1.1
"""chi2 over that of the parametric fit."""


@dataclasses.dataclass(frozen=True)
class Measures:
    """What a reconstruction looks like.

    signal: over noise, of the lensed source. images: how many the light of the source has on average.
    """

    signal: float
    images: float


def measure(likelihood: Any, found: Reconstruction) -> Measures:
    """Of a reconstruction by a likelihood of images or of visibilities."""
    s = found.coefficients.ravel()
    block = found.solution.system[: len(s), : len(s)]
    held = regularisation(found.source).penalty(s)
    return Measures(
        signal=float(jnp.sqrt(s @ (block @ s) - held)),
        images=mean_images(found, likelihood.grids[0]),
    )


def einstein_radius(model: LensModel) -> float:
    """The largest that a mass of a model of numbers has [arcsec]."""
    owners = [(p, f) for p in model.mass.values() for f in dataclasses.fields(p)]  # pyright: ignore
    return max(float(getattr(p, f.name)) for p, f in owners if f.metadata.get("role") == "einstein_radius")


def lensed_flux(likelihood: Any, model: LensModel) -> float:
    """Flux [data unit times arcsec^2] of the lensed source of a model of numbers, where a likelihood models it."""
    return float(jnp.sum(likelihood.light(model.only("source")))) * float(likelihood.grid.pixel_scale) ** 2


def check_source(measures: Measures) -> list[Check]:
    """The checks that a reconstruction alone answers."""
    m = measures
    return [
        Check.of(
            "lensed source",
            m.signal > LEAST_SIGNAL,
            f"signal over noise of the lensed source is {m.signal:.1f} (more than {LEAST_SIGNAL:.0f})",
        ),
        Check.of(
            "multiple images",
            m.images > LEAST_IMAGES,
            f"the source's light is seen {m.images:.2f} times on average (more than {LEAST_IMAGES}: what is seen "
            "once are the arcs themselves)",
        ),
    ]


def check_basin(radius: float, flux: float, chi2: float) -> list[Check]:
    """The checks against the parametric fit that it began at: Einstein radius, lensed flux and chi2, over its own."""
    moved = abs(radius - 1)
    return [
        Check.of(
            "parametric basin",
            moved < MOVED,
            f"the Einstein radius is {100 * moved:.1f} % from that of the parametric fit (less than "
            f"{100 * MOVED:.0f} %)",
        ),
        Check.of(
            "flux",
            FLUX[0] < flux < FLUX[1],
            f"the lensed source has {flux:.2f} of the flux that it has in the parametric fit ({FLUX[0]} to {FLUX[1]})",
        ),
        Check.of(
            "residuals",
            chi2 < WORSE,
            f"chi2 is {chi2:.2f} times that of the parametric fit (less than {WORSE}: a mesh that is too coarse, or "
            "held too firmly, cannot follow the arcs)",
        ),
    ]
