"""Lengths, masses and velocities, where redshifts are known: each follows from one angle, and so do its errors."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lensfit.cosmology import Redshifts
from lensfit.fitters.result import FitResult
from lensfit.results.derived import RADIUS, WORDS, Quantity

OF_RADIUS = ("einstein_radius_kpc", "einstein_mass", "velocity_dispersion")
DENSITY = "critical_surface_density"
OF_SOURCE, OF_LENS = "_pc", "_kpc"
"""Endings of the names of sizes at the source and at the lens."""
SIZES = ("effective_radius", "sigma", "source_half_light_radius")
"""Last parts of names of sizes [arcsec] of light."""


def physical_quantities(
    derived: Mapping[str, Quantity], result: FitResult, redshifts: Redshifts | None
) -> dict[str, Quantity]:
    """What redshifts make of Einstein radii and of sizes of light, by dotted name; empty without redshifts.

    Each is a function of one angle that samples or the covariance gave with its error, and neighbouring models with its
    spread: half of what it changes by between the angle less and more its error. For errors small beside the angle this
    is linear propagation.
    """
    if redshifts is None:
        return {}
    found: dict[str, Quantity] = {}
    density = redshifts.critical_surface_density
    if density is not None:
        found[DENSITY] = Quantity(density, 0.0, *WORDS[DENSITY])
    kpc, pc = redshifts.kpc_per_arcsec, redshifts.pc_per_arcsec
    of_radius: dict[str, Callable[[float], float | None]] = {
        "einstein_radius_kpc": lambda angle: None if kpc is None else kpc * angle,
        "einstein_mass": redshifts.mass,
        "velocity_dispersion": redshifts.velocity_dispersion,
    }
    for name, quantity in derived.items():
        if name.rpartition(".")[2] == RADIUS:
            start = name.removesuffix(RADIUS)
            found |= {start + word: made for word, function in of_radius.items()
                      if (made := _made(quantity, function, word)) is not None}  # fmt: skip
    for name, angle in _sizes(derived, result).items():
        at_source = "source" in name.split(".") or name.rpartition(".")[2].startswith("source")
        scale, ending = (pc, OF_SOURCE) if at_source else (kpc, OF_LENS)
        if scale is not None:
            word = name.rpartition(".")[2] + ending
            found[name + ending] = _scaled(angle, scale, *WORDS[word])
    return found


def _made(angle: Quantity, function: Callable[[float], float | None], word: str) -> Quantity | None:
    value = function(angle.value)
    if value is None:
        return None

    def half(error: float) -> float:
        ends = [function(max(angle.value + sign * error, 0.0)) for sign in (1, -1)] if np.isfinite(error) else [None]
        return 0.5 * abs(ends[0] - ends[1]) if None not in ends else np.nan  # pyright: ignore

    return Quantity(value, half(angle.error), *WORDS[word], half(angle.spread))


def _scaled(angle: Quantity, scale: float, unit: str, meaning: str) -> Quantity:
    return Quantity(scale * angle.value, scale * angle.error, unit, meaning, scale * angle.spread)


def _sizes(derived: Mapping[str, Quantity], result: FitResult) -> dict[str, Quantity]:
    """Sizes of light among the parameters and the derived quantities."""
    found: dict[str, Any] = {
        name: Quantity(float(value), float(error), "arcsec", "", float(spread))
        for name, value, error, spread in zip(result.names, result.theta, result.errors, result.spread, strict=True)
        if name.rpartition(".")[2] in SIZES and {"light", "source"} & set(name.split("."))
    }
    return found | {name: q for name, q in derived.items() if name.rpartition(".")[2] in SIZES}
