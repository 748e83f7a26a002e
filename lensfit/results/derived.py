"""Quantities that follow from the parameters of a fit, with errors propagated through its covariance."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Imaging
from lensfit.errors import ModelError
from lensfit.fitters._base import FitResult
from lensfit.lensing import Field, bright_cells, critical_curves, einstein_radius, flux, unlensed
from lensfit.model import LensModel
from lensfit.plots.compass import position_angle
from lensfit.plots.scene import unmasked_field
from lensfit.problem import Problem

WIDER = 3.0
"""How much wider than the unmasked field the flux of the source is summed."""

Values = dict[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A derived number with its one-sigma error, NaN where that is unknown."""

    value: float
    error: float
    unit: str
    description: str


WORDS = {
    "axis_ratio": ("", "minor over major axis"),
    "position_angle": ("deg", "major axis, counter-clockwise from +x"),
    "position_angle_sky": ("deg", "major axis, East of North"),
    "shear_strength": ("", "strength of the external shear"),
    "shear_angle": ("deg", "direction in which the shear stretches images, counter-clockwise from +x"),
    "shear_angle_sky": ("deg", "direction in which the shear stretches images, East of North"),
    "effective_einstein_radius": ("arcsec", "sqrt(area / pi) inside the tangential critical curve"),
    "source_magnification": ("", "flux of the lensed source over that of the source"),
}
"""Unit and meaning of each derived quantity, by the last part of its name."""


def derived_quantities(problem: Problem, imaging: Imaging, result: FitResult) -> dict[str, Quantity]:
    """Shapes of all profiles, shear, effective Einstein radius and magnification, by dotted name.

    Solved amplitudes are held at their best: their errors are left out of the propagation.
    """
    amplitudes = jnp.asarray(result.amplitudes)

    def model(theta: jax.Array) -> LensModel:
        built = problem.space.build(theta)
        return built.filled(amplitudes) if problem.space.amplitudes else built

    field = unmasked_field(imaging)
    values = _einstein_radius(model, field, result)
    values |= _magnification(model, Field(field.x, field.y, WIDER * field.half_width), result)
    values |= _propagated(lambda theta: _shapes(model(theta)), result)
    for name in [name for name in values if name.endswith("_angle")]:
        angle, error = values[name]
        values[name] = (angle % 180, error)
        if imaging.wcs is not None:
            values[f"{name}_sky"] = (position_angle(imaging.wcs, angle), error)
    return {name: Quantity(*values[name], *WORDS[name.rsplit(".", 1)[-1]]) for name in values}


def _shapes(model: LensModel) -> dict[str, jax.Array]:
    """Axis ratio and angle of every profile with an ellipticity, strength and angle of every shear."""
    found = {}
    for group in ("mass", "light", "source"):
        for name, profile in sorted(getattr(model, group).items()):
            roles = {f.metadata["role"]: getattr(profile, f.name) for f in dataclasses.fields(profile)}
            if {"e1", "e2"} <= roles.keys():
                e = jnp.hypot(roles["e1"], roles["e2"])
                found[f"{group}.{name}.axis_ratio"] = (1 - e) / (1 + e)
                found[f"{group}.{name}.position_angle"] = _angle(roles["e1"], roles["e2"])
            if {"gamma1", "gamma2"} <= roles.keys():
                found[f"{group}.{name}.shear_strength"] = jnp.hypot(roles["gamma1"], roles["gamma2"])
                found[f"{group}.{name}.shear_angle"] = _angle(roles["gamma1"], roles["gamma2"])
    return found


def _angle(first: Any, second: Any) -> jax.Array:
    return jnp.degrees(0.5 * jnp.arctan2(second, first))


def _einstein_radius(model: Callable[..., LensModel], field: Field, result: FitResult) -> Values:
    try:
        curve = critical_curves(model(jnp.asarray(result.theta)), field).main
    except ModelError:
        return {"effective_einstein_radius": (np.nan, np.nan)}
    radius = lambda theta: {"effective_einstein_radius": einstein_radius(model(theta), curve)}  # noqa: E731
    return _propagated(radius, result)


def _magnification(model: Callable[..., LensModel], field: Field, result: FitResult) -> Values:
    best = model(jnp.asarray(result.theta))
    if not best.source:
        return {}
    lensed = bright_cells(best.only("source"), field)
    bare = bright_cells(unlensed(best), field)

    def ratio(theta: jax.Array) -> dict[str, jax.Array]:
        now = model(theta)
        return {"source_magnification": flux(now.only("source"), lensed) / flux(unlensed(now), bare)}

    return _propagated(ratio, result)


def _propagated(function: Callable[[jax.Array], dict[str, jax.Array]], result: FitResult) -> Values:
    """Values of function(theta) and the errors that the covariance of theta gives them."""
    theta = jnp.asarray(result.theta)
    values, slopes = jax.jit(lambda t: (function(t), jax.jacrev(function)(t)))(theta)
    found = {}
    for name, value in values.items():
        slope = np.asarray(slopes[name])
        variance = float(slope @ result.covariance @ slope)
        found[name] = (float(value), float(np.sqrt(variance)) if variance >= 0 else np.nan)
    return found
