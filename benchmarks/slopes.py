"""Slopes of real lenses, blind, from the command: python benchmarks/slopes.py OUT [OPTIONS] NAME ...

Options: --mass epl|sie (default: epl), --source pixels. Each lens named (or `slopes`: those with a published power
law; `simulated`; `cases`: inputs whose truth has another slope than 2; `all`: every lens of verdicts.py) is fitted by
`lensfit fit --standard flexible`. Prints verdict, Einstein radius of the mass and its total error, how far that is
from the published one, which is a mass's own too, the slope with its statistical and total error, the published slope,
and how far apart they are: in total errors of both and 0.1 in quadrature for SLACS lenses, whose published values come
from other images. OUT keeps rows.json.
"""
from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from real_lenses import SIMULATED
from verdicts import SHARED, lenses

import lensfit
from lensfit.cli import main as command

PUBLISHED: dict[str, tuple[float, float, float]] = {
    "J0029-0055": (0.951, 2.46, 0.10),
    "J0037-0942": (1.503, 2.19, 0.04),
    "J0330-0020": (1.079, 2.16, 0.03),
    "J0728+3835": (1.282, 2.23, 0.0),
    "J0959+0410": (0.969, 1.97, 0.03),
    "J1112+0826": (1.422, 2.21, 0.0),
    "J1204+0358": (1.287, 2.18, 0.0),
    "DESIJ0215-2909": (1.055, 1.80, 0.03),
    "DESIJ1624+0129": (2.683, 1.71, 0.03),
    "hst": (SIMULATED, 2.0, 0.0),
    "jwst": (SIMULATED, 2.0, 0.0),
    "trusted_c16_slope1.7": (1.1, 1.7, 0.0),
    "trusted_c31_slope1.7_2img": (1.1, 1.7, 0.0),
}
"""Einstein radius [arcsec], slope and its error: Shajib et al. 2021, the DESI posteriors, and truths."""
SIMULATIONS = ("hst", "jwst")
FLOOR = 0.1
"""Error of a published slope beside that which is stated: other images, other models of the source."""


def inputs() -> dict[str, list[str]]:
    """Arguments of `lensfit fit` by name."""
    found = {}
    for name, (path, reading) in lenses().items():
        options = [word for key, value in reading.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        found[name] = [str(path), *options]
    for name in PUBLISHED:
        if name.startswith("trusted"):
            found[name] = [str(SHARED / "cases" / name)]
    return found


def chosen(names: list[str]) -> list[str]:
    """Names in place of the words that stand for several."""
    groups = {
        "slopes": [name for name in PUBLISHED if name[0] in "JD"],
        "simulated": list(SIMULATIONS),
        "cases": [name for name in PUBLISHED if name.startswith("trusted")],
        "all": list(lenses()),
    }
    return [one for name in names for one in groups.get(name, [name])]


def row(name: str, arguments: list[str], options: list[str]) -> dict[str, Any]:
    """One lens fitted, and what its result.json says."""
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        code = command(["fit", *arguments, "--standard", "flexible", *options, "--quiet", "--out", f"{folder}/run"])
        if code not in (0, 4, 5):
            raise SystemExit(f"{name}: lensfit fit ended with exit code {code}")
        if code == 5:
            return {"name": name, "word": "the fit failed"}
        result = json.loads((Path(folder) / "run" / "result.json").read_text())
    radius = next(p for key, p in result["parameters"].items() if key.endswith(".einstein_radius"))
    slope = next((p for key, p in result["parameters"].items() if key.endswith(".slope")), None)
    return {
        "name": name,
        "word": result["trust"]["word"],
        "reasons": result["trust"]["reasons"],
        "radius": [radius[key] for key in ("value", "error", "total")],
        "slope": slope and [slope[key] for key in ("value", "error", "total")],
        "chi2": result["fit"]["chi2"] / result["fit"]["data_count"],
        "fit_cpu_s": result["fit"]["cpu_seconds"],
        "cpu_s": time.process_time() - begin,
        "notes": result["notes"],
        "neighbours": [[v["name"], v["chi2"], v["counts"], next((x for n, x in v["values"].items()
                        if n.endswith(".slope")), None)] for v in result["variants"]],
    }


def told(found: dict[str, Any]) -> str:
    """One line of the table, the reasons below it."""
    if "radius" not in found:
        return f"{found['name']:<26} {found['word']}"
    value, error, total = (np.nan if v is None else v for v in found["radius"])
    line = f"{found['name']:<26} {found['word']:<11} {value:.4f} +- {error:.4f} ({total:.4f})"
    published = PUBLISHED.get(found["name"])
    if published:
        line += f" {100 * (value / published[0] - 1):+6.2f} %"
    if found["slope"]:
        slope, error, total = (np.nan if v is None else v for v in found["slope"])
        line += f"  slope {slope:.3f} +- {error:.3f} ({total:.3f})"
        if published:
            floor = FLOOR if found["name"].startswith("J") else 0.0
            apart = (slope - published[1]) / np.sqrt(total**2 + published[2] ** 2 + floor**2)
            line += f" published {published[1]:.2f}: {slope - published[1]:+.3f}, {apart:+.1f} errors"
    line += f"  chi2/N {found['chi2']:.3f}  CPU s {found['fit_cpu_s']:.1f} {found['cpu_s']:.1f}"
    beside = [
        f"{name} {slope:.3f}{'' if counts else ' (does not count)'}"
        for name, _, counts, slope in found["neighbours"] if slope is not None
    ]  # fmt: skip
    return "\n    ".join([line, *([f"slopes: {', '.join(beside)}"] if beside else []), *found["reasons"]])


def main() -> None:
    """Fit the lenses named; print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--mass", choices=("epl", "sie"), default="epl")
    parser.add_argument("--source", choices=("pixels",))
    arguments = parser.parse_args()
    lensfit.setup()
    options = [word for key in ("mass", "source") if (value := getattr(arguments, key)) for word in (f"--{key}", value)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept, known = arguments.out / "rows.json", inputs()
    rows = {found["name"]: found for found in json.loads(kept.read_text())} if kept.is_file() else {}
    for name in chosen(arguments.names):
        rows[name] = row(name, known[name], options)
        print(told(rows[name]), flush=True)
        kept.write_text(json.dumps(list(rows.values()), indent=1))


if __name__ == "__main__":
    main()
