"""The report of a run: from the files of its folder to one HTML page that needs nothing else."""
from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby
from math import floor, log10
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from lensfit.errors import DataError
from lensfit.results import read_document, replacing_listed
from lensfit.results.derived import RADIUS
from lensfit.results.document import RESULT
from lensfit.verdict import Outcome
from lensfit.words import counted

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
PNG = b"\x89PNG\r\n\x1a\n"
"""How such a file begins."""


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


def figure(folder: Path, name: str, caption: str) -> str:
    """A figure with its PNG inside, which is a file of the folder itself."""
    content = _png(folder, name)
    if content is None:
        return f"<figure><figcaption>{text(name)} is missing. {text(caption)}</figcaption></figure>"
    image = base64.b64encode(content).decode("ascii")
    return (
        f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{image}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def _png(folder: Path, name: str) -> bytes | None:
    """The content of a figure, None where it is missing. Raises DataError where it is none of this folder's own."""
    path = folder / name
    told = f"{folder / RESULT}: names the figure {name!r}, which is not a PNG file of this folder"
    remedy = "a report is made of the files of its folder alone; run the fit again"
    if Path(name).name != name or path.suffix != ".png":
        raise DataError(f"{told}; {remedy}")
    if not os.path.lexists(path):
        return None
    if not stat.S_ISREG(path.lstat().st_mode):  # a link, a pipe
        raise DataError(f"{told}; {remedy}")
    content = path.read_bytes()
    if not content.startswith(PNG):
        raise DataError(f"{told}; {remedy}")
    return content


def _minus(digits: str) -> str:
    return digits.replace("-", "\N{MINUS SIGN}")


CAPTIONS = {
    "data": "Data, asinh scale.",
    "model": "Model image: lens light, lensed source and sky, convolved with the PSF; the scale of the data.",
    "residual": "Data minus model over the noise, from \N{MINUS SIGN}5 to 5.",
    "lens_light": "Lens light and sky of the model, convolved; the scale of the data.",
    "arcs": "Data minus the lens light of the model.",
    "lensed_source": "Lensed source of the model, convolved; the scale of the panel before.",
    "image_plane": "Data minus lens light, the critical curves, the images of the brightest source's centre.",
    "source": "Source as it is behind lens and instrument, with the caustics. Grey: beyond its mesh, if it has one.",
    "source_deviation": "Posterior standard deviation of the reconstructed source, lens and mesh held.",
    "magnification": "Absolute magnification in the image plane, with the critical curves.",
    "colour": "All bands as one picture, as the widest PSF shows them: data, model, data without lens light, and the "
    "source with the caustics. Each band is scaled by its arcs, so that the source as a whole is white.",
    "colours": "Colour of the arcs in directions about the lens, corrected for the PSFs by the model; of the model's "
    "source, and of the lens light in the same pixels. One lensed source has its own colour in every image.",
    "convergence": "Convergence: surface density over the critical one, with the critical curves.",
    "corner": "Posterior of the parameters of the mass: contours hold 68 and 95 % of the samples. Orange: best values.",
    "slope": "Posterior of Einstein radius, slope and shear: contours hold 68 and 95 %. Orange: best values; green: "
    "neighbouring models that count.",
    "trace": "Parameters of the mass along the chains, one colour each; weighted samples are as large as their weight.",
    "dirty": "Noise-weighted dirty image of the data over its noise.",
    "dirty_model": "The same of the model.",
    "dirty_residual": "Dirty image of data less model over its noise, from \N{MINUS SIGN}5 to 5.",
    "sky": "Sky of the model, before the primary beam, with critical curves and the images of the source's centre.",
    "visibilities": "Real part of the visibilities, phased to the middle of the field, in bins of baseline length.",
    "baselines": "Residuals of the visibilities over their noise in bins of baseline length; 1 is expected.",
    "profile": "Mean brightness in rings about the lens; the errors are those of the mean.",
}
"""What each figure shows, by the name of its file."""

MARKS = {
    Outcome.PASSED: ("\N{CHECK MARK} passed", "pass"),
    Outcome.FAILED: ("\N{BALLOT X} FAILED", "fail"),
    Outcome.UNCHECKED: ("\N{EN DASH} unchecked", "open"),
}
"""How the answer to a check is shown: its words and their class."""

KINDS = {
    "TRUSTED": ("trusted", "\N{CHECK MARK}", ""),
    "UNCHECKED": ("unchecked", "?", "Look at what was not checked before these numbers are used."),
    "NOT TRUSTED": ("untrusted", "\N{BALLOT X}", "Do not use these numbers before the cause is found."),
}
"""How each word of the verdict is shown: its class, its mark, and what to do."""

REST = "The overview alone was drawn. lensfit.load(FOLDER).save(FOLDER) draws the other figures too."

SPREAD = (
    "<p>± total: statistical error and spread in quadrature. ± models: half the range of the value over the models "
    "next to this one, to the digits of the statistical error.</p>"
)


def write_report(folder: str | Path) -> Path:
    """Write report.html into a run folder, from its result.json and figures alone; give its path.

    Raises:
        DataError: result.json is missing or not of this version's schema, names a figure that is not of this folder,
            or report.html is not what lensfit wrote.
    """
    path = Path(folder) / "report.html"
    with replacing_listed(path) as temporary:
        temporary.write_text(report_html(Path(folder)), encoding="utf-8")
    return path


def report_html(folder: Path) -> str:
    """The report of a run folder: one page with everything inside.

    Raises:
        DataError: result.json cannot be used, or names a figure that is not of this folder.
    """
    result = read_document(folder)
    try:
        return _page(folder, result)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        told = f"{type(error).__name__}: {error}"
        raise DataError(f"{folder / RESULT}: is no whole result ({told}); run the fit again") from error


def _page(folder: Path, result: dict[str, Any]) -> str:
    names = result["figures"]
    name = folder.resolve().name
    return PAGE.substitute(
        title=f"{text(result['trust']['word'])}: {text(name)}",
        style=STYLE,
        verdict=_verdict(result["trust"]),
        heading=_heading(name, result.get("cosmology")),
        summary=_summary(result),
        overview=_overview(folder, result),
        parameters=_parameters(result),
        derived=_derived(result["derived"]) + _photometry(result.get("photometry")),
        checks=_checks(result["trust"]["checks"]) + (listed(result["notes"]) if result["notes"] else ""),
        variants=_variants(result),
        figures=_figures(folder, names[1:]),
        data=_data(result["data"], result.get("cosmology")),
        provenance=_provenance(result),
    )


def in_notebook(result: dict[str, Any], picture: bytes) -> str:
    """Verdict, summary and numbers of a result.json, and a picture (PNG, empty for none), for Jupyter."""
    trust = result["trust"]
    image = base64.b64encode(picture).decode("ascii")
    shown = f'<img style="max-width:100%" alt="overview" src="data:image/png;base64,{image}">' if picture else ""
    reasons = listed(trust["reasons"]) if trust["reasons"] else ""
    derived = f"<details><summary>derived quantities</summary>{_derived(result['derived'])}</details>"
    return (
        f"<div><p><b>{text(trust['headline'])}</b></p>{reasons}<p>{_summary(result)}</p>{shown}"
        f"{_parameters(result)}{derived}</div>"
    )


def _heading(name: str, cosmology: dict[str, Any] | None) -> str:
    """The name of the lens, and its redshifts where they are known."""
    known = [f"z<sub>{word}</sub> = {number(cosmology[key])}" for word, key in
             (("lens", "redshift_lens"), ("source", "redshift_source"))
             if cosmology is not None and cosmology[key] is not None]  # fmt: skip
    return ", ".join([f"Lens model {text(name)}", *known])


def _verdict(trust: dict[str, Any]) -> str:
    kind, mark, advice = KINDS[trust["word"]]
    reasons = listed(trust["reasons"]) if trust["reasons"] else ""
    return f'<div class="verdict {kind}"><strong>{mark} {text(trust["headline"])}</strong>{reasons}{advice}</div>'


def _summary(result: dict[str, Any]) -> str:
    fit, parts = result["fit"], []
    if (radius := _headline(result["derived"])) is not None:
        parts.append(radius)
    if fit["chi2"] is not None:
        ratio = number(fit["chi2"] / fit["data_count"], 0.01)
        counted = text(result["data"]["counted"])
        parts.append(f"χ² {number(fit['chi2'], 1.0)} for {text(fit['data_count'])} {counted} ({ratio} each)")
    if fit["log_evidence"] is not None:
        value, error = fit["log_evidence"], fit["log_evidence_error"]
        known = f"{number(value, error)} ± {uncertainty(error)}" if error is not None else number(value, 0.1)
        parts.append(f"ln evidence {known}")
    found = result["diagnostics"] or {}
    if found.get("effective_samples") is not None:
        parts.append(f"{found['effective_samples']:.0f} effective samples")
    words = {"r_hat": "R-hat", "pareto_k": "Pareto k", "divergences": "divergences"}
    parts += [f"{word} {number(found[key], 0.001)}" for key, word in words.items() if found.get(key) is not None]
    parts.append(f"fitter {text(result['fitter'])}, {number(fit['seconds'], 1.0)} s")
    return " · ".join(parts)


def _headline(derived: dict[str, Any]) -> str | None:
    """The Einstein radius with its total error, and what that is made of."""
    radius = next((q for name, q in derived.items() if name.rpartition(".")[2] == RADIUS), None)
    if radius is None or radius["value"] is None:
        return None
    parts = [("statistical", radius["error"]), ("spread over neighbouring models", radius["spread"])]
    both = ", ".join(f"{word} {error:.2g}" for word, error in parts if error is not None)
    value, total = number(radius["value"], radius["total"]), uncertainty(radius["total"])
    return f"<strong>Einstein radius {value} ± {total} arcsec</strong>" + (f" ({both})" if both else "")


def _parameters(result: dict[str, Any]) -> str:
    header = ("parameter", "value", "± total", "± statistical", "± models", "unit")
    shown = table(header, _by_owner(result["parameters"], _parameter), numeric=(1, 2, 3, 4)) + SPREAD
    if result["amplitudes"]:
        rows = [_parameter(name, found) for name, found in result["amplitudes"].items()]
        solved = table(("amplitude", *header[1:]), rows, numeric=(1, 2, 3, 4))
        shown += f"<details><summary>{counted(len(rows), 'amplitude')}, solved exactly</summary>{solved}</details>"
    if result["fixed"]:
        items = [(name, numbers(value)) for name, value in result["fixed"].items()]
        shown += f"<details><summary>{counted(len(items), 'fixed number')}</summary>{pairs(items)}</details>"
    return shown


def _derived(derived: dict[str, Any]) -> str:
    header = ("quantity", "value", "± total", "± statistical", "± models", "unit", "meaning")
    return table(header, _by_owner(derived, _quantity), numeric=(1, 2, 3, 4))


def _photometry(found: dict[str, Any] | None) -> str:
    """Fluxes and colours of several data, nothing where there is one alone."""
    if found is None:
        return ""
    header = ("data", "component", "flux", "\N{PLUS-MINUS SIGN}", "unit", "AB magnitude", "\N{PLUS-MINUS SIGN}")
    rows = [
        row([(text(r["data"]), ""), (text(r["component"].replace("_", " ")), ""),
             (number(r["flux"], r["error"]), "number"), (uncertainty(r["error"]), "number"), (text(r["unit"]), ""),
             (number(r["magnitude_ab"], r["magnitude_error"]), "number"),
             (uncertainty(r["magnitude_error"]), "number")])
        for r in found["rows"]
    ]  # fmt: skip
    colours = [
        row([(text(f"{c['first']} \N{MINUS SIGN} {c['second']}"), ""), (text(c["component"].replace("_", " ")), ""),
             (number(c["colour"], c["error"]), "number"), (uncertainty(c["error"]), "number")])
        for c in found["colours"]
    ]  # fmt: skip
    told = (
        "<p>Fluxes summed over pixels; of the source as it is without the lens, of the lensed source as it is seen. "
        "Colours are in AB magnitudes where both units say their zero point, else of data units.</p>"
    )
    return (
        "<h3>Photometry</h3>" + told + table(header, rows, numeric=(2, 3, 5, 6))
        + table(("colour", "component", "mag", "\N{PLUS-MINUS SIGN}"), colours, numeric=(2, 3))
    )


def _by_owner(found: dict[str, Any], as_row: Callable[[str, dict[str, Any]], str]) -> list[str]:
    """Rows of dotted names, with a heading for each owner of some of them."""
    rows: list[str] = []
    for owner, members in groupby(found.items(), lambda item: item[0].rpartition(".")[0]):
        if owner:
            rows.append(f'<tr><th class="group" colspan="7">{text(owner)}</th></tr>')
        rows += [as_row(name.rpartition(".")[2], item) for name, item in members]
    return rows


def _parameter(name: str, found: dict[str, Any]) -> str:
    return row([(text(name), ""), *_numbers(found), (text(found["unit"]), "")])


def _quantity(name: str, found: dict[str, Any]) -> str:
    return row([(text(name), ""), *_numbers(found), (text(found["unit"]), ""), (text(found["description"]), "words")])


def _numbers(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Cells of value, total error, statistical error and spread, to the digits of the statistical error."""
    error, whole = found["error"], found.get("total", found["error"])
    cells = (
        number(found["value"], error), uncertainty(whole), uncertainty(error), number(found.get("spread"), error),
    )  # fmt: skip
    return [(cell, "number") for cell in cells]


def _checks(checks: list[dict[str, Any]]) -> str:
    if not checks:
        return "<p>No check was made.</p>"
    rows = [row([(text(c["name"]), ""), MARKS[c["outcome"]], (text(c["finding"]), "words")]) for c in checks]
    return table(("check", "answer", "finding"), rows)


def _variants(result: dict[str, Any]) -> str:
    """chi2 and the mass of each variant, the fit itself first."""
    if not result["variants"]:
        return "<p>No other model was fitted.</p>"
    parameters = result["parameters"]
    shared = [name for name in parameters if name.startswith("mass.")] or list(parameters)
    rows = []
    for variant in result["variants"]:
        values = [number(variant["values"].get(name), parameters[name]["error"]) for name in shared]
        cells = [number(variant["chi2"], 1.0), *values]
        counts = "yes" if variant["counts"] else "no"
        rows.append(row([(text(variant["name"]), ""), (counts, ""), *((cell, "number") for cell in cells)]))
    header = ("model", "counts", "χ²", *(name.removeprefix("mass.") for name in shared))
    words = "<p>± models is over those that count; the others fit the data far worse.</p>"
    return table(header, rows, numeric=range(2, len(header))) + words


def _figures(folder: Path, names: list[str]) -> str:
    """Each with its caption; of several data the names begin with that of each."""
    if not names:
        return f"<p>{REST}</p>"
    return "\n".join(figure(folder, name, _caption(Path(name).stem)) for name in names)


def _caption(stem: str) -> str:
    known = [key for key in CAPTIONS if stem == key or stem.endswith(f"_{key}")]
    return CAPTIONS[max(known, key=len)] if known else stem


def _overview(folder: Path, result: dict[str, Any]) -> str:
    return figure(folder, result["figures"][0], result["data"]["overview"])


def _data(data: dict[str, Any], cosmology: dict[str, Any] | None) -> str:
    items = [(label, text(told)) for label, told in data["described"]]
    if cosmology is not None:
        told = ", ".join(f"{name.replace('_', ' of the ')} {value}" for name, value in cosmology.items()
                         if value is not None)  # fmt: skip
        items.append(("redshifts", text(told)))
    items.append(("sha256 of the arrays", text(data["hash"])))
    items += [(s["role"], f"{text(s['path'])}<br>sha256 {text(s['sha256'])}") for s in data["sources"]]
    notes = data["notes"] or ["Nothing was changed."]
    return f"<p>What was done to the input:</p>{listed(notes)}{pairs(items)}"


def _provenance(result: dict[str, Any]) -> str:
    items = []
    steps = [f"{row['step']} {row['seconds']:.1f} s" for row in result["road"]]
    if steps:
        items.append(("road", text("; ".join(steps))))
    for name, value in result["provenance"].items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        items.append((name, text(value)))
    counts = ("evaluations", "gradients", "seconds", "cpu_seconds")
    items += [(name, text(result["fit"][name])) for name in counts if result["fit"][name] is not None]
    return pairs(items)
