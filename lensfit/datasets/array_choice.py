"""Which array of a file is meant, and which plane of it: FILE[EXT], FILE[EXT,n], FILE[name], and cubes."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lensfit.errors import DataError
from lensfit.outside import is_there

BRACKETS = re.compile(r"(?P<file>.+)\[(?P<array>[^\[\]]+)\]")


class Address(NamedTuple):
    """A file, and the array in it that is meant; None where that is told by its name."""

    file: Path
    array: str | None

    @classmethod
    def of(cls, path: Path) -> Address:
        """What a path says; a file whose own name ends in brackets is that file."""
        found = None if is_there(path) else BRACKETS.fullmatch(str(path))
        return cls(path, None) if found is None else cls(Path(found["file"]), found["array"].strip())


def path_of(value: Any, what: str) -> Path:
    """What names a file, or an array of it, as a path.

    Raises:
        DataError: it is something else, as an array.
    """
    try:
        return Path(value)
    except TypeError as error:
        raise DataError(
            f"{what}: {type(value).__name__} is no path; name a file, or make the data of arrays with "
            "lensfit.Imaging.from_arrays"
        ) from error


def named(names: list[str], aliases: Mapping[str, str], wanted: str, where: str) -> str:
    """The name of the array that is wanted, in capitals or not, or by one of the other names for it.

    Raises:
        DataError: there is none.
    """
    known = {name.lower(): name for name in (*aliases, *names)}  # names last: they count more
    spelled = ",".join(part.strip() for part in wanted.lower().split(","))
    if spelled not in known:
        listed = ", ".join(names) or "none"
        raise DataError(f"{where}: no image {wanted!r} in it; there are {listed}; write FILE[NAME], or FILE[EXT,n]")
    name = known[spelled]
    return name if name in names else aliases[name]


def of_the_same_number(found: list[str], beside: str) -> list[str]:
    """Of several arrays of one kind, 'ERR' and 'ERR,2', those numbered as the one `beside`, 'SCI,2'."""
    number = beside.partition(",")[2]
    same = [name for name in found if name.partition(",")[2] == number]
    return same if len(found) > 1 and same else found


def as_plane(array: np.ndarray, plane: int | None, where: str) -> tuple[np.ndarray, list[str]]:
    """An array of an image with its two axes: axes of length one squeezed, one plane of a cube, and notes of it.

    Args:
        array: two axes or more; planes are counted from 0, through all axes but the last two.
        plane: of a cube; an array that is none is taken as it is.

    Raises:
        DataError: it is a cube and no plane of it is named, or one that it has not.
    """
    array = np.asarray(array)
    plane_shape(array.shape, where)
    if array.ndim == 2:
        return array, []
    longer = _longer(array.shape)
    if len(longer) == 2:
        return array.reshape(longer), [f"axes of length one left out of {where}, of shape {array.shape}"]
    count = math.prod(longer[:-2])
    cube = f"{where}: a cube of {count} planes, its shape {array.shape}"
    if plane is None:
        raise DataError(f"{cube}; give plane=0 to plane={count - 1}, the one that is meant, counted from 0")
    if plane not in range(count):
        raise DataError(f"{cube}, and no plane {plane}; give plane=0 to plane={count - 1}, counted from 0")
    return array.reshape(count, *longer[-2:])[plane], [f"plane {plane} of {where}, of shape {array.shape}"]


def plane_shape(shape: tuple[int, ...], where: str) -> tuple[int, int]:
    """(H, W) of the image that `as_plane` makes of an array of that shape.

    Raises:
        DataError: it has fewer than two axes.
    """
    if len(shape) < 2:
        raise DataError(f"{where}: {len(shape)} axes of shape {shape}, an image has 2; give an image")
    rows, columns = _longer(shape)[-2:]
    return rows, columns


def _longer(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that are not of length one, or the last two."""
    longer = tuple(side for side in shape if side != 1) if len(shape) > 2 else shape
    return longer if len(longer) >= 2 else shape[-2:]
