"""A fit as plain data: what goes into result.json and parameters.ecsv."""
from __future__ import annotations

import datetime
import importlib.metadata
import platform
import shlex
import sys
from typing import Any

import numpy as np
from astropy.table import Column, Table

from lensfit.datasets import Imaging
from lensfit.fitters._saved import document_of, plain
from lensfit.fitters.result import FitResult
from lensfit.likelihood.joint import Observations
from lensfit.plots import data_unit
from lensfit.problem import Problem
from lensfit.results.derived import Quantity

Observed = Imaging | Observations
PACKAGES = ("lensfit", "jax", "jaxlib", "numpy", "scipy", "astropy", "matplotlib")


def as_document(
    problem: Problem, observed: Observed, result: FitResult, derived: dict[str, Quantity], figures: list[str]
) -> dict[str, Any]:
    """The content of result.json: numbers, strings, lists and dicts alone, None where a number is unknown."""
    imaging = observed if isinstance(observed, Imaging) else observed.datasets[0]
    document = document_of(result)
    for row in (*document["parameters"].values(), *document["amplitudes"].values()):
        row["unit"] = data_unit(imaging) if row["unit"] == "data unit" else row["unit"]
    added = {
        "fixed": _fixed(problem),
        "derived": {name: vars(quantity) for name, quantity in derived.items()},
        "data": _data(observed) if isinstance(observed, Imaging) else _visibilities(observed),
        "figures": figures,
        "provenance": _provenance() | result.provenance,
    }
    return document | plain(added)


def as_table(document: dict[str, Any]) -> Table:
    """The parameters, amplitudes and derived quantities of a result.json, one a row."""
    kinds = {"parameters": "parameter", "amplitudes": "amplitude", "derived": "derived"}
    rows = [(name, kind, q) for group, kind in kinds.items() for name, q in document[group].items()]

    def numbers(key: str) -> list[float]:
        return [np.nan if q.get(key) is None else q[key] for _, _, q in rows]

    meta = {"trusted": document["trust"]["trusted"], "reasons": document["trust"]["reasons"]}
    columns = (
        ("name", [name for name, _, _ in rows], "dotted name"),
        ("kind", [kind for _, kind, _ in rows], "parameter: fitted; amplitude: solved; derived: follows"),
        ("value", numbers("value"), "best value, in unit"),
        ("error", numbers("error"), "one-sigma statistical error, in unit"),
        ("spread", numbers("spread"), "half the range over neighbouring models, in unit"),
        ("unit", [q["unit"] for _, _, q in rows], "of value, error and spread; empty: dimensionless"),
    )
    return Table([Column(values, name, description=words) for name, values, words in columns],
                 meta=meta | {"fit": document["fit"]})


def _fixed(problem: Problem) -> dict[str, Any]:
    space = problem.space
    slots = zip(space.paths, space.slots, strict=True)
    return {path: space.fixed[slot.index] for path, slot in slots if slot.kind == "fixed"}


def _data(imaging: Imaging) -> dict[str, Any]:
    return {
        "shape": imaging.shape,
        "pixel_scale": imaging.pixel_scale,
        "unit": imaging.unit,
        "pixels_used": int(np.count_nonzero(~imaging.mask)),
        "psf_shape": imaging.psf.shape,
        "has_wcs": imaging.wcs is not None,
        "hash": imaging.hash,
        "sources": [dict(zip(("role", "path", "sha256"), source, strict=True)) for source in imaging.sources],
        "notes": imaging.notes,
    }


def _visibilities(observations: Observations) -> dict[str, Any]:
    first = observations.datasets[0]
    return {
        "visibilities": [len(data.visibilities) for data in observations.datasets],
        "shape": first.shape,
        "pixel_scale": first.pixel_scale,
        "origin": first.origin,
        "unit": first.unit,
        "primary_beam": first.primary_beam,
        "hash": ", ".join(data.hash for data in observations.datasets),
        "calibration": [
            {
                "scale": c.scale,
                "shift": c.numbers[1:3] if c.aligned else (0.0, 0.0),
                "antenna_phases_deg": np.degrees(c.basis @ c.numbers[3 * c.aligned :]),
            }
            for c in observations.calibrations
        ],
        "sources": [
            dict(zip(("role", "path", "sha256"), source, strict=True))
            for data in observations.datasets
            for source in data.visibilities.sources
        ],
        "notes": [note for data in observations.datasets for note in data.notes],
    }


def _provenance() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "command": shlex.join(sys.argv),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | versions,
        "machine": f"{platform.system()} {platform.machine()}",
    }
