"""Blind fits with the source on pixels of real and third-party lenses by the command line, one setting for all.

python benchmarks/pixel_lenses.py OUT [NAME ...] runs `lensfit fit DATA --source pixels` on lenses of ../shared/data
(or of the folder in LENSFIT_SHARED_DATA): images with `--standard flexible --mass sie`, the visibilities of
SPT0202-61 with antenna phases, which the parametric fit finds and the fit on pixels keeps, with and without emission
at the lens. The same without `--source pixels` runs before each. It prints a table: Einstein radius of both fits,
statistical error and spread over meshes, difference from the nearer published value, chi2 per number and largest
residual of both, ln evidence, trust and CPU seconds. OUT gets the run folders, table.json and montage.png; lenses that
OUT holds already and that are not named stay in the table.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from real_lenses import DATA, survey
from real_lenses import lenses as images

IMAGES = ("ring_F150W", "J0029-0055", "J0956+5100", "J1430+4105", "hst", "jwst")
SHEAR = {"hst": (0.05, -0.05), "jwst": (0.05, -0.05)}
"""True gamma1, gamma2 of the simulated lenses; PyAutoLens's own have their components the other way round."""
RADIUS = "mass.sie.einstein_radius"
BOTH = """
import sys
from lensfit.cli import main

smooth, pixels, *arguments = sys.argv[1:]
sys.exit(max(main([*arguments, "--out", smooth]), main([*arguments, "--source", "pixels", "--out", pixels])))
"""
PANELS = ("data", "model", "residual", "source")
DIRTY_PANELS = ("dirty", "dirty_model", "dirty_residual", "source")
"""Figures of a run in the montage; the residual of the parametric fit stands before that of the pixels."""


def lenses() -> dict[str, tuple[list[str], tuple[float, ...]]]:
    """Name -> arguments of `lensfit fit`, and the published Einstein radii [arcsec]."""
    known = images()
    found = {name: known[name] for name in IMAGES}
    paths = [str(DATA / "visilens_spt0202" / f"SPT0202-61_{name}.npz") for name in ("ext", "com")]
    observed = [*paths, "--sign", "1", "--east", "left", "--antenna-phases"]
    found["SPT0202-61"] = ([*observed, "--standard", "one_source_and_core"], ())
    found["SPT0202-61_no_core"] = ([*observed, "--standard", "one_source"], ())
    return found


def folders(name: str, out: Path) -> tuple[Path, Path]:
    """Of the parametric fit of a lens and of that on pixels."""
    return out / "parametric" / name, out / name


def row(name: str, published: tuple[float, ...], out: Path) -> dict[str, Any]:
    """What the two run folders of a lens say."""
    there = folders(name, out)
    smooth, pixels = (json.loads((folder / "result.json").read_text()) for folder in there)
    radius = pixels["parameters"][RADIUS]
    off = [100 * (radius["value"] / value - 1) for value in published]
    return {
        "lens": name,
        "parametric": smooth["parameters"][RADIUS]["value"],
        "einstein_radius": radius["value"],
        "error": radius["error"],
        "spread": radius["spread"],
        "shear": [pixels["parameters"][f"mass.shear.gamma{k}"]["value"] for k in (1, 2)],
        "published": published,
        "off_percent": min(off, key=abs) if off else None,
        "chi2_per_number": [found["fit"]["chi2"] / found["fit"]["data_count"] for found in (smooth, pixels)],
        "largest_residual": [largest_residual(folder) for folder in there],
        "log_evidence": pixels["fit"]["log_evidence"],
        "magnification": pixels["derived"]["source_magnification"]["value"],
        "cpu_s": [found["fit"]["cpu_seconds"] for found in (smooth, pixels)],
        "trusted": pixels["trust"]["trusted"],
        "reasons": pixels["trust"]["reasons"],
        "notes": pixels["notes"],
    }


def largest_residual(folder: Path) -> float:
    """The largest normalised residual of a run, of visibilities of their dirty image."""
    with fits.open(folder / "model.fits") as planes:
        name = next(plane.name for plane in planes if "RESIDUAL" in plane.name)
        return float(np.nanmax(np.abs(np.asarray(planes[name].data))))


def told(found: dict[str, Any]) -> str:
    """One line of the table, and what there is to say about the lens below it."""
    off = "        -" if found["off_percent"] is None else f"{found['off_percent']:+7.3f} %"
    line = (
        f"{found['lens']:<12} {found['parametric']:.4f} -> {found['einstein_radius']:.4f} {found['error']:.4f} "
        f"{found['spread']:.4f} {off}  shear {found['shear'][0]:+.4f} {found['shear'][1]:+.4f}  chi2/N "
        f"{found['chi2_per_number'][0]:.3f} -> {found['chi2_per_number'][1]:.3f}  largest "
        f"{found['largest_residual'][0]:.1f} -> {found['largest_residual'][1]:.1f}  ln evidence "
        f"{found['log_evidence']:.1f}  magnified {found['magnification']:.1f}  CPU s {found['cpu_s'][0]:.0f} "
        f"{found['cpu_s'][1]:.0f}  {'trusted' if found['trusted'] else 'NOT TRUSTED'}"
    )
    lines = [line, *found["reasons"]]
    if found["lens"] in SHEAR:
        off_shear = np.subtract(found["shear"], SHEAR[found["lens"]])
        lines.append(f"shear {off_shear[0]:+.5f} {off_shear[1]:+.5f} from the truth")
    return "\n    ".join(lines)


def montage(out: Path, rows: list[dict[str, Any]]) -> None:
    """Data, model, residual of the parametric fit and of the pixels, source on pixels; a row for each lens."""
    figure = Figure(figsize=(15.0, 2.7 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(PANELS) + 1, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for panels, found in zip(axes, rows, strict=True):
        names = PANELS if (out / found["lens"] / "data.png").is_file() else DIRTY_PANELS
        paths = [out / found["lens"] / f"{name}.png" for name in names]
        paths.insert(2, out / "parametric" / found["lens"] / f"{names[2]}.png")
        for axis, path in zip(panels, paths, strict=True):
            axis.imshow(imread(path))
        off = "" if found["off_percent"] is None else f" ({found['off_percent']:+.2f} %)"
        verdict = "trusted" if found["trusted"] else "NOT TRUSTED"
        title = f'{found["lens"]}  {found["einstein_radius"]:.4f}"{off}  {verdict}'
        panels[0].set_title(title, fontsize=11, loc="left")
        panels[2].set_title("of the parametric fit", fontsize=9)
        panels[3].set_title("with the source on pixels", fontsize=9)
    figure.savefig(out / "montage.png", dpi=110)


def main() -> None:
    """Fit the lenses named, or all; table and montage of all that are there."""
    out, rows = survey(lenses(), BOTH, folders, row, told)
    print(f"median CPU s of the fits on pixels: {np.median([found['cpu_s'][1] for found in rows]):.1f}")
    montage(out, rows)


if __name__ == "__main__":
    main()
