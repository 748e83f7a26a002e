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
    """A galaxy beside the lens.

    Attributes:
        x, y: its place [arcsec].
        has: whether its "light", its "mass" or "both" are in the model.
        seen: whether it was seen in the data, not named.
    """

    x: float
    y: float
    has: GalaxyHas = "both"
    seen: bool = False

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g},{self.has}"

    @property
    def what(self) -> str:
        """What of it is in the model."""
        return {"both": "its light and mass", "light": "its light alone", "mass": "its mass alone"}[self.has]

    @property
    def told(self) -> str:
        """What of it is in the model, and where."""
        return f'{self.what}: ({self.x:.2f}", {self.y:.2f}")'

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
        DataError: one of them is none of these, at no place or has something else, two are at one place, or the whole
            is a single text.
    """
    if isinstance(given, str):
        raise DataError(f"galaxies= is the text {given!r}; give a list of such texts")
    made = tuple(_checked(one if isinstance(one, Galaxy) else _galaxy(one)) for one in given)
    places = [(one.x, one.y) for one in made]
    twice = next((one for k, one in enumerate(made) if places[k] in places[:k]), None)
    if twice is not None:
        raise DataError(
            f"two galaxies of galaxies= are at {twice.x:g},{twice.y:g}; name it once, without a word after its place "
            "if it has light and mass"
        )
    return made


def _checked(galaxy: Galaxy) -> Galaxy:
    if not (math.isfinite(galaxy.x) and math.isfinite(galaxy.y)):
        raise DataError(f"the galaxy {galaxy} of galaxies= is at no two finite numbers; give x and y in arcsec")
    if galaxy.has not in GALAXY_HAS:
        raise DataError(f"the galaxy {galaxy} of galaxies= has {galaxy.has!r}; use {' or '.join(GALAXY_HAS)}")
    return galaxy


def _galaxy(given: Any) -> Galaxy:
    parts: Any = [part.strip() for part in given.split(",")] if isinstance(given, str) else given
    if isinstance(parts, Sequence) and len(parts) in (2, 3):
        try:
            x, y = (float(value) for value in parts[:2])
        except (TypeError, ValueError):
            pass
        else:
            return Galaxy(x, y, *parts[2:])
    raise DataError(f"{given!r} of galaxies= is no galaxy; give X,Y or X,Y,{'|'.join(GALAXY_HAS)}, in arcsec")
