"""A result as files: result.json and, of a sampler, samples.ecsv. `results` adds what the data and the model say."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lensfit._version import __version__
from lensfit.errors import DataError, ModelError
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.result import Basin, FitResult, Search, Variant
from lensfit.model import from_plain, to_plain
from lensfit.verdict import Check, Outcome, Trust

SCHEMA, VERSION = "lensfit.result", 3
RESULT, SAMPLES = "result.json", "samples.ecsv"
NUMBERS = ("log_likelihood", "log_posterior", "chi2", "seconds", "cpu_seconds")
"""Fields that are NaN where they are not known."""
OPTIONAL = ("data_count", "evaluations", "gradients", "log_evidence", "log_evidence_error", "gain")


def save(folder: str | Path, result: FitResult) -> None:
    """See `FitResult.save`."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (RESULT, SAMPLES):
            (folder / name).unlink(missing_ok=True)
        if result.samples is not None:
            with replacing(folder / SAMPLES) as path:
                samples_table(result).write(path, format="ascii.ecsv")
        with replacing(folder / RESULT) as path:
            write_json(path, document_of(result))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); make room, or choose another") from error


def load(folder: str | Path) -> FitResult:
    """See `FitResult.load`."""
    document = read_document(folder)
    try:
        return FitResult(**_fields(document), **_samples(Path(folder) / SAMPLES, document["samples"]))
    except (KeyError, TypeError, ValueError, ModelError) as error:
        told = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{Path(folder) / RESULT}: is no whole result ({told}); run the fit again") from error


def document_of(result: FitResult) -> dict[str, Any]:
    """The content of result.json: numbers, strings, lists and dicts alone, None where a number is unknown."""
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "fitter": result.fitter,
        "converged": result.converged,
        "trust": {
            "word": result.trust.word,
            "trusted": result.trust.trusted,
            "headline": result.trust.headline,
            "reasons": result.trust.reasons,
            "checks": [vars(check) for check in result.trust.checks],
        },
        "parameters": _rows(
            result.names, value=result.theta, error=result.errors, spread=result.spread, unit=result.units,
            symbol=result.symbols,
        ),
        "amplitudes": _rows(
            result.amplitude_names, value=result.amplitudes, error=result.amplitude_errors,
            unit=["data unit"] * len(result.amplitude_names),
        ),
        "covariance": {"names": result.names, "matrix": result.covariance},
        "fit": {name: getattr(result, name) for name in (*NUMBERS, *OPTIONAL)},
        "diagnostics": None if result.diagnostics is None else vars(result.diagnostics),
        "samples": None if result.samples is None else len(result.samples),
        "variants": [vars(variant) | {"model": to_plain(variant.model)} for variant in result.variants],
        "search": None if result.search is None else _plain_search(result.search),
        "explored": result.explored,
        "model": to_plain(result.model),
        "notes": result.notes,
        "provenance": result.provenance,
    }  # fmt: skip
    return plain(document)


def samples_table(result: FitResult) -> Any:
    """Weight and ln L (NaN where unknown) of each sample, then its parameters under their dotted names."""
    from astropy.table import Column, Table

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
    if not path.is_file():
        raise DataError(f"{path}: no such file; the fit did not finish, or this is not the folder of a run")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON ({error}); run the fit again") from error
    found = (document.get("schema"), document.get("version")) if isinstance(document, dict) else None
    if found != (SCHEMA, VERSION):
        raise DataError(
            f"{path}: holds {found}, this lensfit ({__version__}) reads schema {SCHEMA!r} version {VERSION}; "
            "use the version of lensfit that wrote it, or run the fit again"
        )
    return document


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when all went well."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def _rows(names: tuple[str, ...], **columns: Any) -> dict[str, Any]:
    rows = zip(*columns.values(), strict=True)
    return {name: dict(zip(columns, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    """What a FitResult is made of, but for its samples."""
    parameters, amplitudes, numbers = document["parameters"], document["amplitudes"], document["fit"]
    diagnostics, checks = document["diagnostics"], document["trust"]["checks"]
    return {
        "fitter": document["fitter"], "converged": document["converged"],
        "trust": Trust(tuple(Check(**check | {"outcome": Outcome(check["outcome"])}) for check in checks)),
        "names": tuple(parameters), "units": _words(parameters, "unit"), "symbols": _words(parameters, "symbol"),
        "theta": _array(parameters, "value"), "errors": _array(parameters, "error"),
        "spread": _array(parameters, "spread"),
        "amplitude_names": tuple(amplitudes), "amplitudes": _array(amplitudes, "value"),
        "amplitude_errors": _array(amplitudes, "error"),
        "covariance": np.array(document["covariance"]["matrix"], float).reshape(2 * [len(parameters)]),
        **{name: float(np.nan if numbers[name] is None else numbers[name]) for name in NUMBERS},
        **{name: numbers[name] for name in OPTIONAL},
        "diagnostics": None if diagnostics is None else Diagnostics(**diagnostics),
        "variants": tuple(Variant(**v | {"model": from_plain(v["model"])}) for v in document["variants"]),
        "search": None if document["search"] is None else _search(document["search"]),
        "explored": document["explored"],
        "model": from_plain(document["model"]),
        "notes": tuple(document["notes"]), "provenance": document["provenance"],
    }  # fmt: skip


def _plain_search(search: Search) -> dict[str, Any]:
    return {"basins": [vars(basin) for basin in search.basins], "other": search.other}


def _search(content: dict[str, Any]) -> Search:
    scores = [np.inf if basin["score"] is None else basin["score"] for basin in content["basins"]]
    places = [np.array(basin["theta"], float) for basin in content["basins"]]
    basins = tuple(Basin(theta, score) for theta, score in zip(places, scores, strict=True))
    return Search(basins, np.array(content["other"], float))


def _words(rows: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(row[key] for row in rows.values())


def _array(rows: dict[str, Any], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows.values()], float)


def _samples(path: Path, count: int | None) -> dict[str, Any]:
    """Samples (S, n), weights (S,) and ln L (S,) of samples.ecsv, nothing where there are none."""
    if count is None:
        return {}
    from astropy.table import Table

    if not path.is_file():
        raise DataError(f"{path}: no such file; it belongs to the result.json beside it")
    table = Table.read(path, format="ascii.ecsv")
    if len(table) != count:
        raise DataError(f"{path}: holds {len(table)} samples, result.json says {count}; run the fit again")
    weights, log_l, *columns = (np.array(table[name], float) for name in table.colnames)
    return {"samples": np.stack(columns, 1), "weights": weights,
            "log_likelihoods": None if np.isnan(log_l).all() else log_l}  # fmt: skip
