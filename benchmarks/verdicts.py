"""Verdicts on real lenses and on inputs with a fault, and the numbers that they rest on.

python benchmarks/verdicts.py OUT [NAME ...] fits each input of ../shared (or of the folder in LENSFIT_SHARED) blindly
and prints its verdict: word, Einstein radius of the critical curve, what was measured, and the reasons. `tuned` and
`held` as a NAME stand for the half of the lenses that thresholds were chosen on, and for the other half; `cases` for
inputs that no fit should be trusted on. OUT gets verdicts.json; inputs that it holds already and that are not named
stay in the table. With --markdown it prints the table of docs/trust.md of what OUT holds, and fits nothing.
"""
from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import lensfit
from lensfit.progress import silent
from lensfit.trust.facts import gather

SHARED = Path(os.environ.get("LENSFIT_SHARED") or Path(__file__).resolve().parents[2] / "shared")
FAULTS = ("trusted_c08_variance_named_sigma", "quasar_quad", "psf_pedestal", "noise_constant_counts",
          "vis_weights_times_4")  # fmt: skip
"""Inputs that no fit should be trusted on."""
DESI = ("DESIJ0618+5018", "DESIJ0215-2909", "DESIJ1624+0129")


def lenses() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Lenses whose fits are right, by name: the data, and how they are read."""
    slacs = sorted(path for path in (SHARED / "data" / "slacs").iterdir() if path.is_dir())
    found = {path.name: (path, {"pixel_scale": 0.05, "nan": "mask"}) for path in slacs}
    found["ring_F150W"] = (SHARED / "data" / "cosmos_web_ring" / "F150W", {"nan": "mask"})
    for name in DESI:
        folder = SHARED / "data" / "desi" / name
        found[name] = (folder / f"{name}_F140W.h5", {"psf": folder / "psf_F140W.h5", "pixel_scale": 0.08})
    for name, scale in (("hst", 0.05), ("jwst", 0.03), ("euclid", 0.1)):
        found[name] = (SHARED / "data" / "simulated" / name, {"pixel_scale": scale})
    return found


def cases() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Inputs with a fault, or of a sky that the model does not have, by name."""
    known = {*FAULTS, "two_lens_galaxies"}
    folders = sorted((SHARED / "cases").iterdir())
    return {path.name: (path, {}) for path in folders if path.name in known or path.name.startswith("trusted_")}


def halves() -> dict[str, list[str]]:
    """Names that stand for several: every second SLACS lens and all others are those that thresholds are chosen on."""
    slacs = [name for name in lenses() if name.startswith("J")]
    others = [name for name in lenses() if name not in slacs]
    return {"tuned": [*slacs[::2], *others], "held": slacs[1::2], "cases": list(cases())}


def judged(name: str, path: Path, reading: dict[str, Any], standard: str | None) -> dict[str, Any]:
    """One input fitted and examined."""
    done = lensfit.analyse(path, standard, progress=silent, **reading)
    _, facts = gather(done.problem, done.fitted, None)
    (part,) = facts.parts
    neighbours = [dataclasses.asdict(n) for n in facts.neighbours or ()]
    radius = done.einstein_radius
    return {
        "name": name,
        "word": done.trust.word,
        "reasons": list(done.trust.reasons),
        "checks": {check.name: (str(check.outcome), check.finding) for check in done.trust.checks},
        "einstein_radius": [radius.value, radius.error, radius.spread],
        "chi2": done.fitted.chi2 / done.fitted.data_count,
        "data_count": done.fitted.data_count,
        "far": list(facts.far),
        "measures": dataclasses.asdict(part.measures),
        "neighbours": neighbours,
        "masked": [note for note in done.observation.notes if note.startswith("companion")],
    }


def told(row: dict[str, Any]) -> str:
    """One line of the table, and the reasons below it."""
    measures = row["measures"]
    noise, left = measures["noise"] or {}, measures["left"] or {}
    best = max(row["neighbours"], key=lambda n: n["gain"], default={"gain": np.nan, "share": np.nan})
    gain = best["gain"] / (row["chi2"] * row["data_count"])
    value, error, spread = (np.nan if v is None else v for v in row["einstein_radius"])
    return "\n    ".join([
        f"{row['name'][:34]:<34} {row['word']:<12} {value:.4f} {error:.4f} {spread:.4f}  chi2/N {row['chi2']:8.3f}  "
        f"misfit {measures['misfit'] or np.nan:6.2f}  noise {noise.get('least', np.nan):.2f}-"
        f"{noise.get('most', np.nan):.2f}  explained {measures['explained'] or np.nan:.2f}  "
        f"left {left.get('share', np.nan):.2f} {left.get('peak', np.nan):.2f}  neighbour {gain:.2f} {best['share']:.3f}",
        *row["reasons"],
        *row["masked"],
    ])  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    """What the measures span: over the lenses whose fits are right, and of each input with a fault."""
    right = [row for row in rows if row["name"] in lenses()]
    lines = ["| input | verdict | reasons |", "|---|---|---|"]
    for row in rows:
        if row["name"] not in lenses() or row["word"] != "TRUSTED":
            lines.append(f"| {row['name']} | {row['word']} | {'; '.join(row['reasons']) or '-'} |")
    trusted = sum(row["word"] == "TRUSTED" for row in right)
    return "\n".join([f"{trusted} of {len(right)} lenses are trusted.", "", *lines])


def main() -> None:
    """Fit the inputs named, or all; print and keep the table."""
    lensfit.setup()
    out, names = Path(sys.argv[1]), [name for name in sys.argv[2:] if not name.startswith("--")]
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "verdicts.json"
    rows = {row["name"]: row for row in json.loads(kept.read_text())} if kept.is_file() else {}
    if "--markdown" in sys.argv:
        print(markdown(list(rows.values())))
        return
    groups, inputs = halves(), {**lenses(), **cases()}
    asked = [one for name in names or list(groups) for one in groups.get(name, [name])]
    for name in asked:
        path, reading = inputs[name]
        rows[name] = judged(name, path, reading, "flexible" if name in lenses() else None)
        print(told(rows[name]), flush=True)
        kept.write_text(json.dumps(list(rows.values()), indent=1))


if __name__ == "__main__":
    main()
