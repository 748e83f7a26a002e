"""Numbers and names in plain words: to the digits of an error, singular and plural, the name nearest to a wrong one."""
from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

LARGE = 1e6
"""From which on numbers are written as powers of ten."""

MOST = 6
"""Names that are listed where none is near."""


def counted(number: int, one: str, many: str = "") -> str:
    """'1 pixel', '2 pixels'; `many` where the plural is not made with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def nearest(word: object, known: Iterable[str]) -> str:
    """What to say of a name that is not known: 'did you mean X?', else the names that there are."""
    names = [*known]
    wanted = str(word)[:100]
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    if not near:  # of a dotted name its last part is often all that is remembered
        near = [name for name in names if wanted and wanted in name.split(".")][:2]
    if near:
        return f"did you mean {' or '.join(near)}?"
    rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"there are {', '.join(names[:MOST]) or 'none'}{rest}"


def no_such(name: object, what: str, known: Iterable[str]) -> str:
    """What an error says of a name that is none of those known: 'NAME: no WHAT; did you mean X?'"""
    return f"{name}: no {what}; {nearest(name, known)}"


def number_text(value: float, error: float) -> str:
    """A number to two digits of its error, to five where that is unknown."""
    if not (math.isfinite(error) and error > 0 and math.isfinite(value)):
        return f"{value:.5g}"
    if abs(value) >= LARGE:
        return f"{value:.{min(max(0, math.floor(math.log10(abs(value) / error)) + 1), 12)}e}"
    return f"{value:.{min(max(0, 1 - math.floor(math.log10(error))), 12)}f}"
