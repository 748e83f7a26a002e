"""HTML of the report: its skeleton and style sheet, and pieces from plain values; what comes from a file is escaped."""
from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

STYLE = """
:root { color-scheme: light dark; --ink: #1b1d21; --soft: #5b6270; --line: #d9dde3; --paper: #ffffff;
  --panel: #f5f6f8; --good: #0b6b3a; --open: #8a5a00; --bad: #a4161a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a4abb8; --line: #3a3f49;
  --paper: #16181c; --panel: #20242a; --good: #1c8a52; --open: #a9700a; --bad: #c9302f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.verdict { padding: 1.1rem max(1rem, calc((100vw - 66rem) / 2)); color: #ffffff; }
.verdict.trusted { background: var(--good); }
.verdict.unchecked { background: var(--open); }
.verdict.untrusted { background: var(--bad); }
.verdict strong { display: block; font-size: 2rem; line-height: 1.2; letter-spacing: 0.02em; }
.verdict ul { margin: 0.4rem 0 0; padding-left: 1.2rem; }
main { max-width: 68rem; margin: 0 auto; padding: 0.5rem 1rem 3rem; }
h1 { font-size: 1.3rem; margin: 1.2rem 0 0.2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 0.6rem; padding-bottom: 0.25rem;
  border-bottom: 1px solid var(--line); }
p.summary { margin: 0 0 1rem; color: var(--soft); }
figure { margin: 0; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line);
  border-radius: 4px; }
figcaption { font-size: 0.875rem; color: var(--soft); margin: 0.35rem 0 0; }
.gallery { display: grid; gap: 1.4rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.22rem 0.9rem 0.22rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; }
th.group { padding-top: 0.8rem; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.pass { color: var(--good); font-weight: 600; white-space: nowrap; }
td.open { color: var(--open); font-weight: 600; white-space: nowrap; }
td.fail { color: var(--bad); font-weight: 700; white-space: nowrap; }
td.code, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.85em;
  overflow-wrap: anywhere; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--soft); }
td.words { min-width: 14rem; }
@media (max-width: 40rem) { body { font-size: 15px; } .verdict strong { font-size: 1.6rem; }
  table { font-size: 0.82rem; } th, td { padding-right: 0.6rem; } }
@media print { body { font-size: 10pt; } h2 { break-after: avoid; } tr { break-inside: avoid; }
  .verdict { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; } .wide { overflow: visible; } }
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
$verdict
<main>
<h1>$heading</h1>
<p class="summary">$summary</p>
$overview
<h2>Parameters</h2>
$parameters
<h2>Derived quantities</h2>
$derived
<h2>Trust</h2>
$checks
<h2>Models next to this one</h2>
$variants
<h2>Figures</h2>
<div class="gallery">
$figures
</div>
<h2>Data</h2>
$data
<h2>Provenance</h2>
$provenance
</main>
</body>
</html>
""")

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
