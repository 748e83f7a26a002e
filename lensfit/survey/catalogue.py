"""The lenses of a survey: rows of a table, or folders in a folder, each with its name, its data and its options."""
from __future__ import annotations

import collections
import dataclasses
import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import ascii as text_tables
from astropy.table import Table

from lensfit.errors import DataError, ModelError
from lensfit.names import MESH_OPTIONS
from lensfit.outside import unreadable, visible
from lensfit.recipe import DataSection, FitSection, values
from lensfit.recipe.recipe_file import READERS
from lensfit.recipe.values import Reader

FORMATS = {
    ".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".fit": "fits", ".fits.gz": "fits",
    ".vot": "votable", ".votable": "votable", ".xml": "votable", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
"""Of the name of a catalogue its ending, and what astropy calls the format."""
NAMES, PATHS = ("name", "id", "lens"), ("path", "folder", "file", "data")
"""Words for the two columns that every catalogue has, any case; without a name that of the file is taken."""
SKY = ("ra", "dec")
"""Columns [degrees] that say where the lens is in an image that is cut out of a larger one."""
LONGEST_NAME = 200
"""Bytes of the longest name: a folder is called by it."""
NEAR = 0.8
"""Likeness from which on an unknown column is taken for a misspelt option."""

_OF_THE_RUN = ("seed", "settings", "mesh")  # each lens has its own seed, and an option for each field of a mesh
_FIT = {name: reader for name, reader in READERS[FitSection].items() if name not in _OF_THE_RUN}
_DATA = {name: reader for name, reader in READERS[DataSection].items() if name not in ("shape", "origin")}
_OTHERS: dict[str, Reader] = {
    "model": values.text, "mesh_pixels": values.integer, "regularisation": values.text, "positive": values.boolean,
}  # fmt: skip
OPTIONS: dict[str, Reader] = {**_DATA, **_FIT, **_OTHERS}
"""What a row, or the whole run, may say of a fit: the options of `lensfit fit`, `path` and `more` being its data."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lens:
    """One row: what is fitted and how.

    Attributes:
        name: what its folder and its row are called.
        options: what is said of the fit, as plain values of a recipe by the names in `OPTIONS`.
        base: the folder that paths in `options` start from.
        columns: what else the catalogue says: it goes along into the table.
    """

    name: str
    options: Mapping[str, Any]
    base: Path
    columns: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def seed(self, seed: int) -> int:
        """The seed of this lens in a run with that seed, whatever the other lenses: a whole number below 2^31."""
        return int.from_bytes(hashlib.sha256(f"{seed} {self.name}".encode()).digest()[:4], "big") >> 1

    def key(self, seed: int) -> str:
        """What says whether a fit is that of this row: a checksum of name, options and seed."""
        asked = json.dumps([self.name, dict(self.options), seed], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:24]

    def sections(self, seed: int) -> tuple[DataSection, FitSection, Path | None]:
        """What a recipe would say of the data and the fit, and the recipe that holds the model, if one does.

        Raises:
            ModelError: an option is not what it must be.
        """
        said = {name: OPTIONS[name](value, f"{self.name}: {name}", self.base) for name, value in self.options.items()}
        mesh = {key: said[name] for name, key in MESH_OPTIONS.items() if name in said}
        if mesh and said.get("source") == "profiles":
            told = "is for a source on pixels: give source = pixels or auto"
            raise ModelError(f"{self.name}: {', '.join(mesh)} of a mesh {told}")
        fit = {name: said[name] for name in _FIT if name in said}
        data = DataSection(**{name: said[name] for name in _DATA if name in said})
        model = self.base / said["model"] if "model" in said else None
        return data, FitSection(**fit, seed=self.seed(seed), mesh=mesh or None), model


def read_catalogue(source: str | Path | Table | Iterable[Lens], common: Mapping[str, Any]) -> tuple[Lens, ...]:
    """The lenses of a catalogue, in its order.

    Args:
        source: a table (ECSV, CSV, FITS, VOTable, Parquet) with a row a lens, a folder with a folder of data a lens,
            an astropy Table, or lenses that were made already.
        common: options (see `OPTIONS`) of every lens whose row does not say otherwise.

    Raises:
        DataError: the catalogue cannot be read, has no lens, or names two alike. ModelError: an option is not what it
            must be.
    """
    shared = {name: plain(value, name, "the options of the run") for name, value in common.items()
              if value is not None}  # fmt: skip
    if isinstance(source, (str, Path)):
        path = Path(source)
        made = _of_folder(path, shared) if path.is_dir() else _of_table(_table(path), str(path), path.parent, shared)
    elif isinstance(source, Table):
        made = _of_table(source, "the table", Path(), shared)
    else:
        made = [dataclasses.replace(lens, options=shared | dict(lens.options)) for lens in source]
    if not made:
        raise DataError(f"{source}: no lens in it; give a table with a row a lens, or a folder with a folder a lens")
    for name, count in collections.Counter(lens.name.casefold() for lens in made).items():
        if count > 1:
            raise DataError(f"{count} lenses of the catalogue are called {name!r}, whatever the case; a folder is "
                            "called by the name: give each its own")
    for lens in made:
        _check_name(lens.name)
        lens.sections(0)
    return tuple(made)


def _of_folder(folder: Path, shared: dict[str, Any]) -> list[Lens]:
    """A lens for each folder in a folder, by name; hidden ones are none."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [Lens(name=path.name, options=shared | {"path": path.name}, base=folder.absolute()) for path in inside]


def _table(path: Path) -> Table:
    """The table of a file, its strings as they stand there."""
    told = unreadable(path)
    if told:
        raise DataError(f"{path}: {told}; give a table with a row a lens, or a folder with a folder a lens")
    ending = next((known for known in FORMATS if path.name.lower().endswith(known)), None)
    if ending is None:
        raise DataError(f"{path}: no format of a table is known by this name; there are {', '.join(FORMATS)}")
    kind = FORMATS[ending]
    words: dict[str, Any] = {}
    if kind == "ascii.csv":  # "0029" is a name, no number
        words["converters"] = {name: [text_tables.convert_numpy(str)] for word in NAMES
                               for name in (word, word.title(), word.upper())}  # fmt: skip
    try:
        table = Table.read(path, format=kind, **words)
    except ImportError as error:
        raise DataError(f"{path}: cannot be read without pyarrow; pip install 'lensfit[many]'") from error
    except Exception as error:  # whatever a reader makes of a file that is not what its name says
        raise DataError(f"{path}: is no table of the format {kind} ({visible(error)})") from error
    table.convert_bytestring_to_unicode()
    return table


def _of_table(table: Table, where: str, base: Path, shared: dict[str, Any]) -> list[Lens]:
    roles = {column: _role(column, where) for column in table.colnames}
    named = [column for column, role in roles.items() if role == "path"]
    if len(named) != 1:
        words = f"columns {', '.join(named)}" if named else "no column"
        raise DataError(f"{where}: {words} for the data of a lens; give one, called {' or '.join(PATHS)}")
    made = []
    for number in range(len(table)):
        row: Any = table[number]
        at = f"{where}, row {number + 1}"
        said = {roles[column]: (column, value) for column in table.colnames
                if (value := _cell(row[column])) is not None}  # fmt: skip
        if "path" not in said:
            raise DataError(f"{at}: no {named[0]}; say where the data of this lens are")
        options = {role: plain(value, role, f"{at}: {column}") for role, (column, value) in said.items()
                   if role in OPTIONS}  # fmt: skip
        columns = {role: value for role, (_, value) in said.items() if role not in OPTIONS and role != "name"}
        name = str(said["name"][1]) if "name" in said else Path(options["path"]).name.partition(".")[0]
        made.append(Lens(name=name, options=_placed(_joined(shared, options), columns), base=base.absolute(),
                         columns=columns))  # fmt: skip
    return made


def _role(column: str, where: str) -> str:
    """What a column is: `name`, an option, or something that goes along into the table under its own name."""
    word = column.lower()
    if word in NAMES:
        return "name"
    if word in PATHS:
        return "path"
    if word in OPTIONS or word in SKY:
        return word
    near = difflib.get_close_matches(word, OPTIONS, n=1, cutoff=NEAR)
    if near:
        raise DataError(f"{where}: no option is called {column}; did you mean {near[0]}? Else give it another name")
    return column


def _cell(value: Any) -> Any:
    """The value of a cell as a plain one, None where it is empty or no number."""
    if np.ma.is_masked(value) and np.ndim(value) == 0:
        return None
    made = value.tolist() if hasattr(value, "tolist") else value
    empty = made is None or made == "" or (isinstance(made, float) and np.isnan(made))
    return None if empty or (isinstance(made, list) and not any(item is not None for item in made)) else made


def _joined(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Options of the run and of a row: what the row says counts, and one place takes the place of another."""
    places = {"center", "center_sky"}
    left = {name: value for name, value in shared.items() if not (name in places and places & own.keys())}
    return left | own


def _placed(options: dict[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """With the lens at RA and Dec where a window is cut out and no other place is named."""
    known = [columns.get(axis) for axis in SKY]
    if "cutout" in options and not {"center", "center_sky"} & options.keys() and None not in known:
        return options | {"center_sky": [float(value) for value in known]}  # pyright: ignore[reportArgumentType]
    return options


def _check_name(name: str) -> None:
    """Raise DataError where a name cannot be that of a folder."""
    wrong = "" if name.strip(" .") == name and name else "is empty, or begins or ends with a dot or a blank"
    if any(sign in name for sign in "/\\:") or not name.isprintable():
        wrong = "holds /, \\, : or a control character"
    if len(name.encode(errors="replace")) > LONGEST_NAME:
        wrong = f"is longer than {LONGEST_NAME} bytes"
    if wrong:
        raise DataError(f"the catalogue has a lens called {name!r}, which {wrong}; a folder is called by it: change it")


def plain(value: Any, option: str, where: str) -> Any:
    """A value of an option as a recipe has it: tables and commands have texts for numbers and for lists.

    Raises:
        ModelError: it cannot be that.
    """
    if option not in OPTIONS:
        near = difflib.get_close_matches(option, OPTIONS, n=1)
        raise ModelError(f"{where}: no option {option}" + (f"; did you mean {near[0]}?" if near else ""))
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, tuple):
        value = list(value)
    return _MAKERS.get(OPTIONS[option], _same)(value, where)


def _same(value: Any, where: str) -> Any:
    return value


def _number(value: Any, where: str) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value  # its reader says what is wrong, or knows the word


def _whole(value: Any, where: str) -> Any:
    made = _number(value, where)
    return int(made) if isinstance(made, float) and made.is_integer() else made


def _pair(value: Any, where: str) -> Any:
    return [_number(word, where) for word in re.split(r"[\s,;]+", value.strip())] if isinstance(value, str) else value


def _list(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return [word.strip() for word in value.split(";") if word.strip()]
    return [str(item) for item in value]


def _truth(value: Any, where: str) -> Any:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return words.get(str(value).lower(), value)


def _word(value: Any, where: str) -> Any:
    return str(value)


_MAKERS: dict[Reader, Callable[[Any, str], Any]] = {
    **dict.fromkeys((values.number, values.number_or("auto")), _number),
    **dict.fromkeys((values.integer, values.sign), _whole),
    **dict.fromkeys((values.path, values.text, values.label), _word),
    **dict.fromkeys((values.paths, values.texts), _list),
    values.place: _pair,
    values.boolean: _truth,
}
"""By the reader of an option, what makes a value that it takes of what a table holds."""
