"""A model as a COOLEST template: JSON, and a FITS file for a source on pixels."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lensfit import version
from lensfit.coolest.forms import FORMS, INDICES, PIXELS, Numbers
from lensfit.cosmology import Redshifts
from lensfit.datasets.cutout import Frame
from lensfit.errors import ModelError
from lensfit.fitters.result import FitResult
from lensfit.maps import Maps
from lensfit.whole_files import replacing

PERCENTILES = (16.0, 50.0, 84.0)
DRAWS = 4000
"""Of the normal posterior of a fit without samples, for the statistics of each parameter."""


def write_coolest(path: str | Path, maps: Maps, redshifts: Redshifts | None, result: FitResult | None = None) -> Path:
    """Write a template, and beside it NAME_source.fits of a source on pixels; give the template's path.

    Args:
        path: of the template, NAME.json.
        maps: the model with its grid, and the source on its own grid.
        redshifts: of lens and source. result: whose posterior the statistics of the parameters are of.

    Raises:
        ModelError: the model holds what the standard has not. DataError: a file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ModelError(f"{path}: a COOLEST template is called NAME.json; give such a name")
    template = coolest_template(maps, redshifts, result, f"{path.stem}_source.fits")
    pixels = maps.model.pixels()
    if pixels:
        (image,) = (maps.source[name] for name in pixels)
        with replacing(path.with_name(f"{path.stem}_source.fits")) as temporary:
            fits.PrimaryHDU(np.nan_to_num(image)).writeto(temporary, overwrite=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(template, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def coolest_template(
    maps: Maps, redshifts: Redshifts | None, result: FitResult | None = None, source_file: str = ""
) -> dict[str, Any]:
    """The content of a template, in mode MAP: see `write_coolest`."""
    known = redshifts or Redshifts()
    writer = _Writer(maps, draws_of(result) if result is not None else {}, source_file)
    mass = maps.model.mass
    fields = {name: profile for name, profile in mass.items() if _form(profile, f"mass.{name}").field}
    galaxies = {name: profile for name, profile in mass.items() if name not in fields}
    entities = [
        writer.entity("lens", "Galaxy", known.lens, galaxies, maps.model.light, "light"),
        writer.entity("source", "Galaxy", known.source, {}, maps.model.source, "source"),
    ]
    if fields:
        entities.insert(0, writer.entity("external field", "MassField", known.lens, fields, None, ""))
    for number, entity in enumerate(entities):
        _number(entity, number)
    cosmology = None
    if redshifts is not None:
        model: Any = redshifts.model
        cosmology = {"H0": float(model.H0.value), "Om0": float(model.Om0), "astropy_name": "FlatLambdaCDM"}
    return {
        "standard": "COOLEST",
        "mode": "MAP",
        "coordinates_origin": _origin(maps.frame),
        "cosmology": cosmology,
        "lensing_entities": entities,
        "likelihoods": None,
        "observation": {
            "pixels": _grid(maps.frame, None), "exposure_time": None, "mag_zero_point": None,
            "mag_sky_brightness": None, "noise": {"type": None},
        },
        "instrument": {"name": "", "band": "", "pixel_size": maps.frame.pixel_scale, "readout_noise": None,
                       "psf": {"type": None, "description": None}},
        "meta": _meta(maps, entities) | ({} if redshifts is None else {"cosmology": redshifts.cosmology}),
    }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Writer:
    """What entries of profiles are made with: grids, (S,) draws of parameters, the name of the source's file."""

    maps: Maps
    draws: Numbers
    source_file: str

    def entity(
        self, name: str, kind: str, redshift: float | None, mass: Any, light: Any, group: str
    ) -> dict[str, Any]:
        """A galaxy, or a field of mass."""
        made: dict[str, Any] = {"name": name, "type": kind, "redshift": redshift}
        made["mass_model"] = [entry for key, p in sorted(mass.items()) for entry in self.entries(f"mass.{key}", p)]
        if light is not None:
            made["light_model"] = [entry for key, p in sorted(light.items())
                                   for entry in self.entries(f"{group}.{key}", p)]  # fmt: skip
        return made

    def entries(self, name: str, profile: Any) -> list[dict[str, Any]]:
        """A profile as one entry of the standard, or as several."""
        if name.removeprefix("source.") in self.maps.model.pixels():
            return [{"type": PIXELS, "_name": name,
                     "parameters": {"pixels": _grid(self.maps.source_frame, self.source_file)}}]  # fmt: skip
        form, area = _form(profile, name), self.maps.frame.pixel_scale**2
        fields = {f.name: np.asarray(getattr(profile, f.name), float) for f in dataclasses.fields(profile)}
        best = form.to(fields, area)
        for numbers in best:
            _check(numbers, name)
        sampled = {field: self.draws[f"{name}.{field}"] for field in fields if f"{name}.{field}" in self.draws}
        spread = form.to({**fields, **sampled}, area) if sampled else [{} for _ in best]
        return [{"type": form.kind, "_name": name, "parameters": {key: _parameter(value, drawn.get(key), key)
                 for key, value in numbers.items()}} for numbers, drawn in zip(best, spread, strict=True)]  # fmt: skip


def draws_of(result: FitResult) -> Numbers:
    """(S,) of each parameter: samples of equal weight, or draws of the normal posterior of the covariance."""
    rng = np.random.default_rng(0)
    if result.samples is not None and result.weights is not None:
        chosen = rng.choice(len(result.weights), DRAWS, p=result.weights / result.weights.sum())
        drawn = result.samples[chosen]
    elif np.isfinite(result.covariance).all():
        drawn = rng.multivariate_normal(result.theta, result.covariance, DRAWS)
    else:
        return {}
    return dict(zip(result.names, drawn.T, strict=True))


def _form(profile: Any, where: str) -> Any:
    form = FORMS.get(type(profile))
    if form is None:
        raise ModelError(
            f"{where}: COOLEST has no {type(profile).__name__}; it has {', '.join(sorted({k.__name__ for k in FORMS}))}"
        )
    return form


def _check(numbers: Numbers, where: str) -> None:
    """Raise ModelError where a number is beyond what the standard has."""
    if np.any(np.asarray(numbers.get("I_eff", 0.0)) < 0):
        raise ModelError(f"{where}: a negative intensity, and COOLEST has none; fit with Solved(positive=True)")
    if "n" in numbers and not INDICES[0] <= float(numbers["n"]) <= INDICES[1]:
        low, high = INDICES
        raise ModelError(f"{where}: a Sersic index of {float(numbers['n']):g}, and COOLEST has {low:g} to {high:g}")
    if any(not np.isfinite(value) for value in map(float, numbers.values())):
        raise ModelError(f"{where}: {numbers} holds what is no number")


def _parameter(value: Any, drawn: Any, name: str) -> dict[str, Any]:
    made: dict[str, Any] = {"point_estimate": {"value": float(value)}}
    stats: dict[str, Any] = dict.fromkeys(("mean", "median", "percentile_16th", "percentile_84th"))
    if drawn is not None and np.ptp(drawn) > 0:
        if name in ("phi", "phi_ext"):  # the same after half a turn: those near the best value
            drawn = float(value) + (drawn - float(value) + 90) % 180 - 90
        low, middle, high = (float(v) for v in np.percentile(drawn, PERCENTILES))
        stats = {"mean": float(np.mean(drawn)), "median": middle, "percentile_16th": low, "percentile_84th": high}
    return {**made, "fixed": False, "posterior_stats": stats, "prior": {"type": None}}


def _number(entity: dict[str, Any], number: int) -> None:
    """Give profiles and parameters their ids."""
    for group in ("mass", "light"):
        for place, profile in enumerate(entity.get(f"{group}_model", ())):
            profile["id"] = f"{number}-{entity['type'].lower()}-{group}-{place}-{profile['type']}"
            for key, parameter in profile["parameters"].items():
                parameter["id"] = f"{profile['id']}-{key}"


def _grid(frame: Frame, file: str | None) -> dict[str, Any]:
    left, right, low, high = (float(edge) for edge in frame.extent)
    rows, columns = frame.shape
    return {"field_of_view_x": [left, right], "field_of_view_y": [low, high], "num_pix_x": columns,
            "num_pix_y": rows, "fits_file": {"path": file}}  # fmt: skip


def _origin(frame: Frame) -> dict[str, str]:
    """Where (0, 0) lies on the sky; 0, 0 where that is unknown."""
    if frame.wcs is None:
        return {"ra": "00h00m00s", "dec": "+00d00m00s"}
    there: Any = frame.wcs.pixel_to_world(*frame.pixel((0.0, 0.0)))
    ra, dec = there.icrs.to_string("hmsdms", precision=8).split()
    return {"ra": ra, "dec": dec}


def _meta(maps: Maps, entities: list[dict[str, Any]]) -> dict[str, Any]:
    """What the standard has no place for: names of profiles, the sky, units."""
    named = {profile["id"]: profile.pop("_name") for entity in entities for group in ("mass_model", "light_model")
             for profile in entity.get(group, ())}  # fmt: skip
    return {
        "lensfit": version.__version__,
        "names": named,
        "sky": float(maps.model.sky),
        "brightness": f"analytic profiles: {maps.unit or 'data unit'} per pixel of the data over its area in arcsec2; "
                      f"pixels: {maps.unit or 'data unit'}",
        "rho_c": "of an NFW: in critical surface densities per arcsec",
        "frame": "x along the columns of the image, y along its rows, whatever their angle to North",
    }  # fmt: skip
