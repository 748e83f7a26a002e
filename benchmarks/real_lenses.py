"""Blind fits of the real and third-party lenses by the command line, one setting for all.

python benchmarks/real_lenses.py OUT [NAME ...] runs `lensfit fit ... --standard flexible --mass sie` on each lens of
../shared/data (or of the folder in LENSFIT_SHARED_DATA), twice in one process: the first time with whatever
compiled programs are kept from before, then once compiled. It prints a table: Einstein radius, statistical
error, spread between models, difference from the nearer published value, trust, CPU seconds of both fits.
OUT gets the run folders, table.json and montage.png; lenses that OUT holds already and that are not named
stay in the table.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

DATA = Path(os.environ.get("LENSFIT_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SIMULATED = 1.6 * 2 * np.sqrt(0.9) / 1.9
"""Einstein radius of the simulated lenses on the intermediate axis: q = 0.9, 1.6 in PyAutoLens's convention."""
SLACS = {
    "J0029-0055": (0.96, 0.945),
    "J0330-0020": (1.10, 1.079),
    "J0956+5100": (1.33, 1.306),
    "J1023+4230": (1.41, 1.503),
    "J1430+4105": (1.52, 1.462),
    "J2341+0000": (1.44, 1.379),
}
DESI = {"DESIJ0618+5018": 2.265, "DESIJ0215-2909": 1.055, "DESIJ1624+0129": 2.683}
TWICE = """
import sys
from lensfit.cli import main

first, again, *arguments = sys.argv[1:]
sys.exit(max(main([*arguments, "--out", folder]) for folder in (first, again)))
"""
PANELS = ("data", "model", "residual", "source")
"""Figures of a run in the montage."""


def lenses() -> dict[str, tuple[list[str], tuple[float, ...]]]:
    """Name -> arguments of `lensfit fit`, and the published Einstein radii [arcsec]."""
    found = {
        name: ([str(DATA / "slacs" / name), "--pixel-scale", "0.05", "--nan", "mask"], radii)
        for name, radii in SLACS.items()
    }
    found["ring_F150W"] = ([str(DATA / "cosmos_web_ring" / "F150W"), "--nan", "mask"], (0.7789, 0.7706))
    for name, radius in DESI.items():
        folder = DATA / "desi" / name
        arguments = [str(folder / f"{name}_F140W.h5"), "--psf", str(folder / "psf_F140W.h5"), "--pixel-scale", "0.08"]
        found[name] = (arguments, (radius,))
    for name, scale in (("hst", 0.05), ("jwst", 0.03), ("euclid", 0.1)):
        found[name] = ([str(DATA / "simulated" / name), "--pixel-scale", str(scale)], (SIMULATED,))
    model = ["--standard", "flexible", "--mass", "sie"]
    return {name: ([*arguments, *model], radii) for name, (arguments, radii) in found.items()}


def folders(name: str, out: Path) -> tuple[Path, Path]:
    """Of the first fit of a lens and of the second."""
    return out / name, out / "again" / name


def row(name: str, published: tuple[float, ...], out: Path) -> dict[str, Any]:
    """What the two run folders of a lens say."""
    first, again = (json.loads((folder / "result.json").read_text()) for folder in folders(name, out))
    radius = first["parameters"]["mass.sie.einstein_radius"]
    shear = [first["parameters"][f"mass.shear.gamma{k}"]["value"] for k in (1, 2)]
    return {
        "lens": name,
        "einstein_radius": radius["value"],
        "error": radius["error"],
        "spread": radius["spread"],
        "shear": shear,
        "published": published,
        "off_percent": min((100 * (radius["value"] / p - 1) for p in published), key=abs),
        "chi2_per_pixel": first["fit"]["chi2"] / first["fit"]["data_count"],
        "cpu_s": [result["fit"]["cpu_seconds"] for result in (first, again)],
        "trusted": first["trust"]["trusted"],
        "reasons": first["trust"]["reasons"],
        "masked": [note for note in first["data"]["notes"] if note.startswith("companion")],
    }


def told(found: dict[str, Any]) -> str:
    """One line of the table, and what there is to say about the lens below it."""
    fresh, compiled = found["cpu_s"]
    spread = np.nan if found["spread"] is None else found["spread"]
    line = (
        f"{found['lens']:<15} {found['einstein_radius']:.4f} {found['error']:.4f} {spread:.4f} "
        f"{found['off_percent']:+6.2f} %  shear {found['shear'][0]:+.4f} {found['shear'][1]:+.4f}  "
        f"chi2/N {found['chi2_per_pixel']:6.3f}  CPU s {fresh:5.1f} {compiled:5.1f}  "
        f"{'trusted' if found['trusted'] else 'NOT TRUSTED'}"
    )
    return "\n    ".join([line, *found["reasons"], *found["masked"]])


def montage(out: Path, titles: dict[str, str]) -> None:
    """Data, model, normalised residual and source plane of every fit, as the runs drew them, each lens by its name with
    a title; two lenses a row."""
    figure = Figure(figsize=(20.0, 2.6 * -(-len(titles) // 2)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(-(-len(titles) // 2), 2 * len(PANELS), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for panels, (lens, title) in zip(axes.reshape(-1, len(PANELS)), titles.items(), strict=False):
        for axis, name in zip(panels, PANELS, strict=True):
            axis.imshow(imread(out / lens / f"{name}.png"))
        panels[0].set_title(title, fontsize=11, loc="left")
    figure.savefig(out / "montage.png", dpi=100)


def titled(found: dict[str, Any]) -> str:
    """What stands above a lens in the montage."""
    verdict = "trusted" if found["trusted"] else "NOT TRUSTED"
    return f'{found["lens"]}  {found["einstein_radius"]:.3f}" ({found["off_percent"]:+.1f} %)  {verdict}'


def survey(
    known: dict[str, tuple[list[str], tuple[float, ...]]],
    script: str,
    folders: Callable[[str, Path], tuple[Path, Path]],
    row: Callable[[str, tuple[float, ...], Path], dict[str, Any]],
    told: Callable[[dict[str, Any]], str],
) -> tuple[Path, list[dict[str, Any]]]:
    """Fit the lenses named, or all, by a script of two fits in a process of its own; OUT, and rows of all it holds."""
    out, names = Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (arguments, published) in known.items():
        there = folders(name, out)
        if not names or name in names:
            command = [sys.executable, "-c", script, *map(str, there), "fit", *arguments, "--overwrite", "--quiet"]
            code = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
            if code not in (0, 4):
                raise SystemExit(f"{name}: lensfit fit ended with exit code {code}; see log.txt in {out}")
        if all((folder / "result.json").is_file() for folder in there):
            rows.append(row(name, published, out))
            print(told(rows[-1]), flush=True)
    print(f"trusted: {sum(found['trusted'] for found in rows)} of {len(rows)}")
    (out / "table.json").write_text(json.dumps(rows, indent=1))
    return out, rows


def main() -> None:
    """Fit the lenses named, or all; table and montage of all that are there."""
    out, rows = survey(lenses(), TWICE, folders, row, told)
    fresh, compiled = np.median([found["cpu_s"] for found in rows], axis=0)
    print(f"median CPU s of the fits: {fresh:.1f} the first time, {compiled:.1f} once compiled")
    montage(out, {found["lens"]: titled(found) for found in rows})


if __name__ == "__main__":
    main()
