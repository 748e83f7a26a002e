"""The values of a recipe: what each must be, and what is told where it is not.

A reader takes the value, where it stands, and the folder of the recipe, which paths start from.
"""
from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from lensfit.datasets.galaxy import galaxies_of
from lensfit.errors import DataError, ModelError
from lensfit.names import SIGNS
from lensfit.outside import visible

Reader = Callable[[Any, str, Path], Any]
MOST_SHOWN = 100
"""Characters of a value that a message shows."""
LARGEST_INTEGER = 2**63
"""Above all whole numbers that a setting can be."""


def unknown(where: str, what: str, word: Any, known: Iterable[str]) -> NoReturn:
    """Raise ModelError for a word that is not known, with the nearest ones first."""
    names = sorted(known)
    near = difflib.get_close_matches(str(word)[:MOST_SHOWN], names, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
    raise ModelError(f"{where}: no {what} {shown(repr(word))}; {hint}")


def shown(value: Any) -> str:
    """A value of a recipe as a message shows it, cut where it is long."""
    return visible(value, MOST_SHOWN)


def table(value: Any, where: str) -> dict[str, Any]:
    """The value if it is a table."""
    if not isinstance(value, dict):
        raise ModelError(f"{where}: {shown(repr(value))} is no table; write [{where}] and its keys below")
    return value


def number(value: Any, where: str, folder: Path | None = None) -> float:
    """The value as a finite float."""
    try:
        made = math.nan if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)
    except OverflowError:
        made = math.inf
    if not math.isfinite(made):
        raise ModelError(f"{where}: {shown(repr(value))} is no finite number; give one, as 0.1")
    return made


def path(value: Any, where: str, folder: Path) -> Path:
    """The path of a file, from the folder of the recipe on."""
    return folder / text(value, where, folder)


def paths(value: Any, where: str, folder: Path) -> tuple[Path, ...]:
    """A list of paths."""
    if not isinstance(value, list):
        raise ModelError(f"{where}: {shown(repr(value))} is no list; give [\"path\", ...]")
    return tuple(path(item, where, folder) for item in value)


def texts(value: Any, where: str, folder: Path) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list):
        raise ModelError(f"{where}: {shown(repr(value))} is no list; give [\"text\", ...]")
    return tuple(text(item, where, folder) for item in value)


def galaxies(value: Any, where: str, folder: Path) -> tuple[str, ...]:
    """A list of texts that name galaxies, see `lensfit.datasets.Galaxy`."""
    made = texts(value, where, folder)
    try:
        galaxies_of(made)
    except DataError as error:
        raise ModelError(f"{where}: {error}") from None
    return made


def place(value: Any, where: str, folder: Path) -> tuple[float, float]:
    """[x, y] in arcsec, or [right ascension, declination] in degrees."""
    if not isinstance(value, list) or len(value) != 2:
        raise ModelError(
            f"{where}: {shown(repr(value))} is no place; give [x, y] in arcsec, of one on the sky in degrees"
        )
    x, y = (number(item, where) for item in value)
    return x, y


def sign(value: Any, where: str, folder: Path) -> int:
    """-1 or 1."""
    if value not in SIGNS:
        raise ModelError(f"{where}: {shown(repr(value))} is no sign; give -1 or 1")
    return value


def boolean(value: Any, where: str, folder: Path) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ModelError(f"{where}: {shown(repr(value))} is neither true nor false")
    return value


def text(value: Any, where: str, folder: Path) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ModelError(f"{where}: {shown(repr(value))} is no text; put it in quotes")
    return value


def integer(value: Any, where: str, folder: Path) -> int:
    """A whole number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST_INTEGER:
        raise ModelError(f"{where}: {shown(repr(value))} is no whole number from 0 on, below 2^63")
    return value


def one_of(*choices: str) -> Reader:
    """The reader of one word of several."""

    def read(value: Any, where: str, folder: Path) -> str:
        if value not in choices:
            unknown(where, "choice", value, choices)
        return value

    return read


def shape(value: Any, where: str, folder: Path) -> tuple[int, int]:
    """[rows, columns] of an image in pixels."""
    if not isinstance(value, list) or len(value) != 2:
        raise ModelError(f"{where}: {shown(repr(value))} is no shape; give [rows, columns] in pixels, as [150, 150]")
    rows, columns = (integer(side, where, folder) for side in value)
    return rows, columns


def label(value: Any, where: str, folder: Path) -> str:
    """A name in quotes, or a whole number."""
    return str(integer(value, where, folder)) if isinstance(value, int) else text(value, where, folder)


@functools.cache
def number_or(word: str) -> Reader:
    """The reader of a number or of one word."""

    def read(value: Any, where: str, folder: Path) -> float | str:
        if value == word:
            return word
        if isinstance(value, str):
            raise ModelError(f"{where}: {value!r} is neither a finite number nor {word!r}")
        return number(value, where)

    return read


def settings(value: Any, where: str, folder: Path) -> dict[str, Any]:
    """A table of numbers, texts, and true or false."""
    for key, item in table(value, where).items():
        if not isinstance(item, (str, int, float)):
            said = shown(repr(item))
            raise ModelError(f"{where}.{key}: {said} is no setting; give a number, a text or true or false")
        if isinstance(item, int) and abs(item) >= LARGEST_INTEGER:
            raise ModelError(f"{where}.{key}: {shown(item)} is too large for a whole number")
    return value
