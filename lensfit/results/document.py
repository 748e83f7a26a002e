"""An analysis as plain data: result.json there and back, parameters.ecsv, and samples.ecsv there and back."""
from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, Table

from lensfit import version
from lensfit.cosmology import Redshifts
from lensfit.errors import DataError
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.result import Basin, FitResult, Search, Variant
from lensfit.model import from_plain, to_plain
from lensfit.observations import Observation
from lensfit.outside import json_of, text_of, unreadable
from lensfit.problem import Problem
from lensfit.results.derived import Quantity
from lensfit.verdict import Check, Outcome, Trust
from lensfit.words import nearest

SCHEMA, SCHEMA_VERSION = "lensfit.result", 6
RESULT, SAMPLES = "result.json", "samples.ecsv"
NUMBERS = ("log_likelihood", "log_posterior", "chi2", "seconds", "cpu_seconds", "widened")
"""Fields that are NaN where they are not known."""
OPTIONAL = ("data_count", "evaluations", "gradients", "log_evidence", "log_evidence_error", "gain")
PACKAGES = ("lensfit", "jax", "jaxlib", "numpy", "scipy", "astropy", "matplotlib")
MADE = ("command", "created", "versions", "machine")
"""What the provenance of a file says beside that of the result."""
LONGEST, LONGEST_SAMPLES = 2**26, 2**29
"""Bytes of the longest result.json and samples.ecsv."""
UNIT = "data unit"
"""Unit of an amplitude; in the files it is that of the data, by its name."""


def as_document(
    result: FitResult,
    problem: Problem,
    observation: Observation,
    derived: dict[str, Quantity],
    figures: list[str],
    road: tuple[dict[str, Any], ...],
    redshifts: Redshifts | None = None,
) -> dict[str, Any]:
    """The content of result.json: numbers, strings, lists and dicts alone, None where a number is unknown."""
    document = _of_result(result)
    for row in (*document["parameters"].values(), *document["amplitudes"].values()):
        row["unit"] = observation.frame.unit or UNIT if row["unit"] == UNIT else row["unit"]
    document |= {
        "fixed": _fixed(problem),
        "derived": {name: row_of(quantity) for name, quantity in derived.items()},
        "data": observation.document(),
        "cosmology": None if redshifts is None else redshifts.document(),
        "road": road,
        "figures": figures,
        "provenance": _provenance() | result.provenance,
    }
    return plain(document)


def as_table(document: dict[str, Any]) -> Table:
    """The parameters, amplitudes and derived quantities of a result.json, one a row."""
    kinds = {"parameters": "parameter", "amplitudes": "amplitude", "derived": "derived"}
    rows = [(name, kind, q) for group, kind in kinds.items() for name, q in document[group].items()]

    def numbers(key: str) -> list[float]:
        return [np.nan if q.get(key) is None else q[key] for _, _, q in rows]

    trust = document["trust"]
    meta = {"verdict": trust["word"], "trusted": trust["trusted"], "reasons": trust["reasons"]}
    columns = (
        ("name", [name for name, _, _ in rows], "dotted name"),
        ("kind", [kind for _, kind, _ in rows], "parameter: fitted; amplitude: solved; derived: follows"),
        ("value", numbers("value"), "best value, in unit"),
        ("error", numbers("error"), "one-sigma statistical error, in unit"),
        ("spread", numbers("spread"), "half the range over neighbouring models, in unit"),
        ("total", numbers("total"), "error and spread in quadrature, in unit"),
        ("unit", [q["unit"] for _, _, q in rows], "of value, error, spread and total; empty: dimensionless"),
    )
    return Table([Column(values, name, description=words) for name, values, words in columns],
                 meta=meta | {"fit": document["fit"]})


def samples_table(result: FitResult) -> Table:
    """Weight and ln L (NaN where unknown) of each sample, then its parameters under their dotted names."""
    assert result.samples is not None and result.weights is not None
    unknown = np.full(len(result.samples), np.nan)
    log_l = unknown if result.log_likelihoods is None else result.log_likelihoods
    meta = {"fitter": result.fitter, "log_evidence": result.log_evidence,
            "log_evidence_error": result.log_evidence_error}  # fmt: skip
    columns = [
        Column(result.weights, "weight", description="posterior weight; they sum to 1"),
        Column(log_l, "log_likelihood", description="ln L"),
    ]
    rows = zip(result.names, result.samples.T, result.units, strict=True)
    columns += [Column(values, name, description=unit or "dimensionless") for name, values, unit in rows]
    return Table(columns, meta={key: value for key, value in meta.items() if value is not None})


def read_document(folder: str | Path) -> dict[str, Any]:
    """The content of a run folder's result.json, None where a number is unknown.

    Raises:
        DataError: it is missing, broken, or not of the schema that this version writes.
    """
    path = Path(folder) / RESULT
    told = unreadable(path)
    if told:
        raise DataError(f"{path}: {told}; {_remedy(Path(folder))}")
    try:
        document = json_of(text_of(path, LONGEST), strict=True)
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON ({error}); run the fit again") from error
    found = (document.get("schema"), document.get("version")) if isinstance(document, dict) else None
    if found != (SCHEMA, SCHEMA_VERSION):
        raise DataError(
            f"{path}: holds {found}, this lensfit ({version.__version__}) reads schema {SCHEMA!r} version "
            f"{SCHEMA_VERSION}; use the version of lensfit that wrote it, or run the fit again"
        )
    return document


def _remedy(folder: Path) -> str:
    """What to do where a folder that was named holds no result that can be read."""
    if folder.is_file():
        return f"give the folder of the run, which {folder.parent} may be"
    if not folder.is_dir():
        return "check the path"
    runs = sorted(str(path.parent) for path in folder.glob(f"*/{RESULT}"))
    if runs:
        return f"of the runs in {folder} give one: {nearest('', runs)}"
    return (
        "give the folder that `lensfit fit` or Analysis.save wrote; a fit that did not finish goes on with "
        "`lensfit fit --resume`"
    )


def read_result(folder: str | Path) -> tuple[FitResult, dict[str, Quantity], dict[str, Any]]:
    """The result, the derived quantities and the whole content of a run folder's result.json and samples.ecsv.

    Raises:
        DataError: files are missing or damaged.
    """
    document = read_document(folder)
    try:
        result = FitResult(**_fields(document), **_samples(Path(folder) / SAMPLES, document["samples"]))
        return result, {name: _from_row(row) for name, row in document["derived"].items()}, document
    except DataError:
        raise
    except Exception as error:  # whatever is made of values that are not what was written
        told = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{Path(folder) / RESULT}: is no whole result ({told}); run the fit again") from error


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write plain values as strict JSON."""
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """The value as JSON knows it: numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    return str(value)


def total(error: Any, spread: Any) -> Any:
    """Error and spread in quadrature; the error alone where there is no spread."""
    return np.hypot(error, np.where(np.isnan(spread), 0.0, spread))


def _of_result(result: FitResult) -> dict[str, Any]:
    trust = result.trust
    return {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "fitter": result.fitter,
        "converged": result.converged,
        "trust": {
            "word": trust.word, "trusted": trust.trusted, "headline": trust.headline, "reasons": trust.reasons,
            "checks": [vars(check) for check in trust.checks],
        },
        "parameters": _rows(
            result.names, value=result.theta, error=result.errors, spread=result.spread,
            total=total(result.errors, result.spread), unit=result.units, symbol=result.symbols,
        ),
        "amplitudes": _rows(
            result.amplitude_names, value=result.amplitudes, error=result.amplitude_errors,
            unit=[UNIT] * len(result.amplitude_names),
        ),
        "covariance": {
            "names": (*result.names, *result.amplitude_names), "matrix": result.joint_covariance,
        },
        "fit": {name: getattr(result, name) for name in (*NUMBERS, *OPTIONAL)},
        "diagnostics": None if result.diagnostics is None else vars(result.diagnostics),
        "samples": None if result.samples is None else len(result.samples),
        "variants": [vars(variant) | {"model": to_plain(variant.model)} for variant in result.variants],
        "search": None if result.search is None else _plain_search(result.search),
        "explored": result.explored,
        "model": to_plain(result.model),
        "notes": result.notes,
    }  # fmt: skip


def _rows(names: tuple[str, ...], **columns: Any) -> dict[str, Any]:
    rows = zip(*columns.values(), strict=True)
    return {name: dict(zip(columns, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def row_of(quantity: Quantity) -> dict[str, Any]:
    """A derived quantity as result.json has it."""
    return vars(quantity) | {"total": quantity.total}


def _from_row(row: dict[str, Any]) -> Quantity:
    numbers = {key: float(np.nan if row[key] is None else row[key]) for key in ("value", "error", "spread")}
    return Quantity(**numbers, unit=row["unit"], description=row["description"])


def _fixed(problem: Problem) -> dict[str, Any]:
    space = problem.space
    slots = zip(space.paths, space.slots, strict=True)
    return {path: space.fixed[slot.index] for path, slot in slots if slot.kind == "fixed"}


def _provenance() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "command": shlex.join(sys.argv),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | versions,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    """What a FitResult is made of, but for its samples."""
    parameters, amplitudes, numbers = document["parameters"], document["amplitudes"], document["fit"]
    diagnostics, unit = document["diagnostics"], document["data"]["unit"]
    joint = np.array(document["covariance"]["matrix"], float).reshape(2 * [len(parameters) + len(amplitudes)])
    units = tuple(UNIT if row["unit"] == unit else row["unit"] for row in parameters.values())
    return {
        "fitter": document["fitter"], "converged": document["converged"],
        "trust": Trust(tuple(_check(check) for check in document["trust"]["checks"])),
        "names": tuple(parameters), "units": units, "symbols": tuple(row["symbol"] for row in parameters.values()),
        "theta": _array(parameters, "value"), "errors": _array(parameters, "error"),
        "spread": _array(parameters, "spread"),
        "amplitude_names": tuple(amplitudes), "amplitudes": _array(amplitudes, "value"),
        "covariance": joint[: len(parameters), : len(parameters)], "amplitude_covariance": joint[len(parameters) :],
        **{name: float(np.nan if numbers[name] is None else numbers[name]) for name in NUMBERS},
        **{name: numbers[name] for name in OPTIONAL},
        "diagnostics": None if diagnostics is None else Diagnostics(**diagnostics),
        "variants": tuple(Variant(**v | {"model": from_plain(v["model"])}) for v in document["variants"]),
        "search": None if document["search"] is None else _search(document["search"]),
        "explored": document["explored"],
        "model": from_plain(document["model"]),
        "notes": tuple(document["notes"]),
        "provenance": {key: value for key, value in document["provenance"].items() if key not in MADE},
    }  # fmt: skip


def _check(row: dict[str, Any]) -> Check:
    content: dict[str, Any] = row | {"outcome": Outcome(row["outcome"])}
    return Check(**content)


def _plain_search(search: Search) -> dict[str, Any]:
    return {"basins": [vars(basin) for basin in search.basins], "other": search.other}


def _search(content: dict[str, Any]) -> Search:
    scores = [np.inf if basin["score"] is None else basin["score"] for basin in content["basins"]]
    places = [np.array(basin["theta"], float) for basin in content["basins"]]
    basins = tuple(Basin(theta, score) for theta, score in zip(places, scores, strict=True))
    return Search(basins, np.array(content["other"], float))


def _array(rows: dict[str, Any], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows.values()], float)


def _samples(path: Path, count: int | None) -> dict[str, Any]:
    """Samples (S, n), weights (S,) and ln L (S,) of samples.ecsv, nothing where there are none."""
    if count is None:
        return {}
    told = unreadable(path) or ("too long for samples" if path.stat().st_size > LONGEST_SAMPLES else "")
    if told:
        raise DataError(f"{path}: {told}; it belongs to the result.json beside it")
    table = Table.read(path, format="ascii.ecsv")
    if len(table) != count:
        raise DataError(f"{path}: holds {len(table)} samples, result.json says {count}; run the fit again")
    weights, log_l, *columns = (np.array(table[name], float) for name in table.colnames)
    return {"samples": np.stack(columns, 1), "weights": weights,
            "log_likelihoods": None if np.isnan(log_l).all() else log_l}  # fmt: skip
