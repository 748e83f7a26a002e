"""The files of one dataset in a folder, found by their usual names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lensfit.datasets import _files, _names
from lensfit.datasets._checks import Source
from lensfit.datasets._scale import Scale
from lensfit.errors import DataError

_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".npz", ".h5", ".hdf5")


def find_files(folder: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """role -> file for the roles data, noise, psf and mask, those `given` included; data is always there.

    Raises:
        DataError: no file or several files could be the data, or several could be another role.
    """
    taken = {file.resolve() for file in given.values()}
    files = {
        file.name: file
        for file in sorted(folder.iterdir())
        if file.name.lower().endswith(_SUFFIXES) and file.resolve() not in taken
    }
    stems = {name: _stem(name) for name in files}
    found = dict(given)
    for role in (role for role in _names.KINDS if role not in given):
        _, chosen = _names.candidates(stems.values(), role)
        chosen = [name for name, stem in stems.items() if stem in chosen]
        if role == "data" and not chosen:
            chosen = [name for name, stem in stems.items() if _names.kind_of(stem) is None]
        if chosen:
            remedy = "give the file itself as the path" if role == "data" else f"say which with {role}="
            found[role] = files[_names.only(chosen, role, str(folder), remedy)]
    if "data" not in found:
        raise DataError(
            f"{folder}: no file that could be the data (data, image, sci, drz, ...) among "
            f"{', '.join(files) or 'its files, none of them FITS, npz or HDF5'}; give the file as the path"
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Info:
    """What the `info.json` of a folder states: arcsec per pixel, and the array's centre (x, y) in arcsec."""

    scales: tuple[Scale, ...] = ()
    origin: tuple[float, float] = (0.0, 0.0)
    sources: tuple[Source, ...] = ()


def read_info(folder: Path) -> Info:
    """The content of `info.json`, an empty Info where there is none.

    Raises:
        DataError: it is no JSON object, or its `pixel_scale` or `origin` are not numbers.
    """
    path = folder / "info.json"
    if not path.exists():
        return Info()
    with _files.reading(path, "JSON"):
        stated = json.loads(path.read_text(encoding="utf-8"))
    try:
        scale = [float(stated["pixel_scale"])] if "pixel_scale" in stated else []
        x, y = stated.get("origin", (0.0, 0.0))
        origin = (float(x), float(y))
    except (TypeError, ValueError, AttributeError) as error:
        example = '{"pixel_scale": 0.05, "origin": [0.0, 0.0]}'
        raise DataError(f"{path}: no object with numbers ({error}); write for example {example}") from error
    return Info(
        scales=tuple(Scale(str(path), side, side) for side in scale),
        origin=origin,
        sources=(("info", str(path), _files.sha256(path)),),
    )


def _stem(name: str) -> str:
    suffix = max((s for s in _SUFFIXES if name.lower().endswith(s)), key=len)
    return name[: -len(suffix)]
