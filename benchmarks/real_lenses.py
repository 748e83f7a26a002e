"""Blind fits of the real and third-party lenses by the command line, one setting for all.

python benchmarks/real_lenses.py OUT [NAME ...] runs `lensfit fit ... --standard flexible` on each lens of
../shared/data and prints a table: Einstein radius, statistical error, spread between models, the published
values, their difference, trust and CPU seconds (with compilation the first time for a shape: run it twice).
OUT gets the run folders, table.json and montage.png.
"""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
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
    return found


def run(name: str, arguments: list[str], published: tuple[float, ...], out: Path) -> dict[str, object]:
    """Fit one lens in a process of its own and read its result."""
    command = [str(Path(sys.executable).with_name("lensfit")), "fit", *arguments]
    command += ["--standard", "flexible", "--out", str(out / name), "--overwrite", "--quiet"]
    code = subprocess.run(command, check=False).returncode
    if code not in (0, 4):
        raise SystemExit(f"{name}: lensfit fit ended with exit code {code}")
    result = json.loads((out / name / "result.json").read_text())
    radius = result["parameters"]["mass.sie.einstein_radius"]
    return {
        "lens": name,
        "exit": code,
        "einstein_radius": radius["value"],
        "error": radius["error"],
        "spread": radius["spread"],
        "published": published,
        "off_percent": min((100 * (radius["value"] / p - 1) for p in published), key=abs),
        "cpu_s": result["fit"]["cpu_seconds"],
        "reasons": result["trust"]["reasons"],
    }


def montage(out: Path, rows: list[dict[str, object]]) -> None:
    """Data and normalised residual of every fit side by side."""
    figure = Figure(figsize=(2.2 * len(rows), 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(rows), squeeze=False)
    for (top, bottom), row in zip(axes.T, rows, strict=True):
        with fits.open(out / str(row["lens"]) / "model.fits") as model:
            residual, fitted = np.array(model["RESIDUAL"].data), np.array(model["MODEL"].data)
        used = np.argwhere(np.isfinite(residual))
        box = tuple(slice(a, b + 1) for a, b in zip(used.min(0), used.max(0), strict=True))
        top.imshow(np.arcsinh(fitted[box] / np.nanpercentile(fitted[box], 60)), origin="lower", cmap="cividis")
        bottom.imshow(residual[box], origin="lower", cmap="RdBu_r", vmin=-5, vmax=5)
        top.set_title(f"{row['lens']}\n{row['einstein_radius']:.3f}", fontsize=9)
        for axis in (top, bottom):
            axis.set_xticks([])
            axis.set_yticks([])
    axes[0, 0].set_ylabel("model, asinh")
    axes[1, 0].set_ylabel("residual, +-5 sigma")
    figure.savefig(out / "montage.png", dpi=110)


def main() -> None:
    """Fit the lenses named, or all."""
    out, names = Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (arguments, published) in lenses().items():
        if names and name not in names:
            continue
        rows.append(run(name, arguments, published, out))
        print(json.dumps(rows[-1]), flush=True)
    (out / "table.json").write_text(json.dumps(rows, indent=1))
    montage(out, rows)


if __name__ == "__main__":
    main()
