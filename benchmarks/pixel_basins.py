"""Sources on pixels from the right Einstein radius, from half of it and from twice it: what the checks say.

python benchmarks/pixel_basins.py simulated OUT [COUNT] fits 40 simulated lenses by the staged fitter, puts their
sources on pixels from that optimum, and again with the Einstein radius of the start halved and doubled. Half of the
lenses are bright, half faint; all sources have clumps. python benchmarks/pixel_basins.py real OUT does the same with
simulated hst and real lenses of ../shared/data. An answer is right where its radius is within 5 % of the truth, or
of a published radius, and where the true centre of the mass is known, that within 0.1 radii.

Each answer prints a row of what is measured of it; then come, for the first half of the lenses, which thresholds
were chosen on, and the second, how many right and wrong answers the checks of lensfit/trust/questions.py flag, those
of the source alone and with those against the parametric fit, and how near each measure comes to its threshold.
OUT gets the fits, rows.json and basins.png; fits that it holds are not made again, but measured again.
"""
from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from population import hard, observed, ordinary
from real_lenses import DATA, SIMULATED, SLACS

from lensfit import ImagingLikelihood, PixelImagingLikelihood, Problem, analyse, load, read_imaging
from lensfit.analysis.pixel_model import Arcs, Mesh, pixel_model, pixel_source
from lensfit.analysis.source_on_pixels import beside
from lensfit.datasets import Imaging
from lensfit.errors import FitError
from lensfit.fitters.optimum import ascend
from lensfit.fitters.result import FitResult
from lensfit.lensing.flux import mean_images
from lensfit.model import LensModel
from lensfit.observations.region import choose_mask
from lensfit.priors import Uniform
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.standard import flexible
from lensfit.trust import questions
from lensfit.trust.facts import AgainstProfiles
from lensfit.trust.of_pixels import lensed_flux, signal_of

FACTORS = (1.0, 0.5, 2.0)
RADIUS = "mass.sie.einstein_radius"
CENTER = ("mass.sie.center_x", "mass.sie.center_y")
RIGHT, NEAR = 0.05, 0.1
"""Up to which an answer is right: relative error of the Einstein radius, error of the mass' centre in radii."""
REAL = ("hst", "J0029-0055", "J0956+5100", "J1430+4105")
LIMITS = {
    "signal": (questions.LEAST_SIGNAL_ON_PIXELS, np.inf),
    "images": (questions.LEAST_IMAGES, np.inf),
    "moved": (-np.inf, questions.MOVED),
    "flux_ratio": questions.FLUX,
}
"""Between what each measure has to be."""
LABELS = {
    "signal": "signal over noise of the source",
    "images": "mean number of its images",
    "moved": "radius moved from the parametric one",
    "flux_ratio": "lensed flux over the parametric one",
}
LOGARITHMIC = {"signal", "moved"}


@dataclasses.dataclass(frozen=True)
class Case:
    """A lens: its data, its true or published Einstein radii and, if known, centre [arcsec], the seed of its fit."""

    name: str
    imaging: Imaging
    radii: tuple[float, ...]
    center: tuple[float, float] | None = None
    seed: int = 0


def clumpy(model: LensModel, random: np.random.Generator) -> LensModel:
    """Half as bright, with two to five clumps about the source, each smaller than it and about as bright."""
    source: Any = model.source["sersic"]
    source = replace(source, intensity=0.5 * source.intensity)
    clumps = {}
    for k in range(random.integers(2, 6)):
        angle, distance = random.uniform(0, 2 * np.pi), source.effective_radius * random.uniform(0.5, 2.5)
        clumps[f"clump_{k}"] = replace(
            source,
            center_x=source.center_x + distance * np.cos(angle),
            center_y=source.center_y + distance * np.sin(angle),
            intensity=source.intensity * random.uniform(0.5, 2.0),
            effective_radius=source.effective_radius * random.uniform(0.25, 0.6),
            sersic_index=1.0,
        )
    return replace(model, source={"sersic": source} | clumps)


def simulated(k: int) -> Case:
    """Simulated lens k, bright where k is even."""
    model, seed = (ordinary, hard)[k % 2](1000 + k // 2)
    model = clumpy(model, np.random.default_rng(seed))
    sie: Any = model.mass["sie"]
    center = (sie.center_x, sie.center_y)
    return Case(str(k), observed(model, seed).binned(2), (float(sie.einstein_radius),), center, seed)


def real(name: str) -> Case:
    """A lens of ../shared/data with the mask that `lensfit fit` chooses."""
    folder, radii = (DATA / "slacs" / name, SLACS[name]) if name in SLACS else (DATA / "simulated" / name, (SIMULATED,))
    return Case(name, choose_mask(read_imaging(folder, pixel_scale=0.05, nan="mask")).imaging, radii)


def staged(case: Case, folder: Path) -> tuple[Imaging, FitResult]:
    """The staged fit, as `lensfit fit` makes it, and the data without the companions that it masked."""
    if not (folder / "start").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        done = analyse(case.imaging, "flexible", mass="sie", seed=case.seed, progress=silent)
        np.save(folder / "mask.npy", done.observation.frame.mask)
        done.save(folder / "start")
    return case.imaging.with_mask(np.load(folder / "mask.npy")), load(folder / "start").fitted


def begun(imaging: Imaging, start: FitResult, factor: float) -> tuple[Problem, FitResult]:
    """The problem with the source on pixels, from the staged optimum with its Einstein radius times `factor`.

    The prior of the radius holds twice the right one, too.
    """
    arcs, sie = Arcs.of(ImagingLikelihood.of(imaging), start.model), start.model.mass["sie"]
    changed = replace(sie, einstein_radius=factor * sie.einstein_radius)
    mass = replace(start.model, mass=start.model.mass | {"sie": changed})
    right, source = (pixel_source(Mesh(), arcs, m) for m in (start.model, mass))
    model = flexible(imaging, mass="sie")
    prior = Uniform(low=2 * imaging.pixel_scale, high=4 * float(np.max(imaging.x[~imaging.mask])))
    model = replace(model, mass=model.mass | {"sie": replace(model.mass["sie"], einstein_radius=prior)})
    source = replace(source, strength=right.strength)
    problem = Problem(pixel_model(model, start, source), PixelImagingLikelihood.of(imaging))
    theta = np.where([name == RADIUS for name in start.names], factor, 1.0) * start.theta
    return problem, dataclasses.replace(start, theta=theta)


def ended(problem: Problem, start: FitResult, file: Path) -> dict[str, Any]:
    """Where the climb from there ends, or the error that it ends with: kept in a file."""
    if not file.is_file():
        clock = time.process_time()
        try:
            end = ascend(problem.space, problem.likelihood, np.asarray(problem.to_z(beside(problem, start))))
            found = {"z": np.asarray(end.z).tolist(), "ln_posterior": end.log_posterior, "evaluations": end.evaluations}
        except FitError as error:
            found = {"error": str(error)}
        file.write_text(json.dumps(found | {"cpu_s": time.process_time() - clock}))
    return json.loads(file.read_text())


def row(case: Case, out: Path, factor: float) -> dict[str, Any]:
    """What is measured of the answer from one start, and the checks that flag it."""
    folder = out / case.name
    imaging, start = staged(case, folder)
    problem, begin = begun(imaging, start, factor)
    end = ended(problem, begin, folder / f"end_{factor:g}.json")
    told = {"lens": case.name, "factor": factor, "cpu_s": end["cpu_s"]}
    if "error" in end:
        return told | {"error": end["error"], "right": False, "alone": ["error"], "basin": []}
    theta = np.asarray(problem.to_theta(np.array(end["z"])))
    found = problem.reconstruct(theta)
    measures = {"signal": signal_of(found), "images": mean_images(found, problem.likelihood.grids[0])}
    radius, before = float(theta[problem.names.index(RADIUS)]), start[RADIUS]
    flux = lensed_flux(problem.likelihood, start.model)
    off = float(min((radius / r - 1 for r in case.radii), key=abs))
    shift = [theta[problem.names.index(n)] - c for n, c in zip(CENTER, case.center or (), strict=False)]
    away = float(np.hypot.reduce(shift)) / radius
    told |= {"off_percent": 100 * off, "away": away, "right": abs(off) < RIGHT and away < NEAR}
    told |= {"ln_posterior": end["ln_posterior"], "chi2_per_pixel": float(found.solution.chi2) / start.data_count}
    told |= measures | {"moved": abs(radius / before - 1), "flux_ratio": float(found.lensed_flux) / flux}
    told["chi2_ratio"] = float(found.solution.chi2) / start.chi2
    basin = AgainstProfiles(radius / before, told["flux_ratio"], told["chi2_ratio"], ())
    alone = {
        "lensed source": questions.lensed_source_on_pixels(measures["signal"]),
        "multiple images": questions.multiple_images(measures["images"]),
    }
    against = {
        "parametric basin": questions.parametric_basin(basin),
        "flux": questions.flux(basin),
        "parametric residuals": questions.parametric_residuals(basin),
    }
    return told | {"alone": failed(alone), "basin": failed(against)}


def failed(answers: dict[str, tuple[bool, str]]) -> list[str]:
    """Names of the checks that flag."""
    return [name for name, (passed, _) in answers.items() if not passed]


def summary(title: str, rows: list[dict[str, Any]]) -> None:
    """How many answers are flagged, by what, and how near each measure comes to its limits."""
    right, wrong = ([r for r in rows if r["right"] == is_right] for is_right in (True, False))
    print(f"{title}: {len(right)} right and {len(wrong)} wrong answers")
    for name, keys in (("of the source alone", ("alone",)), ("of both kinds", ("alone", "basin"))):
        good, bad = (sum(any(r[key] for key in keys) for r in some) for some in (right, wrong))
        print(f"  checks {name}: {good} of {len(right)} right ones flagged, {bad} of {len(wrong)} wrong ones")
    for name in sorted({check for r in rows for check in r["alone"] + r["basin"]}):
        good, bad = (sum(name in r["alone"] + r["basin"] for r in some) for some in (right, wrong))
        print(f"  {name}: {good} right, {bad} wrong, {sum(r['alone'] == [name] for r in wrong)} of these alone "
              "among the checks of the source")
    for name, limits in LIMITS.items():
        print(f"  {name}, limits {limits}: " + margins([r[name] for r in right], wrong, name, limits))


def margins(right: list[float], wrong: list[dict[str, Any]], name: str, limits: tuple[float, float]) -> str:
    """The range of the right answers, and of the wrong ones that are flagged what is nearest to each limit."""
    values = [r[name] for r in wrong if name in r]
    told = f"right {min(right):.3g} to {max(right):.3g}" if right else "no right one"
    below, above = [v for v in values if v <= limits[0]], [v for v in values if v >= limits[1]]
    told += f"; wrong up to {max(below):.3g}" if below else ""
    return told + (f"; wrong from {min(above):.3g}" if above else "")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Each measure of right and wrong answers, by start, with its limits."""
    figure = Figure(figsize=(13.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(LIMITS))
    for axis, (name, limits) in zip(axes.flat, LIMITS.items(), strict=False):
        for place, factor in enumerate(FACTORS):
            for is_right, colour in ((True, "tab:blue"), (False, "tab:red")):
                values = [r[name] for r in rows if r["factor"] == factor and r["right"] == is_right and name in r]
                across = place + np.linspace(-0.3, 0.3, len(values)) if len(values) > 1 else [place] * len(values)
                axis.plot(across, values, ".", color=colour)
        for limit in filter(np.isfinite, limits):
            axis.axhline(limit, color="black", lw=1)
        if name in LOGARITHMIC:
            axis.set_yscale("log")
        axis.set_xticks(range(len(FACTORS)), [f"{factor:g} x" for factor in FACTORS])
        axis.set_title(LABELS[name], fontsize=10)
        axis.set_xlabel("start radius over the parametric one")
    for text, colour, height in (("right answers", "tab:blue", 0.92), ("wrong answers", "tab:red", 0.85)):
        axes.flat[1].text(0.97, height, text, color=colour, ha="right", transform=axes.flat[1].transAxes)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Fit the lenses, or read their fits; rows, summaries and figure."""
    jax.config.update("jax_enable_x64", True)
    kind, out = sys.argv[1], Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    cases = map(real, REAL) if kind == "real" else map(simulated, range(count))
    rows = []
    for case in cases:
        for factor in FACTORS:
            rows.append(row(case, out, factor))
            print(" ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[-1].items()),
                  flush=True)
        (out / "rows.json").write_text(json.dumps(rows, indent=1))
    half = len(rows) // 2 if kind == "simulated" else 0
    if half:
        summary("chosen on", rows[:half])
    summary("verified on" if half else "all", rows[half:])
    draw(rows, out / "basins.png")


if __name__ == "__main__":
    main()
