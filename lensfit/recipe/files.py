"""Reading and writing of recipes."""
from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path
from typing import Any

from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.recipe import _toml, _words
from lensfit.recipe._reader import GROUPS, read_model
from lensfit.recipe._writer import model_lines
from lensfit.recipe.sections import DataSection, FitSection, InstrumentSection, read_section

SECTIONS = {"data": DataSection, "fit": FitSection, "instrument": InstrumentSection}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe says. `model` is None where it holds neither profiles nor sky."""

    model: LensModel | None = None
    data: DataSection = dataclasses.field(default_factory=DataSection)
    fit: FitSection = dataclasses.field(default_factory=FitSection)
    instrument: InstrumentSection = dataclasses.field(default_factory=InstrumentSection)


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        ModelError: it is missing, no TOML, or says what is unknown or does not fit.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise ModelError(f"{path}: is not valid TOML ({error}); correct it there") from error
    try:
        for key in content:
            if key not in ("sky", *GROUPS, *SECTIONS):
                _words.unknown("top level", "section", key, ("sky", *GROUPS, *SECTIONS))
        sections = {name: read_section(kind, content, name, path.parent) for name, kind in SECTIONS.items()}
        model = read_model(content) if content.keys() & {"sky", *GROUPS} else None
        if model is not None and sections["fit"].standard is not None:
            raise ModelError("fit.standard: the recipe holds a model of its own too; keep one of the two")
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return Recipe(model=model, **sections)


def write_recipe(
    path: str | Path, model: LensModel, *, data: DataSection | None = None, fit: FitSection | None = None
) -> None:
    """Write a model, and what it was fitted to and how; `read_recipe` gives the same model.

    Raises:
        ModelError: the model holds profiles or priors that are not lensfit's.
    """
    path = Path(path)
    lines = model_lines(model)
    end = lines.index("") if "" in lines else len(lines)
    sections = [*_section("data", data, path.parent), *_section("fit", fit, path.parent)]
    path.write_text("\n".join([*lines[:end], *sections, *lines[end:]]) + "\n", encoding="utf-8")


def _section(name: str, section: DataSection | FitSection | None, folder: Path) -> list[str]:
    if section is None:
        return []
    values = {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}
    values = {key: _portable(v, folder) for key, v in values.items() if v not in (None, (), False)}
    lines = [_toml.line(key, value) for key, value in values.items()]
    return ["", _toml.header(name), *lines]


def _portable(value: Any, folder: Path) -> Any:
    """A value of a section, paths relative to the folder of the recipe."""
    if isinstance(value, tuple):
        return [_portable(item, folder) for item in value]
    return _relative(value, folder) if isinstance(value, Path) else value


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())
