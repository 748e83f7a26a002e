"""What a recipe would say of data that a call names: files, how they are read, redshifts."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.cosmology import FIELDS, Redshifts
from lensfit.datasets import stated_in
from lensfit.datasets.array_choice import path_of
from lensfit.errors import DataError
from lensfit.observations import Sections, by_name
from lensfit.recipe import DataSection
from lensfit.words import nearest


def with_redshifts(section: Sections | None, said: dict[str, Any]) -> tuple[Sections | None, Redshifts | None]:
    """Redshifts that are given, else of the recipe, else of an info.json beside the data; the sections get them."""
    named = section if isinstance(section, Mapping) else {} if section is None else {"": section}
    folders = [one.path for one in named.values() if one.path is not None and one.path.is_dir()]
    stated = [stated_in(folder, FIELDS)[0] for folder in folders]
    recipes = [{name: getattr(one, name) for name in FIELDS} for one in named.values()]
    known = {name: next((some[name] for some in (said, *recipes, *stated) if some.get(name) is not None), None)
             for name in FIELDS}  # fmt: skip
    redshifts = Redshifts.stated(known)
    return section if redshifts is None else stating(section, redshifts), redshifts


def stating(section: Sections | None, redshifts: Redshifts) -> Sections | None:
    """Sections that state these redshifts."""
    if section is None or isinstance(section, DataSection):
        return section and dataclasses.replace(section, **redshifts.document())
    return {name: dataclasses.replace(one, **redshifts.document()) for name, one in section.items()}


def paths_of(section: Sections) -> str:
    """The files that a section names, as a message shows them."""
    several = [section] if isinstance(section, DataSection) else section.values()
    return ", ".join(str(one.path) for one in several)


def section_of(data: Any, reading: dict[str, Any]) -> Sections | None:
    """What a recipe would say of data that are read from files, None where they are here already."""
    several = isinstance(data, (list, tuple)) and bool(data) and all(isinstance(one, (str, Path)) for one in data)
    if several:
        data, reading = data[0], {"more": tuple(Path(one) for one in data[1:]), **reading}
    if isinstance(data, Mapping) and data and all(isinstance(one, (str, Path, DataSection)) for one in data.values()):
        return {str(name): _asked(one, reading) for name, one in data.items()}
    if isinstance(data, (str, Path, DataSection)):
        return by_name(_asked(data, reading))
    if reading:
        raise DataError(f"{', '.join(reading)}: can be given where the data are read from files")
    return None


def _asked(data: str | Path | DataSection, reading: dict[str, Any]) -> DataSection:
    section = data if isinstance(data, DataSection) else DataSection(path=Path(data))
    known = [field.name for field in dataclasses.fields(section)]
    for name in reading:
        if name not in known:
            raise DataError(f"{name}=: no option for data from files; {nearest(name, known)}")
    paths = {"noise", "psf", "mask"}
    given = {k: path_of(v, f"{k}=") if k in paths and v is not None else _plain(v) for k, v in reading.items()}
    return dataclasses.replace(section, **given)


def _plain(value: Any) -> Any:
    """A value without arrays and numbers of NumPy, as a recipe holds it."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return tuple(_plain(item) for item in value) if isinstance(value, (list, tuple)) else value
