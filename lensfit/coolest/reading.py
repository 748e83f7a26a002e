"""A COOLEST template as a model of numbers."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lensfit.coolest.forms import LIGHT_READERS, READERS
from lensfit.cosmology import Redshifts
from lensfit.errors import ModelError
from lensfit.model import LensModel, check_meaning
from lensfit.outside import json_of, text_of, unreadable
from lensfit.words import nearest

LONGEST = 2**26
"""Bytes of the longest template."""


def read_coolest(path: str | Path) -> tuple[LensModel, Redshifts | None]:
    """The model of numbers that a template's point estimates are, and the redshifts, None where it has none.

    Brightness comes out per pixel of the template's instrument. Profiles that lensfit wrote have their names again,
    others that of their type. The source is the farthest galaxy, or where no redshift is known the one without mass.

    Args:
        path: of the template, NAME.json.

    Returns:
        The model, angles in arcsec, and the redshifts with the cosmology.

    Raises:
        ModelError: the file is missing, no template, or holds what lensfit has not: it says what and where.
    """
    path = Path(path)
    told = unreadable(path)
    if told:
        raise ModelError(f"{path}: cannot be read ({told}); check the path")
    try:
        template = json_of(text_of(path, LONGEST))
        if template["standard"] != "COOLEST":
            raise ValueError("standard is not COOLEST")
        model = _model(template)
        redshifts = _redshifts(template)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(f"{path}: is no COOLEST template ({type(error).__name__}: {error})") from error
    check_meaning(model)
    return model, redshifts


def _model(template: dict[str, Any]) -> LensModel:
    area = float(template["instrument"]["pixel_size"]) ** 2
    names = (template.get("meta") or {}).get("names") or {}
    groups: dict[str, dict[str, Any]] = {"light": {}, "mass": {}, "source": {}}
    farthest = _farthest(template)
    for entity in template["lensing_entities"]:
        light = "source" if _is_source(entity, farthest) else "light"
        if light == "source" and entity["mass_model"]:
            raise ModelError(f"{entity['name']}: the farthest galaxy has mass, and lensfit has one lens plane")
        for group, readers, key in (("mass", READERS, "mass_model"), (light, LIGHT_READERS, "light_model")):
            for profile in entity.get(key) or ():
                name = _name(profile, names, groups[group])
                groups[group][name] = _profile(profile, readers, area, f"{entity['name']}, {group}")
    sky = float((template.get("meta") or {}).get("sky", 0.0))
    return LensModel(light=groups["light"], mass=groups["mass"], source=groups["source"], sky=sky)


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
