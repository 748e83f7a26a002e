"""What is wrong with a word in a recipe, and which word may have been meant."""
from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from lensfit.errors import ModelError


def unknown(where: str, what: str, word: Any, known: Iterable[str]) -> NoReturn:
    """Raise ModelError for a word that is not known, with the nearest ones first."""
    names = sorted(known)
    near = difflib.get_close_matches(str(word), names, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
    raise ModelError(f"{where}: no {what} {word!r}; {hint}")


def table(value: Any, where: str) -> dict[str, Any]:
    """The value if it is a table."""
    if not isinstance(value, dict):
        raise ModelError(f"{where}: {value!r} is no table; write [{where}] and its keys below")
    return value


def number(value: Any, where: str) -> float:
    """The value as a finite float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ModelError(f"{where}: {value!r} is no finite number; give one, as 0.1")
    return float(value)
