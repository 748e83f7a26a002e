"""Lenses that are not what the models are, and galaxies that are none (realistic_lenses.py), by `lensfit fit-many`.

    python benchmarks/realistic.py make OUT N [--first K]   simulate N and their catalogue
    python benchmarks/realistic.py fit OUT [--mass sie] [--workers 2]
    python benchmarks/realistic.py tell OUT [N] [--first K] coverage, verdicts, costs, of those of the seeds K to K + N
    python benchmarks/realistic.py curve OUT [N] [--first K] figure: wrong fits caught against right fits lost
    python benchmarks/realistic.py places OUT [N] [--first K] how far the prior of the lens's place is from the truth

Right is an Einstein radius within 3 total errors or 3 percent of the truth; wrong one that is more than 20 percent
off, or a fit of what is no lens. Seeds 0 to 199 are there to develop on, 200 to 399 for one look at the end.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import realistic_lenses
from astropy.table import Table
from survey import LENSFIT

import lensfit
from lensfit.analysis import prepare
from lensfit.progress import silent
from lensfit.standard import Scales

RIGHT, ERRORS, WRONG = 0.03, 3.0, 0.2
SLOPE_KNOWN = 0.2
FOUND, PIXELS = "mass.satellite.einstein_radius", "source.pixels.strength"
SIGNAL = (30.0, 53.0)
"""About a signal over noise of 40 in the brightest pixel of the arcs."""


def fit(out: Path, mass: str, workers: int) -> None:
    """Run the command on the catalogue of OUT."""
    command = [*LENSFIT, "fit-many", str(out / "catalogue.ecsv"), "--out", str(out / mass), "--standard", "flexible"]
    subprocess.run([*command, "--mass", mass, "--workers", str(workers)], check=False)


def told(out: Path, mass: str, seeds: range) -> tuple[Table, list[dict[str, Any]]]:
    """The table of what was fitted of these seeds, and the truth of each row."""
    table = Table.read(out / mass / "lenses.parquet")
    among = [int(name.removeprefix("R")) in seeds for name in table["name"]]
    table = table[among & (table["state"] != "waiting")]
    costs = Table.read(out / mass / "costs.ecsv", format="ascii.ecsv")
    table["cpu_seconds"] = [dict(zip(costs["name"], costs["cpu_seconds"], strict=True))[name] for name in table["name"]]
    return table, [json.loads((out / "data" / name / "truth.json").read_text()) for name in table["name"]]


def share(which: Any, of: Any) -> str:
    """How many, of how many, in percent."""
    chosen = np.asarray(which)[np.asarray(of)]
    return f"{np.sum(chosen)} of {len(chosen)}" + (f" ({100 * np.mean(chosen):.0f} %)" if len(chosen) else "")


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """Fits against the truth, all (B,): off relative, pull in total errors; right and wrong leave some out."""

    radius: np.ndarray
    total: np.ndarray
    off: np.ndarray
    pull: np.ndarray
    trusted: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    fitted: np.ndarray

    @classmethod
    def of(cls, table: Table, truths: list[dict[str, Any]]) -> Judged:
        """Of a table and the truth of each row."""
        done = np.array(table["state"] == "done")
        lens = np.array([t["lens"] for t in truths])
        true = np.array([t["einstein_radius"] or np.nan for t in truths])
        radius, total = (np.array(table[name], float) for name in ("einstein_radius", "einstein_radius_total"))
        off, pull = np.abs(radius / true - 1), np.abs(radius - true) / total
        trusted = np.array([str(word) == "TRUSTED" for word in table["verdict"]])
        right = done & lens & ((pull < ERRORS) | (off < RIGHT))
        return cls(radius, total, off, pull, trusted, right, done & (~lens | (off > WRONG)), done & lens)


def tell(out: Path, mass: str, seeds: range) -> None:
    """Print the figures, and the lenses that are wrong."""
    table, truths = told(out, mass, seeds)
    judged = Judged.of(table, truths)
    radius, total, off, pull = judged.radius, judged.total, judged.off, judged.pull
    trusted, right, wrong, fitted = judged.trusted, judged.right, judged.wrong, judged.fitted
    done, lens = np.array(table["state"] == "done"), np.array([t["lens"] for t in truths])
    signal = np.array([t["signal"] for t in truths])
    bright = fitted & (signal > SIGNAL[0]) & (signal < SIGNAL[1])
    lines = {
        "fitted": share(done, done | True), "lenses": share(lens, done), "trusted lenses": share(trusted, fitted),
        "within 1 total error, all lenses": share(pull < 1, fitted),
        "within 2 total errors, all lenses": share(pull < 2, fitted),
        "within 1 total error, trusted": share(pull < 1, fitted & trusted),
        "within 2 total errors, trusted": share(pull < 2, fitted & trusted),
        "within 3 percent, all lenses": share(off < RIGHT, fitted),
        "median total error at S/N 40": f"{100 * np.median((total / radius)[bright]):.2f} %" if bright.any() else "-",
        "wrong (20 % off, or no lens) caught": share(~trusted, wrong),
        "right fits not trusted": share(~trusted, right),
        "off by more than 3 total errors and trusted": share((pull > ERRORS) & trusted, fitted),
        "median CPU s": f"{np.nanmedian(table['cpu_seconds']):.1f}",
    }  # fmt: skip
    if "mass.epl.slope" in table.colnames:
        slope, error = (np.array(table[f"mass.epl.slope{end}"], float) for end in ("", "_total"))
        known = fitted & trusted & (error < SLOPE_KNOWN)
        missed = np.abs(slope - np.array([t["slope"] or np.nan for t in truths])) / error
        lines |= {f"slope within {n} total errors": share(missed < n, known) for n in (1, 2)}
    satellite = np.array([bool(t.get("satellite")) for t in truths])
    for name, of in (("with a satellite", fitted & satellite), ("without", fitted & ~satellite)):
        lines |= {f"within {n} total errors, {name}": share(pull < n, of) for n in (1, 2)}
        lines[f"largest offset, {name}"] = f"{100 * np.max(off[of], initial=0.0):.2f} %"
        lines[f"on pixels, satellite found, {name}"] = share(_has(table, FOUND), of & _has(table, PIXELS))
    for name, line in lines.items():
        print(f"{name:45}{line}")
    print("checks that right fits failed:", _reasons(table[right & ~trusted]))
    for row, truth, far, many in zip(table, truths, off, pull, strict=True):
        if not truth["lens"] and str(row["verdict"]) == "TRUSTED":
            print(f"TRUSTED, no lens: {row['name']} {truth['kind']} {truth['camera']}")
        elif truth["lens"] and not (many < ERRORS or far < RIGHT):
            which = f"{row['name']} {truth['kind']} {truth['camera']} S/N {truth['signal']}"
            print(f"{which}: {row['einstein_radius']:.3f} "
                  f"+- {row['einstein_radius_total']:.3f} for {truth['einstein_radius']:.3f}, {row['verdict']}: "
                  f"{row['reasons'][:150]}")  # fmt: skip


def _has(table: Table, column: str) -> np.ndarray:
    """Whether a fit has a parameter (B,)."""
    if column not in table.colnames:
        return np.zeros(len(table), bool)
    return np.isfinite(np.ma.filled(np.ma.asarray(table[column], float), np.nan))


def curve(out: Path, mass: str, seeds: range) -> None:
    """Draw how many wrong fits are caught where so many right ones are given up: by the verdict, and by what one would
    cut on without it."""
    from matplotlib.figure import Figure

    table, truths = told(out, mass, seeds)
    judged = Judged.of(table, truths)
    signal = np.nan_to_num(np.array(table["signal_to_noise"], float))
    misfit = np.array(table["chi2"], float) / np.array(table["data_count"], float)
    figure = Figure((5.0, 4.0), layout="constrained")
    axes = figure.add_subplot()

    def shares(kept: np.ndarray) -> tuple[float, float]:
        return 100 * float(np.mean(~kept[judged.right])), 100 * float(np.mean(~kept[judged.wrong]))

    scores = {"signal over noise of the source": signal, "total error": -judged.total / judged.radius,
              "chi2 per pixel": -misfit}  # fmt: skip
    for (name, score), style in zip(scores.items(), ("-", "--", ":"), strict=True):
        cuts = np.sort(score[np.isfinite(score)])
        axes.plot(*zip(*(shares(score > cut) for cut in cuts), strict=True), style, color="0.4", label=f"cut on {name}")
    axes.plot(*shares(judged.trusted), "o", color="C3", ms=8, label="the verdict", zorder=3, clip_on=False)
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="right fits given up [%]", ylabel="wrong fits caught [%]")
    axes.set_title(f"{np.sum(judged.right)} right fits, {np.sum(judged.wrong)} wrong ones", fontsize="medium")
    axes.legend(fontsize="small", loc="lower right")
    figure.savefig(out / "curve.png", dpi=150)
    lost, caught = shares(judged.trusted)
    print(f"verdict: {caught:.0f} % of wrong fits caught, {lost:.0f} % of right ones given up; {out / 'curve.png'}")


def places(out: Path, seeds: range) -> None:
    """Print how far from the truth the lens's place is, in widths of its prior: as seen in the field, and as the mean
    place of the light."""
    seen, mean = [], []
    for k in seeds:
        mass = realistic_lenses.Scene.drawn(k).mass
        if mass is None or not (out / "data" / f"R{k:05d}").exists():
            continue
        truth = np.array([float(mass["epl"].center_x), float(mass["epl"].center_y)])
        begun = prepare(out / "data" / f"R{k:05d}", "flexible", progress=silent)
        prior = begun.problem.model.light["gaussians_1"]
        width = float(prior.center_x.sigma)
        scales = Scales(begun.observation.frame)
        seen.append(np.max(np.abs([prior.center_x.mean, prior.center_y.mean] - truth)) / width)
        mean.append(np.max(np.abs(np.array(scales.center) - truth)) / width)
    for name, distances in (("as seen in the field", seen), ("mean place of the light", mean)):
        beyond = ", ".join(f"{np.sum(np.array(distances) > n)}" for n in range(1, 5))
        print(f"{name:30}{len(distances)} lenses, beyond 1, 2, 3, 4 widths: {beyond}; largest {max(distances):.1f}")


def _reasons(table: Table) -> dict[str, int]:
    failed = [name.removeprefix("check ") for name in table.colnames if name.startswith("check ")]
    counts = Counter(name for row in table for name in failed if str(row[f"check {name}"]) not in ("passed", ""))
    return dict(counts.most_common())


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "fit", "tell", "curve", "places"))
    parser.add_argument("out", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mass", default="epl", choices=("sie", "epl"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    lensfit.setup()
    seeds = range(arguments.first, arguments.first + arguments.count)
    if arguments.what == "make":
        print(realistic_lenses.make(arguments.out, arguments.count, arguments.first))
    elif arguments.what == "fit":
        fit(arguments.out, arguments.mass, arguments.workers)
    elif arguments.what == "places":
        places(arguments.out, seeds)
    else:
        do = tell if arguments.what == "tell" else curve
        do(arguments.out, arguments.mass, seeds)


if __name__ == "__main__":
    main()
