"""Quantities that follow from the parameters of a fit, with errors from its samples or its covariance."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.datasets import Imaging, Interferometer
from lensfit.errors import ModelError
from lensfit.fitters.result import FitResult
from lensfit.lensing import Field, bright_cells, critical_curves, einstein_radius, flux, unlensed
from lensfit.model import LensModel
from lensfit.plots import data_unit, position_angle, unmasked_field
from lensfit.problem import Problem
from lensfit.results.pixels import measured

WIDER = 3.0
"""How much wider than the unmasked field fluxes are summed."""

STEP = 0.01
"""Step of the differences, in errors of the parameter."""

DRAWS = 200
"""Samples over which the scatter of a derived quantity is measured."""

Values = dict[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A derived number with its one-sigma error, NaN where that of a parameter it depends on is unknown."""

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
    "source_half_light_radius": ("arcsec", "radius about its centroid that holds half of the source's light"),
    "source_magnification": ("", "flux of the lensed source over that of the source"),
    "source_flux": ("summed over pixels", "flux of the source without the lens"),
    "lensed_source_flux": ("summed over pixels", "flux of the lensed source"),
    "lens_flux": ("summed over pixels", "flux of the lens light"),
}
"""Unit and meaning of each derived quantity, by the last part of its name."""


def derived_quantities(
    problem: Problem, imaging: Imaging | Interferometer, result: FitResult
) -> dict[str, Quantity]:
    """Shapes of all profiles, shear, effective Einstein radius, magnification and fluxes, by dotted name.

    Fluxes are those within `WIDER` times the unmasked field, those of a source on pixels what its mesh holds.

    Solved amplitudes are held at their best: their errors are left out of the propagation.
    """

    def model(theta: np.ndarray) -> LensModel:
        built = problem.space.build(theta)  # pyright: ignore[reportArgumentType]
        return built.filled(result.amplitudes) if problem.space.amplitudes else built

    field = unmasked_field(imaging)
    values = _einstein_radius(model, field, result)
    values |= _fluxes(model, Field(field.x, field.y, WIDER * field.half_width), result)
    if result.model.pixels():
        values |= _with_errors(lambda theta: _of_pixels(problem, theta), result)
    values |= _with_errors(lambda theta: _shapes(model(theta)), result)
    found = {}
    for name, (value, error) in values.items():
        word = name.rpartition(".")[2]
        if name.endswith("_flux"):
            area, (words, meaning) = imaging.pixel_scale**2, WORDS[word]
            found[name] = Quantity(value / area, error / area, f"{data_unit(imaging)}, {words}", meaning)
            continue
        if not name.endswith("_angle"):
            found[name] = Quantity(value, error, *WORDS[word])
            continue
        found[name] = Quantity(value % 180, error, *WORDS[word])
        if imaging.wcs is not None:
            sky = position_angle(imaging.wcs, value)
            found[f"{name}_sky"] = Quantity(sky, error, *WORDS[f"{word}_sky"])
    return found


def _shapes(model: LensModel) -> dict[str, float]:
    """Axis ratio and angle of every profile with an ellipticity, strength and angle of every shear."""
    found = {}
    for group in ("mass", "light", "source"):
        for name, profile in sorted(getattr(model, group).items()):
            roles = {f.metadata.get("role"): getattr(profile, f.name) for f in dataclasses.fields(profile)}
            if {"e1", "e2"} <= roles.keys():
                e = np.hypot(roles["e1"], roles["e2"])
                found[f"{group}.{name}.axis_ratio"] = (1 - e) / (1 + e)
                found[f"{group}.{name}.position_angle"] = _angle(roles["e1"], roles["e2"])
            if {"gamma1", "gamma2"} <= roles.keys():
                found[f"{group}.{name}.shear_strength"] = np.hypot(roles["gamma1"], roles["gamma2"])
                found[f"{group}.{name}.shear_angle"] = _angle(roles["gamma1"], roles["gamma2"])
    return found


def _angle(first: Any, second: Any) -> float:
    """phi [deg, -90 to 90] of a multiple of (cos 2 phi, sin 2 phi)."""
    return float(np.degrees(0.5 * np.arctan2(second, first)))


def _einstein_radius(model: Callable[..., LensModel], field: Field, result: FitResult) -> Values:
    try:
        curve = critical_curves(model(result.theta), field).main
    except ModelError:
        return {"effective_einstein_radius": (np.nan, np.nan)}
    return _with_errors(lambda t: {"effective_einstein_radius": einstein_radius(model(t), curve)}, result)


def _fluxes(model: Callable[..., LensModel], field: Field, result: FitResult) -> Values:
    """Magnification, and the fluxes [data unit times arcsec^2] inside the field.

    Fluxes have no errors where amplitudes were solved: they were held.
    """
    best = model(result.theta)
    parts: dict[str, Callable[[LensModel], LensModel]] = {}
    if best.light:
        parts["lens_flux"] = lambda m: m.only("light")
    analytic = bool(best.source) and not best.pixels()
    if analytic:
        parts |= {"lensed_source_flux": lambda m: m.only("source"), "source_flux": unlensed}
    cells = {name: bright_cells(part(best), field) for name, part in parts.items()}

    def measured(theta: np.ndarray) -> dict[str, float]:
        now = model(theta)
        found = {name: flux(part(now), cells[name]) for name, part in parts.items()}
        if analytic:
            found["source_magnification"] = found["lensed_source_flux"] / found["source_flux"]
        return found

    values = _with_errors(measured, result)
    held = bool(result.amplitude_names)
    return {n: (v, np.nan if held and n.endswith("_flux") else error) for n, (v, error) in values.items()}


def _of_pixels(problem: Problem, theta: np.ndarray) -> dict[str, float]:
    found = measured(problem.space, problem.likelihood, theta)
    return {name: float(value) for name, value in found.items()}


def _with_errors(function: Callable[[np.ndarray], dict[str, float]], result: FitResult) -> Values:
    """Values of function(theta) at the best theta, and errors: from the samples where there are some."""
    return _propagated(function, result) if result.samples is None else _scattered(function, result)


def _scattered(function: Callable[[np.ndarray], dict[str, float]], result: FitResult) -> Values:
    """Values of function(theta) and their scatter over samples: the root mean square about their mean."""
    assert result.samples is not None and result.weights is not None
    weights = result.weights / result.weights.sum()
    places = np.searchsorted(np.cumsum(weights), (np.arange(DRAWS) + 0.5) / DRAWS)
    best = function(result.theta)
    found = [function(result.samples[k]) for k in places]
    values = {}
    for name, value in best.items():
        change = np.array([draw[name] for draw in found]) - value
        if name.endswith("_angle"):
            change = (change + 90) % 180 - 90
        values[name] = (value, float(np.std(change)))
    return values


def _propagated(function: Callable[[np.ndarray], dict[str, float]], result: FitResult) -> Values:
    """Values of function(theta) and the errors that the covariance of theta gives them.

    The derivatives are central differences over a small part of each parameter's error: they need no
    compilation, which would cost more than all the rest. A parameter without a known error is moved by a
    hundredth of itself: the values that move with it have no known error either, the others keep theirs.
    """
    best = function(result.theta)
    errors = np.sqrt(np.abs(np.diag(result.covariance)))
    known = errors > 0
    steps = STEP * np.where(known, errors, np.maximum(np.abs(result.theta), STEP))
    slopes = {name: np.zeros(len(steps)) for name in best}
    for k, step in enumerate(steps):
        move = np.where(np.arange(len(steps)) == k, step, 0.0)
        above, below = function(result.theta + move), function(result.theta - move)
        for name, slope in slopes.items():
            change = above[name] - below[name]
            if name.endswith("_angle"):
                change = (change + 90) % 180 - 90
            moves = not above[name] == below[name] == best[name]
            slope[k] = change / (2 * step) if known[k] or not moves else np.nan
    covariance = np.where(known & known[:, None], result.covariance, 0.0)
    variances = {name: float(slope @ covariance @ slope) for name, slope in slopes.items()}
    return {name: (best[name], float(np.sqrt(v)) if v >= 0 else np.nan) for name, v in variances.items()}
