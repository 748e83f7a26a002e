"""A further galaxy that the user names: a satellite of the lens, a neighbour, or a second lens."""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lensfit.errors import DataError
from lensfit.names import GALAXY_HAS, GalaxyHas


@dataclass(frozen=True)
class Galaxy:
    """Its place x, y [arcsec], and whether its light, its mass or both are in the model.

    Raises:
        DataError: that is no place, or it has none of these.
    """

    x: float
    y: float
    has: GalaxyHas = "both"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise DataError(f"the galaxy {self} of galaxies= is at no two finite numbers; give x and y in arcsec")
        if self.has not in GALAXY_HAS:
            raise DataError(f"the galaxy {self} of galaxies= has {self.has!r}; use {' or '.join(GALAXY_HAS)}")

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g},{self.has}"

    @property
    def light(self) -> bool:
        """Whether its light is in the model."""
        return self.has != "mass"

    @property
    def mass(self) -> bool:
        """Whether its mass is in the model."""
        return self.has != "light"


def galaxies_of(given: Iterable[Any]) -> tuple[Galaxy, ...]:
    """Galaxies, each given as one, as a text X,Y[,light|mass|both] or as such a sequence.

    Raises:
        DataError: one of them is none of these, or the whole is a single text.
    """
    if isinstance(given, str):
        raise DataError(f"galaxies= is the text {given!r}; give a list of such texts")
    return tuple(one if isinstance(one, Galaxy) else _galaxy(one) for one in given)


def _galaxy(given: Any) -> Galaxy:
    parts = [part.strip() for part in given.split(",")] if isinstance(given, str) else given
    if isinstance(parts, Sequence) and len(parts) in (2, 3):
        try:
            x, y = (float(value) for value in parts[:2])
        except (TypeError, ValueError):
            pass
        else:
            return Galaxy(x, y, *parts[2:])
    raise DataError(f"{given!r} of galaxies= is no galaxy; give X,Y or X,Y,{'|'.join(GALAXY_HAS)}, in arcsec")
