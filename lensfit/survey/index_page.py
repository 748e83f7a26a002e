"""index.html of a survey: every lens with its thumbnail, verdict, numbers and the way to its report.

The page needs nothing but the thumbnails beside it. Rows are drawn from embedded JSON as they scroll into view, so
that twenty thousand are as light as twenty.
"""
from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from lensfit import version
from lensfit.results.files import REPORT
from lensfit.survey.attempt import LENSES, LOG
from lensfit.survey.catalogue import SKY, Lens
from lensfit.survey.outcome import THUMBNAIL, Outcome, State
from lensfit.survey.page_script import SCRIPT, STYLE
from lensfit.survey.tally import Tally
from lensfit.whole_files import replacing

INDEX = "index.html"
MOST_TEXT = 300
"""Characters of a reason or of notes that a row holds."""
COLUMNS = (
    ("radius", "Einstein radius", "arcsec"),
    ("radius_total", "± total", "arcsec"),
    ("signal", "S/N", ""),
    ("reduced", "χ² / N", ""),
    ("cpu", "CPU s", "s"),
)
"""Key, heading and unit of the numbers of a row; RA and Dec follow where the catalogue has them."""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; script-src 'sha256-$allowed'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$heading</h1>
<p id="told">$told</p>
<div id="verdicts" role="group" aria-label="verdicts shown"></div>
<form id="filters">
<input id="words" type="search" placeholder="name, reason or note" aria-label="words to look for">
<select id="which" aria-label="number to limit"></select>
<input id="least" type="number" step="any" placeholder="from" aria-label="least">
<input id="most" type="number" step="any" placeholder="to" aria-label="most">
<button id="clear" type="reset">clear</button>
<span id="count"></span>
</form>
</header>
<div id="table" role="table" tabindex="0">
<div id="head" role="row"></div>
<div id="space" role="rowgroup"></div>
</div>
<script type="application/json" id="lenses">$data</script>
<script>$script</script>
</body>
</html>
""")
ALLOWED = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""By this a browser knows the one script that the page may run."""


def write_index(out: Path, lenses: Sequence[Lens], outcomes: Iterable[Outcome], tally: Tally) -> None:
    """Write index.html of the lenses that have ended, those that wait after them."""
    with replacing(out / INDEX) as path:
        path.write_text(index_html(out.resolve().name, lenses, outcomes, tally), encoding="utf-8")


def index_html(name: str, lenses: Sequence[Lens], outcomes: Iterable[Outcome], tally: Tally) -> str:
    """The page of a survey of that name; outcomes in the order of the lenses."""
    known = {outcome.name: _row(outcome) for outcome in outcomes}
    columns = [*COLUMNS, *_places(lenses)]
    rows = [_cells(lens, known.get(lens.name), columns) for lens in lenses]
    now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    told = f"{tally}. Written {now} by lensfit {version.__version__}."
    if tally.ended < tally.total:
        told += " The run goes on: load the page again for more."
    data = {
        "columns": [list(column) for column in columns], "rows": rows, "folder": LENSES, "thumbnail": THUMBNAIL,
        "report": REPORT, "log": LOG,
    }  # fmt: skip
    return PAGE.substitute(
        title=escape(f"{name}: {tally.ended} lenses"), heading=escape(f"Survey {name}"), told=escape(told),
        style=STYLE, script=SCRIPT, data=_embedded(data), allowed=ALLOWED,
    )  # fmt: skip


def _places(lenses: Sequence[Lens]) -> list[tuple[str, str, str]]:
    having = {axis for lens in lenses for axis in SKY if axis in lens.columns}
    return [(axis, word, "deg") for axis, word in zip(SKY, ("RA", "Dec"), strict=True) if axis in having]


def _row(outcome: Outcome) -> dict[str, Any]:
    """What the page shows of a lens that has ended."""
    found, radius = outcome.found, outcome.found.get("einstein_radius") or {}
    chi2, count = found.get("chi2"), found.get("data_count")
    reasons = [outcome.reason] if outcome.reason else found.get("reasons", [])
    return {
        "verdict": "FAILED" if outcome.state is State.FAILED else found.get("verdict", "DONE"),
        "said": _short(reasons), "notes": _short(found.get("notes", [])),
        "radius": radius.get("value"), "radius_total": radius.get("total"), "signal": found.get("signal_to_noise"),
        "reduced": chi2 / count if chi2 is not None and count else None, "cpu": outcome.cost.get("cpu_seconds"),
    }  # fmt: skip


def _short(texts: Sequence[Any]) -> str:
    text = "; ".join(str(item) for item in texts)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} ..."


def _cells(lens: Lens, row: dict[str, Any] | None, columns: Sequence[tuple[str, str, str]]) -> list[Any]:
    """Name, verdict, reasons, notes, then a number for each column, rounded to what a row can show."""
    known = {"verdict": "WAITING", "said": "", "notes": ""} if row is None else row
    numbers = [known.get(key, lens.columns.get(key)) for key, _, _ in columns]
    return [lens.name, known["verdict"], known["said"], known["notes"], *(_rounded(value) for value in numbers)]


def _rounded(value: Any) -> Any:
    return float(f"{value:.7g}") if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _embedded(data: Any) -> str:
    """JSON that can stand in a page: nothing in it ends the script or begins a tag."""
    made = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in ("<", ">", "&", "\u2028", "\u2029"):
        made = made.replace(sign, f"\\u{ord(sign):04x}")
    return made
