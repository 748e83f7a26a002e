"""Quantities that follow from the parameters of a fit: errors from its samples or covariance, spread over variants."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from lensfit.compiled import compiled
from lensfit.datasets import Dataset
from lensfit.errors import ModelError
from lensfit.fitters.result import FitResult
from lensfit.lensing import (
    Field,
    bright_cells,
    einstein_radius,
    flux,
    half_light_radius,
    main_critical_curve,
    unmasked_field,
)
from lensfit.model import LensModel
from lensfit.observations import Observation
from lensfit.plots import position_angle
from lensfit.problem import Problem
from lensfit.results.fluxes import (
    COMPONENTS,
    ROUGH,
    Fluxes,
    covariance_of,
    error_of_ratio,
    is_in,
    once_for_each,
    wide_field,
)
from lensfit.trust.slopes import of_held_slope
from lensfit.words import no_such, number_text

STEP = 0.01
"""Step of the differences, in errors of the parameter."""

DRAWS = 200
"""Samples over which the scatter of a derived quantity is measured."""

RADIUS = "effective_einstein_radius"

Values = dict[str, float]
OfTheta = Callable[[np.ndarray], Values]
"""Quantities at theta (n,)."""
Measure = Callable[[LensModel], Callable[[LensModel], Values]]
"""Of a model of numbers, a function that gives the quantities of models that differ very little from it."""


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A derived number with its one-sigma statistical error and its spread: half the range over neighbouring models.

    The error is NaN where that of a parameter it depends on is unknown, the spread where no model but the fit has it.

    Attributes:
        value, error, spread: in `unit`.
        unit: as text, empty for a pure number.
        description: what it is, in a few words.
    """

    value: float
    error: float
    unit: str
    description: str
    spread: float = np.nan

    @property
    def total(self) -> float:
        """Error and spread in quadrature; the error alone where there is no spread."""
        return self.error if np.isnan(self.spread) else float(np.hypot(self.error, self.spread))

    def __str__(self) -> str:
        both = f"statistical {self.error:.2g}"
        if not np.isnan(self.spread):
            both += f", spread over neighbouring models {self.spread:.2g}"
        return f"{number_text(self.value, self.total)} +- {self.total:.2g} {self.unit} ({both})"


PHYSICAL = {
    "critical_surface_density": ("Msun / kpc2", "Sigma_cr, of the redshifts and the cosmology"),
    "einstein_radius_kpc": ("kpc", "effective Einstein radius at the lens"),
    "einstein_mass": ("Msun", "projected mass within the effective Einstein radius: pi R_E^2 Sigma_cr"),
    "velocity_dispersion": ("km/s", "of the isothermal sphere with the effective Einstein radius"),
    "effective_radius_pc": ("pc", "effective radius at the source"),
    "sigma_pc": ("pc", "width of the Gaussian at the source"),
    "source_half_light_radius_pc": ("pc", "half-light radius at the source"),
    "effective_radius_kpc": ("kpc", "effective radius at the lens"),
    "sigma_kpc": ("kpc", "width of the Gaussian at the lens"),
}
"""Unit and meaning of each derived quantity that redshifts give, by the last part of its name."""
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
    "galaxies_flux": ("summed over pixels", "flux of the galaxies beside the lens that the model has"),
} | PHYSICAL
"""Unit and meaning of each derived quantity, by the last part of its name."""


class Quantities(dict[str, Quantity]):
    """Derived quantities by dotted name; of a name that is none the error says which is nearest."""

    def __missing__(self, name: str) -> Quantity:
        word = name.rpartition(".")[2]
        if word in PHYSICAL and word not in {known.rpartition(".")[2] for known in self}:
            raise KeyError(f"{name}: not known without redshifts; take it of analysis.with_redshifts(z_lens, z_source)")
        raise KeyError(no_such(name, "derived quantity", self))

    def __or__(self, other: Any) -> Quantities:
        return Quantities({**self, **other})


def headline(derived: dict[str, Quantity]) -> Quantity:
    """The Einstein radius: that of the critical curve, whatever the masses; of several data that of the first.

    Raises:
        ModelError: it was not measured.
    """
    for name, quantity in derived.items():
        if name.rpartition(".")[2] == RADIUS:
            return quantity
    raise ModelError("no Einstein radius is among the derived quantities")


def derived_quantities(problem: Problem, observation: Observation, result: FitResult) -> dict[str, Quantity]:
    """Shapes of all profiles, shear, effective Einstein radius, magnification and fluxes, by dotted name.

    Fluxes are those within `WIDER` (of `fluxes`) times the unmasked field, those of a source on pixels what its mesh
    holds; their errors are those that parameters and solved amplitudes have together. Of several data the names begin
    with that of each; the mass is measured in those in whose frame it is.
    """
    model, found = _model_at(problem, result), dict[str, Quantity]()
    errors = _errors_of_fluxes(problem, observation, result)
    for name, _, _ in problem.parts(result.model):
        frame, own = observation.frames[name], errors.get(name, {})
        made = _of_part(problem, frame, result, lambda theta: _part(model(theta), name), name, own)  # noqa: B023
        found |= {f"{name}.{key}" if name else key: quantity for key, quantity in made.items()}
    return found


def _model_at(problem: Problem, result: FitResult) -> Callable[[np.ndarray], Any]:
    """A function of theta (n,) that gives the model of numbers there, solved amplitudes those of the result."""

    def model(theta: np.ndarray) -> Any:
        built = problem.space.build(theta)  # pyright: ignore[reportArgumentType]
        return built.filled(result.amplitudes) if problem.space.amplitudes else built

    return model


def quantity_of(
    problem: Problem, result: FitResult, function: Callable[[LensModel], float], unit: str, description: str, data: str
) -> Quantity:
    """What a function of the model of numbers gives, with the error that parameters give it and its spread over the
    neighbouring models that count; of several data, `data` is the name of those whose model it is given."""

    def values(model: Any) -> Values:
        return {"value": float(function(_part(model, data)))}

    model = _model_at(problem, result)
    others = [values(variant.model) for variant in result.variants if variant.counts]
    value, error, spread = _known(lambda theta: values(model(theta)), result, others)["value"]
    return Quantity(value, error, unit, description, spread)


def _errors_of_fluxes(problem: Problem, observation: Observation, result: FitResult) -> dict[str, Values]:
    """Errors [data unit times arcsec^2] of the fluxes of each of the data and of the magnification, by name of the data
    and of the quantity; samples say it themselves, fluxes but where amplitudes are solved beside them."""
    if result.samples is not None and not problem.space.amplitudes:
        return {}
    fluxes = Fluxes.of(problem.parts(result.model), observation)
    covariance, best = covariance_of(fluxes, problem, result), fluxes(result.model)
    found: dict[str, Values] = {}
    for (name, component), variance in zip(fluxes.names, np.diag(covariance), strict=True):
        found.setdefault(name, {})[f"{component}_flux"] = float(np.sqrt(variance))
    for name, own in found.items():
        if "source_flux" in own and result.samples is None:
            two = [fluxes.names.index((name, component)) for component in ("lensed_source", "source")]
            error = error_of_ratio(best[two], covariance[np.ix_(two, two)])
            if np.isfinite(error):  # else it hangs on parameters alone, which may have errors where amplitudes have not
                own["source_magnification"] = error
    return found


def _part(model: Any, name: str) -> LensModel:
    return model[name] if name else model


def _of_part(
    problem: Problem, frame: Dataset, result: FitResult, model: Callable[[np.ndarray], LensModel], name: str,
    of_fluxes: Values,
) -> dict[str, Quantity]:
    """The quantities of the model of one dataset on its frame; errors `of_fluxes` that are known already."""
    best, wide, found = model(result.theta), wide_field(frame), {}
    if best.alignment is None:
        measure = _radius(unmasked_field(frame), wide)
        near, others = measure(best), _variants(measure, result, name)
        value, error, spread = _known(lambda theta: near(model(theta)), result, others)[RADIUS]
        found[RADIUS] = value, error, np.hypot(spread, of_held_slope(problem) * value)
    fluxes, rough = _fluxes(wide)(best), _fluxes(wide, **ROUGH)(best)
    errors = of_fluxes
    if not fluxes(best).keys() <= of_fluxes.keys():
        errors = _errors(lambda theta: rough(model(theta)), result) | of_fluxes
    found |= _known(lambda theta: fluxes(model(theta)), result, _variants(_fluxes(wide), result, name), errors)
    if best.pixels():
        found |= _known(lambda theta: _of_pixels(problem, theta), result, [])
    found |= _known(lambda theta: _shapes(model(theta)), result, _variants(lambda _: _shapes, result, name))
    turned = 0.0 if best.alignment is None else float(best.alignment.angle)
    return _in_words(found, frame, turned)


def _variants(measure: Measure, result: FitResult, name: str) -> list[Values]:
    """What the variants that count have of a measure."""
    models = [_part(variant.model, name) for variant in result.variants if variant.counts]
    return [measure(model)(model) for model in models] if len(models) > 1 else []


def _known(
    function: OfTheta, result: FitResult, others: list[Values], errors: Values | None = None
) -> dict[str, tuple[float, float, float]]:
    """Value, error and spread of each; errors that are not given are those of theta."""
    values = function(result.theta)
    errors = _errors(function, result) if errors is None else errors
    return {name: (value, errors[name], _spread(name, value, others)) for name, value in values.items()}


def _errors(function: OfTheta, result: FitResult) -> Values:
    """Errors of function(theta) from those of theta."""
    return _propagated(function, result) if result.samples is None else _scattered(function, result)


def _spread(name: str, value: float, others: list[Values]) -> float:
    """Half the range of a quantity over the models that have it, NaN where fewer than two do."""
    changes = [_change(name, other[name] - value) for other in others if np.isfinite(other.get(name, np.nan))]
    return 0.5 * float(np.ptp(changes)) if len(changes) > 1 else np.nan


def _change(name: str, change: Any) -> Any:
    """A difference of two values of a quantity; angles are the same after half a turn."""
    return (change + 90) % 180 - 90 if name.endswith("_angle") else change


def _in_words(found: dict[str, tuple[float, float, float]], frame: Dataset, turned: float) -> dict[str, Quantity]:
    """With units and meaning; fluxes in the unit of the data, angles from North too where the sky is known, the frame
    `turned` [deg] against that of the mass."""
    made = {}
    for name, (value, error, spread) in found.items():
        word = name.rpartition(".")[2]
        unit, meaning = WORDS[word]
        if name.endswith("_flux"):
            value, error, spread = (number / frame.pixel_scale**2 for number in (value, error, spread))
            unit = f"{frame.unit_label}, {unit}"
        angle = name.endswith("_angle")
        made[name] = Quantity(value % 180 if angle else value, error, unit, meaning, spread)
        if angle and frame.wcs is not None:
            sky = position_angle(frame.wcs, value + turned)
            made[f"{name}_sky"] = Quantity(sky, error, *WORDS[f"{word}_sky"], spread)
    return made


def _shapes(model: LensModel) -> dict[str, float]:
    """Axis ratio and angle of every profile with an ellipticity, strength and angle of every shear; of a further band
    but for its mass, which is that of another one."""
    found = {}
    for group in ("mass", "light", "source")[model.alignment is not None :]:
        for name, profile in sorted(getattr(model, group).items()):
            roles = {role: getattr(profile, field) for role, field in profile.roles.items()}
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


def _radius(*fields: Field) -> Measure:
    """The effective Einstein radius, of a curve that closes in the first of the fields, else in the next."""

    def near(best: LensModel) -> Callable[[LensModel], Values]:
        curve = _curve(best.only(), *fields)
        if curve is None:
            return lambda model: {RADIUS: np.nan}
        radius = once_for_each(partial(einstein_radius, curve=curve))
        return lambda model: {RADIUS: radius(model.only())}

    return near


def _curve(mass: LensModel, *fields: Field) -> np.ndarray | None:
    for field in fields:
        try:
            return main_critical_curve(mass, field)
        except ModelError:
            continue
    return None


def _fluxes(field: Field, **fineness: Any) -> Measure:
    """Magnification, and the fluxes [data unit times arcsec^2] inside the field, over cells of a fineness."""

    def near(best: LensModel) -> Callable[[LensModel], Values]:
        parts = {f"{component}_flux": part for component, part in COMPONENTS.items() if is_in(best, component)}
        cells = {name: bright_cells(part(best), field, **fineness) for name, part in parts.items()}
        fluxes = {name: once_for_each(partial(flux, cells=cells[name])) for name in parts}

        def measured(model: LensModel) -> Values:
            found = {name: fluxes[name](part(model)) for name, part in parts.items()}
            if "source_flux" in found:
                dark = found["source_flux"] == 0  # in a neighbour that has no source in this one of several data
                found["source_magnification"] = np.nan if dark else found["lensed_source_flux"] / found["source_flux"]
            return found

        return measured

    return near


def _of_pixels(problem: Problem, theta: np.ndarray) -> Values:
    found = _of_reconstruction(problem.space, problem.likelihood, theta)
    return {name: float(value) for name, value in found.items()}


@compiled
def _of_reconstruction(space: Any, likelihood: Any, theta: jax.Array) -> dict[str, jax.Array]:
    """Of the source at theta (n,): magnification, half-light radius, and fluxes [data unit times arcsec^2]."""
    found = likelihood.reconstruct(space.build(theta))
    return {
        "source_magnification": found.magnification,
        "source_half_light_radius": half_light_radius(found.brightness, found.x, found.y),
        "source_flux": found.source_flux,
        "lensed_source_flux": found.lensed_flux,
    }


def _scattered(function: OfTheta, result: FitResult) -> Values:
    """Scatter of function(theta) over samples: the root mean square about the mean."""
    assert result.samples is not None and result.weights is not None
    weights = result.weights / result.weights.sum()
    places = np.searchsorted(np.cumsum(weights), (np.arange(DRAWS) + 0.5) / DRAWS)
    best = function(result.theta)
    found = [function(result.samples[k]) for k in places]
    values = {}
    for name, value in best.items():
        values[name] = float(np.std(_change(name, np.array([draw[name] for draw in found]) - value)))
    return values


def _propagated(function: OfTheta, result: FitResult) -> Values:
    """Errors that the covariance of theta gives to function(theta).

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
            change = _change(name, above[name] - below[name])
            moves = not above[name] == below[name] == best[name]
            slope[k] = change / (2 * step) if known[k] or not moves else np.nan
    covariance = np.where(known & known[:, None], result.covariance, 0.0)
    variances = {name: float(slope @ covariance @ slope) for name, slope in slopes.items()}
    return {name: float(np.sqrt(v)) if v >= 0 else np.nan for name, v in variances.items()}
