"""Kinds of data on the road from data to verdict: what is done with each, in one file a kind."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lensfit import datasets as files
from lensfit.cosmology import FIELDS
from lensfit.datasets import Imaging, Interferometer
from lensfit.errors import DataError
from lensfit.likelihood.calibration import Observations
from lensfit.observations.additions import again
from lensfit.observations.image_observation import ImageObservation
from lensfit.observations.named import NamedObservations
from lensfit.observations.naming import Sections, by_name
from lensfit.observations.observation import Addition, Observation, Plane, Shown
from lensfit.observations.visibility_observation import VisibilityObservation
from lensfit.recipe import DataSection

__all__ = [
    "KINDS", "Addition", "NamedObservations", "Observation", "Plane", "Sections", "Shown", "again", "by_name",
    "observe", "read",
]  # fmt: skip

KINDS: dict[type, Callable[..., Observation]] = {
    Imaging: ImageObservation.of,
    Interferometer: VisibilityObservation.of,
    Observations: VisibilityObservation.of_joint,
}
"""What makes the observation of a dataset, by its class."""
TOGETHER = {held.dataset for held in files.HELD if held.together}
"""Of which several without names are data of one observation."""
NO_READER_S = {"path", "more", "antenna_phases", *FIELDS}
"""What a recipe says of data that is not for their reader."""


def read(section: Sections) -> Observation:
    """The data that a recipe, or the options of a command, name.

    Raises:
        DataError: they cannot be used.
    """
    if not isinstance(section, DataSection):
        return NamedObservations.of({name: read(one) for name, one in section.items()})
    if section.path is None:
        raise DataError("no data: give their file or folder")
    if isinstance(several := by_name(section), Mapping):
        return read(several)
    every = (field.name for field in dataclasses.fields(section))
    options = {name: getattr(section, name) for name in every if name not in NO_READER_S}
    made = [files.read(path, **options) for path in (section.path, *section.more)]
    return observe(made).asked(section)


def observe(data: Any) -> Observation:
    """Of what a script holds: a path, a dataset, several visibilities of one lens, or a mapping of names to these.

    Raises:
        DataError: it is nothing of the kind.
    """
    if isinstance(data, Observation):
        return data
    if isinstance(data, Mapping):
        return NamedObservations.of({str(name): observe(one) for name, one in data.items()})
    if isinstance(data, DataSection):
        return read(data)
    every = tuple(data) if isinstance(data, Sequence) and not isinstance(data, str) else (data,)
    if every and all(isinstance(one, (str, Path)) for one in every):
        first, *more = (Path(one) for one in every)
        return read(DataSection(path=first, more=tuple(more)))
    kinds = {type(one) for one in every}
    if len(every) > 1 and not (len(kinds) == 1 and kinds <= TOGETHER):
        raise DataError("of several data only visibilities can be fitted together so: give others a name each")
    for kind in kinds & KINDS.keys():
        return KINDS[kind](*every)
    raise DataError(f"{type(data).__name__} is no data: give a path, an Imaging, an Interferometer or a list of these")
