"""What the `info.json` of a folder states, each number checked when it is read."""
from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from lensfit.datasets.array_files import read_as, sha256
from lensfit.datasets.dataset import Source
from lensfit.errors import DataError
from lensfit.names import MASK_MEANINGS
from lensfit.outside import json_of, text_of, unreadable

NAME = "info.json"
EXAMPLE = '{"pixel_scale": 0.05, "origin": [0.0, 0.0]}'


def stated_in(folder: Path, names: Collection[str]) -> tuple[dict[str, Any], tuple[Source, ...]]:
    """What the `info.json` of a folder states under some of the names of KINDS, and where it was read.

    Raises:
        DataError: it is there and no JSON object, or one of its values is not of its kind.
    """
    path = folder / NAME
    if not path.is_symlink() and not path.exists():
        return {}, ()
    told = unreadable(path)
    if told:
        raise DataError(f"{path}: {told}; remove it, or give a file")
    with read_as(path, "JSON"):
        stated = json_of(text_of(path))
    if not isinstance(stated, Mapping):
        raise DataError(f"{path}: no object with numbers; write for example {EXAMPLE}")
    known = {name: checked(path, name, stated[name]) for name in names if name in stated}
    return known, (("info", str(path), sha256(path)),)


def checked(path: Path, name: str, value: Any) -> Any:
    """A value of one of the names of KINDS.

    Raises:
        DataError: it is not of its kind.
    """
    wanted, kind = KINDS[name]
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: no object with numbers where they belong: {name} is {str(value)[:80]!r}; "
            f"give {wanted}, for example {EXAMPLE}"
        ) from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _place(value: Any) -> tuple[float, float]:
    x, y = (_number(part) for part in _pair(value))
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError
    return x, y


def _shape(value: Any) -> tuple[int, int]:
    rows, columns = _pair(value)
    if type(rows) is not int or type(columns) is not int:
        raise TypeError
    return rows, columns


def _pair(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError
    return value


def _sign(value: Any) -> int:
    if value not in (-1, 1) or isinstance(value, bool):
        raise ValueError
    return int(value)


def _mask_is(value: Any) -> str:
    if value not in MASK_MEANINGS:
        raise ValueError
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


KINDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pixel_scale": ("a number of arcsec", _number),
    "origin": ("[x, y], two finite numbers of arcsec", _place),
    "shape": ("[rows, columns], two whole numbers", _shape),
    "sign": ("-1 or 1", _sign),
    "east": ('"left" or "right"', _text),
    "mask_is": ('"masked" or "used"', _mask_is),
    "wavelength": ("a number of metres", _number),
    "primary_beam": ("a number of arcsec", _number),
    "redshift_lens": ("a redshift", _number),
    "redshift_source": ("a redshift", _number),
    "cosmology": ("the name of a cosmology", _text),
}
"""Of each name what it states, in words, and the function that takes it."""
