"""HTML from plain values; whatever comes from a file is escaped here."""
from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np

UNKNOWN = "\N{EM DASH}"


def text(value: Any) -> str:
    """Any value as escaped text."""
    return escape(UNKNOWN if value is None else str(value))


def number(value: float | None, error: float | None = None) -> str:
    """A number to two digits of its error, or to six digits where it has none."""
    if value is None:
        return UNKNOWN
    if not error or not 1e-8 < abs(error) < 1e5 or abs(value) >= 1e7:
        return _minus(f"{value:.6g}" if not error else f"{value:.9g}")
    return _minus(f"{value:.{max(0, 1 - floor(log10(abs(error))))}f}")


def numbers(values: Any) -> str:
    """A number, or a list of some, to six digits; of an array of several axes its shape."""
    if len(np.shape(values)) > 1:
        return f"{' x '.join(map(str, np.shape(values)))} numbers"
    return ", ".join(number(value) for value in (values if isinstance(values, list) else [values]))


def uncertainty(error: float | None) -> str:
    """An error to two digits."""
    if error is None:
        return UNKNOWN
    if not 1e-8 < error < 1e5:
        return f"{error:.2g}"
    return f"{error:.{max(0, 1 - floor(log10(error)))}f}"


def table(header: Sequence[str], rows: Iterable[str], numeric: Sequence[int] = ()) -> str:
    """A table of ready-made rows; the columns in `numeric` are set flush right."""
    kinds = [' class="number"' if k in numeric else "" for k in range(len(header))]
    cells = [f"<th{kind}>{text(word)}</th>" for kind, word in zip(kinds, header, strict=True)]
    return (
        f'<div class="wide"><table><thead><tr>{"".join(cells)}</tr></thead>\n'
        f'<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>'
    )


def row(cells: Iterable[tuple[str, str]]) -> str:
    """A row of (ready-made content, class) cells."""
    parts = "".join(f'<td class="{kind}">{content}</td>' for content, kind in cells)
    return f"<tr>{parts}</tr>"


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """A two-column table of names and ready-made contents."""
    rows = [f"<tr><th>{text(name)}</th><td class=\"code\">{content}</td></tr>" for name, content in items]
    return f'<div class="wide"><table><tbody>\n{chr(10).join(rows)}\n</tbody></table></div>'


def listed(items: Sequence[Any]) -> str:
    """A list of texts."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"


def figure(path: Path, caption: str) -> str:
    """A figure with its PNG inside."""
    if not path.is_file():
        return f"<figure><figcaption>{text(path.name)} is missing. {text(caption)}</figcaption></figure>"
    image = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{image}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def _minus(digits: str) -> str:
    return digits.replace("-", "\N{MINUS SIGN}")
