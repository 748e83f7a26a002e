"""A COOLEST template as a model of numbers, and the image of a source on pixels beside it."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lensfit.coolest.forms import LIGHT_READERS, PIXELS, READERS
from lensfit.cosmology import Redshifts
from lensfit.datasets.array_files import open_images
from lensfit.errors import DataError, ModelError
from lensfit.model import LensModel, check_meaning
from lensfit.outside import json_of, text_of, unreadable
from lensfit.profiles import PixelSource
from lensfit.words import nearest

LONGEST = 2**26
"""Bytes of the longest template."""
SQUARE = 1e-6
"""By how much the sides of a pixel may differ, relative."""


class Template(NamedTuple):
    """What a template says.

    Attributes:
        model: of numbers, angles in arcsec.
        redshifts: with the cosmology, None where it has none.
        coefficients: (n, n) of the splines of a source on pixels, as `Maps.of` takes them; None without such a source.
    """

    model: LensModel
    redshifts: Redshifts | None
    coefficients: np.ndarray | None


def read_coolest(path: str | Path) -> Template:
    """The model of numbers that a template's point estimates are.

    Brightness comes out per pixel of the template's instrument. Profiles that lensfit wrote have their names again,
    others that of their type. The source is the farthest galaxy, or where no redshift is known the one without mass.
    A source on a regular grid is a bilinear one whose nodes are the centres of its pixels; where they are not as many
    each way, dark ones are added.

    Args:
        path: of the template, NAME.json; a source on pixels is in the FITS file that it names, beside it.

    Returns:
        Model, redshifts, and coefficients of a source on pixels.

    Raises:
        ModelError: a file is missing, no template, or holds what lensfit has not: it says what and where.
    """
    path = Path(path)
    told = unreadable(path)
    if told:
        raise ModelError(f"{path}: cannot be read ({told}); check the path")
    try:
        template = json_of(text_of(path, LONGEST))
        if template["standard"] != "COOLEST":
            raise ValueError("standard is not COOLEST")
        model, coefficients = _model(template, path.parent)
        redshifts = _redshifts(template)
    except (ModelError, DataError) as error:
        raise ModelError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(f"{path}: is no COOLEST template ({type(error).__name__}: {error})") from error
    check_meaning(model)
    return Template(model, redshifts, coefficients)


def _model(template: dict[str, Any], folder: Path) -> tuple[LensModel, np.ndarray | None]:
    """The model, and the coefficients of its source on pixels."""
    area = float(template["instrument"]["pixel_size"]) ** 2
    names = (template.get("meta") or {}).get("names") or {}
    groups: dict[str, dict[str, Any]] = {"light": {}, "mass": {}, "source": {}}
    farthest, coefficients = _farthest(template), None
    for entity in template["lensing_entities"]:
        light = "source" if _is_source(entity, farthest) else "light"
        if light == "source" and entity["mass_model"]:
            raise ModelError(f"{entity['name']}: the farthest galaxy has mass, and lensfit has one lens plane")
        for group, readers, key in (("mass", READERS, "mass_model"), (light, LIGHT_READERS, "light_model")):
            for profile in entity.get(key) or ():
                name = _name(profile, names, groups[group])
                if group == "source" and profile["type"] == PIXELS:
                    if coefficients is not None:
                        raise ModelError(f"{entity['name']}: a second source on pixels, and lensfit has one")
                    groups[group][name], coefficients = _on_pixels(profile["parameters"]["pixels"], folder)
                    continue
                groups[group][name] = _profile(profile, readers, area, f"{entity['name']}, {group}")
    sky = float((template.get("meta") or {}).get("sky", 0.0))
    return LensModel(light=groups["light"], mass=groups["mass"], source=groups["source"], sky=sky), coefficients


def _on_pixels(grid: dict[str, Any], folder: Path) -> tuple[PixelSource, np.ndarray]:
    """A source whose nodes are the centres of a grid's pixels, and its coefficients (n, n): their brightness."""
    if not grid["fits_file"]["path"]:
        raise ModelError("the source is on pixels, and the template names no FITS file of them")
    file = folder / grid["fits_file"]["path"]
    with open_images(file) as images:
        seen = np.asarray(images.array(images.names[0]), float)
    shape = int(grid["num_pix_y"]), int(grid["num_pix_x"])
    if seen.shape != shape:
        raise ModelError(f"{file}: an image of {seen.shape}, where the template says {shape} for its rows and columns")
    if not np.all(np.isfinite(seen)):
        raise ModelError(f"{file}: {np.count_nonzero(~np.isfinite(seen))} pixels are no numbers; give 0 where is none")
    (left, right), (low, high) = (map(float, grid[f"field_of_view_{axis}"]) for axis in "xy")
    step, other = (right - left) / shape[1], (high - low) / shape[0]
    if not (step > 0 and abs(other / step - 1) < SQUARE):
        raise ModelError(f"{file}: its pixels are {step:g} by {other:g} arcsec, and lensfit's mesh has square ones")
    nodes = max(shape)
    coefficients = np.zeros((nodes, nodes))
    coefficients[: shape[0], : shape[1]] = seen
    half = 0.5 * (nodes - 1) * step
    mesh = PixelSource(center_x=left + 0.5 * step + half, center_y=low + 0.5 * step + half, half_width=half,
                       strength=0.0, pixels=nodes, order=1)  # fmt: skip
    return mesh, coefficients


def _farthest(template: dict[str, Any]) -> float | None:
    """The redshift of the source, where several are known."""
    known = {float(e["redshift"]) for e in template["lensing_entities"] if e.get("redshift") is not None}
    massive = {float(e["redshift"]) for e in template["lensing_entities"]
               if e.get("redshift") is not None and e["mass_model"]}  # fmt: skip
    if len(massive) > 1:
        raise ModelError(f"masses at redshifts {', '.join(map(str, sorted(massive)))}, and lensfit has one lens plane")
    return max(known) if len(known) > 1 else None


def _is_source(entity: dict[str, Any], farthest: float | None) -> bool:
    if farthest is not None:
        return entity.get("redshift") is not None and float(entity["redshift"]) == farthest
    return entity["type"] == "Galaxy" and not entity["mass_model"]


def _name(profile: dict[str, Any], names: dict[str, str], taken: dict[str, Any]) -> str:
    """What lensfit called it, a number behind it where it became several; else its type."""
    given = names.get(str(profile.get("id")), str(profile["type"]).lower()).rpartition(".")[2]
    found = [given, *(f"{given}_{k}" for k in range(2, len(taken) + 3))]
    return next(name for name in found if name not in taken)


def _profile(profile: dict[str, Any], readers: dict[str, Any], area: float, where: str) -> Any:
    kind = str(profile["type"])
    if kind not in readers:
        raise ModelError(f"{where}: lensfit reads no {kind} there; {nearest(kind, readers)}")
    numbers = {}
    for name, parameter in profile["parameters"].items():
        value = parameter["point_estimate"]["value"]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ModelError(f"{where}, {kind}.{name}: {json.dumps(value)[:60]} is no number")
        numbers[name] = float(value)
    return readers[kind](numbers, area)


def _redshifts(template: dict[str, Any]) -> Redshifts | None:
    entities = template["lensing_entities"]
    farthest = _farthest(template)
    of = {True: [], False: []}
    for entity in entities:
        if entity.get("redshift") is not None:
            of[_is_source(entity, farthest)].append(float(entity["redshift"]))
    stated = template.get("cosmology") or {}
    named = (template.get("meta") or {}).get("cosmology")
    flat = f"H0={stated['H0']}, Om0={stated['Om0']}" if "H0" in stated and "Om0" in stated else None
    if not of[True] and not of[False]:
        return None
    return Redshifts.of(next(iter(of[False]), None), next(iter(of[True]), None), named or flat)
