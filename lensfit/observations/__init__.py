"""Kinds of data on the road from data to verdict: what is done with each, in one file a kind."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lensfit import datasets as datasets_of_files
from lensfit.errors import DataError
from lensfit.observations.image_observation import ImageObservation
from lensfit.observations.named import NamedObservations
from lensfit.observations.observation import Observation, Plane, Shown
from lensfit.observations.visibility_observation import VisibilityObservation
from lensfit.recipe import DataSection

__all__ = ["KINDS", "NamedObservations", "Observation", "Plane", "Shown", "observe", "read"]

KINDS: tuple[type[Observation], ...] = (ImageObservation, VisibilityObservation)
READING = ("noise", "psf", "mask", "pixel_scale", "shape", "origin", "sign", "east", "wavelength", "primary_beam")
"""What a recipe tells the readers beside `nan`."""


def read(section: DataSection) -> Observation:
    """The data that a recipe, or the options of a command, name.

    Raises:
        DataError: they cannot be used, or several are named that cannot be fitted together.
    """
    if section.path is None:
        raise DataError("no data: give their file or folder")
    options = {name: getattr(section, name) for name in READING} | {"nan": section.nan}
    datasets = [datasets_of_files.read(path, **options) for path in (section.path, *section.more)]
    images = [str(p) for p, data in zip((section.path, *section.more), datasets, strict=True) if _is_image(data)]
    if section.more and images:
        raise DataError(f"{', '.join(images)}: no visibilities, and only visibilities can be fitted together")
    return observe(datasets if section.more else datasets[0]).asked(section)


def _is_image(data: Any) -> bool:
    return ImageObservation.of(data) is not None


def observe(data: Any) -> Observation:
    """Of what a script holds: a dataset, several visibilities of one lens, or a mapping of names to datasets.

    Raises:
        DataError: it is nothing of the kind.
    """
    if isinstance(data, Observation):
        return data
    if isinstance(data, (str, Path)):
        return read(DataSection(path=Path(data)))
    if isinstance(data, Mapping):
        return NamedObservations(observations={str(name): observe(one) for name, one in data.items()})
    if isinstance(data, Sequence) and data and all(isinstance(one, (str, Path)) for one in data):
        first, *more = (Path(one) for one in data)
        return read(DataSection(path=first, more=tuple(more)))
    for kind in KINDS:
        found = kind.of(data)
        if found is not None:
            return found
    if isinstance(data, Sequence):
        raise DataError("of several data only visibilities can be fitted together so: give others a name each")
    raise DataError(f"{type(data).__name__} is no data: give a path, an Imaging, an Interferometer or a list of these")
