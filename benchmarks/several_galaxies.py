"""Simulated lenses of several galaxies: python benchmarks/several_galaxies.py two|satellites FIRST STOP.

two: two lens galaxies inside one ring, the second with 0.3 to 1 times the Einstein radius of the first, 0.3 to 1.5 of
these away. satellites: Einstein radii of 0.05" to 0.25", at 0.7 to 2 Einstein radii of the lens. All have light, which
goes with the square of their Einstein radius, give or take a third. The second galaxy is named within 0.03" of its
place, as who clicks on it would, and the lens is fitted by `lensfit.analyse` with its model `flexible` and all else as
by default. A fit has arrived if its objective (chi2 + |z|^2) is less than 10 above that of a descent from the true
masses and source on the same data; the headline is the Einstein radius of the critical curve of both. One line of JSON
a lens, then the counts.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

import numpy as np
import population

import lensfit
from lensfit.datasets import Galaxy, Imaging
from lensfit.instruments import jwst_f150w
from lensfit.lensing import einstein_radius_of, unmasked_field
from lensfit.model import LensModel
from lensfit.profiles import SIE, Sersic
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.simulate import model_image, simulate_imaging
from lensfit.staged.case import Tally, objective_score
from lensfit.staged.joint import Joint

SHAPE = (200, 200)
FIRST = {"two": 170_000, "satellites": 180_000}
WITHIN = 10.0
CLICK = 0.03
"""How far the place that is named is from the true one [arcsec]."""
FAITHFUL = 0.3
"""Scatter of ln light about what goes with the square of the Einstein radius."""
SIGNAL, FOUND = 30.0, 3.0
"""Signal over noise of the brightest pixel of the arcs from which on a satellite's mass should be found, and how many
errors it then is from zero."""


def drawn(kind: str, k: int) -> tuple[LensModel, Galaxy, int]:
    """Truth of lens k, its second galaxy as it is named, and the seed."""
    seed = FIRST[kind] + k
    random = np.random.default_rng(seed)
    lens = population._draw(random, smallest=0.7 if kind == "two" else 0.9, shear=0.04, offset=0.25, brightness=1.0)
    sie: Any = lens.mass["sie"]
    bulge: Any = lens.light["bulge"]
    if kind == "two":
        sie = replace(sie, einstein_radius=random.uniform(0.6, 1.1))
        radius, distance = sie.einstein_radius * random.uniform(0.3, 1.0), random.uniform(0.3, 1.5)
    else:
        radius, distance = random.uniform(0.05, 0.25), random.uniform(0.7, 2.0)
    angle = random.uniform(0, 2 * np.pi)
    away = sie.einstein_radius * distance * np.array([np.cos(angle), np.sin(angle)])
    x, y = np.array([sie.center_x, sie.center_y]) + away
    shape = population._ellipticity(random, 0.1)
    size = bulge.effective_radius * (radius / sie.einstein_radius) ** 0.6
    light = (radius / sie.einstein_radius) ** 2 * np.exp(FAITHFUL * random.standard_normal())
    second = Sersic(center_x=x, center_y=y, **shape, effective_radius=size, sersic_index=random.uniform(1.0, 4.0),
                    intensity=light * bulge.intensity * (bulge.effective_radius / size) ** 2)  # fmt: skip
    source: Any = lens.source["sersic"]
    share = radius / (radius + sie.einstein_radius) * away
    source = replace(source, center_x=source.center_x + share[0], center_y=source.center_y + share[1])
    mass = {**lens.mass, "sie": sie, "galaxy_1": SIE(center_x=x, center_y=y, **shape, einstein_radius=radius)}
    named = Galaxy(*(float(at) for at in (x, y) + CLICK * random.uniform(-1, 1, 2)))
    return replace(lens, light={**lens.light, "second": second}, mass=mass, source={"sersic": source}), named, seed


def observed(kind: str, k: int) -> tuple[Imaging, LensModel]:
    """Data of lens k, its second galaxy named, and the truth."""
    truth, named, seed = drawn(kind, k)
    imaging = simulate_imaging(truth, jwst_f150w(), SHAPE, seed=seed)
    return dataclasses.replace(imaging, galaxies=(named,)), truth


def numbers(model: LensModel) -> dict[str, float]:
    """The true masses and source by the names of `flexible`, whose main mass is a power law."""
    named = {"epl" if name == "sie" else name: profile for name, profile in model.mass.items()}
    both = {**{f"mass.{name}": p for name, p in named.items()}, "source.sersic": model.source["sersic"]}
    found = {f"{name}.{key}": float(value) for name, p in both.items() for key, value in vars(p).items()}
    return {**found, "mass.epl.slope": 2.0}


def excess(analysis: lensfit.Analysis, truth: LensModel) -> float:
    """Of the objective of the fit with profiles over that of a descent from the true masses and source."""
    problem, result, true = analysis.problem, analysis.fitted, numbers(truth)
    joint = Joint.over(problem.model, problem.space, Tally(), objective_score)
    start = np.array([true.get(name, value) for name, value in zip(problem.names, result.theta, strict=True)])
    here, there = (float(joint.descend(problem.likelihood, theta, n, 1e-3).objective)
                   for theta, n in ((result.theta, 0), (start, 60)))  # fmt: skip
    return here - there


def one(kind: str, k: int) -> dict[str, Any]:
    """What the fit of lens k finds."""
    imaging, truth = observed(kind, k)
    arcs = model_image(truth.only("source"), jwst_f150w(), SHAPE)
    begun = time.process_time()
    done = lensfit.analyse(imaging, "flexible", progress=silent)
    cpu = time.process_time() - begun
    with_profiles = done.parametric or done
    true, own = einstein_radius_of(truth.only(), unmasked_field(imaging)), "mass.galaxy_1.einstein_radius"
    result, radius = done.fitted, done.einstein_radius
    at = result.names.index(own)
    error = float(np.hypot(result.errors[at], np.nan_to_num(result.spread[at])))
    return {
        "lens": k, "truth": true, "found": radius.value, "total": radius.total,
        "off": radius.value / true - 1, "pull": (radius.value - true) / radius.total,
        "second": float(truth.mass["galaxy_1"].einstein_radius),  # pyright: ignore[reportAttributeAccessIssue]
        "second_found": float(result.theta[at]), "second_error": error,
        "signal": float(np.max(arcs / imaging.noise)), "excess": excess(with_profiles, truth),
        "trusted": done.trust.trusted, "reasons": list(done.trust.reasons), "pixels": done.parametric is not None,
        "cpu_s": cpu, "fit_cpu_s": with_profiles.fitted.cpu_seconds,
    }  # fmt: skip


def counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the rows."""
    pulls = np.abs([row["pull"] for row in rows])
    bright = [row for row in rows if row["signal"] > SIGNAL]
    return {
        "lenses": len(rows), "arrived": sum(row["excess"] < WITHIN for row in rows),
        "within_1_total_error": int(np.sum(pulls < 1)), "within_2": int(np.sum(pulls < 2)),
        "trusted": sum(row["trusted"] for row in rows),
        "trusted_and_off_by_5_percent": sum(row["trusted"] and abs(row["off"]) > 0.05 for row in rows),
        "bright": len(bright),
        "second_mass_found": sum(row["second_found"] > FOUND * row["second_error"] for row in bright),
        "median_cpu_s": float(np.median([row["cpu_s"] for row in rows])),
        "median_fit_cpu_s": float(np.median([row["fit_cpu_s"] for row in rows])),
    }  # fmt: skip


def main() -> None:
    """Run the lenses FIRST to STOP - 1 of one kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(FIRST))
    parser.add_argument("first", type=int)
    parser.add_argument("stop", type=int)
    arguments = parser.parse_args()
    lensfit.setup()
    rows = []
    for k in range(arguments.first, arguments.stop):
        rows.append(one(arguments.kind, k))
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"kind": arguments.kind, **counts(rows)}))


if __name__ == "__main__":
    main()
