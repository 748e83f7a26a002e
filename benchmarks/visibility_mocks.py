"""Mock lenses as interferometers see them: is the global optimum found, are truth and errors, and is the verdict right?

python benchmarks/visibility_mocks.py [FIRST] [STOP] [SEEDS] [OUT] fits the mocks FIRST to STOP - 1 of the population in
visibility_population.py blindly, from SEEDS seeds each, by one_source and the components that the data ask for, with
antenna phases where the mock has errors of phase. A line for each: components of the truth and of the fit; Einstein
radius, true and found; by how much the end is worse in chi2 + |z|^2 than the better of two descents from the truth in
the model that was fitted; pulls (fit - truth)/total error of Einstein radius and shear; verdict; CPU seconds. Below it
the reasons of a verdict, and notes.
Then shares: at the optimum (worse by less than 2), pulls within 1 and 2, right fits that are not trusted, and wrong
ones (Einstein radius off by more than RIGHT and three total errors) that are.
Where OUT is given, each fit is written to OUT/mock_NUMBER_seed_SEED, overview.png among it.
"""
from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from visibility_population import Mock, components, draw, flux_of

from lensfit.analysis import Analysis, analyse
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.model import LensModel
from lensfit.observations.visibility_observation import VisibilityObservation
from lensfit.progress import silent
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.case import Tally, objective_score
from lensfit.staged.joint import Joint

RIGHT = 0.03
"""Relative error of the Einstein radius up to which a fit is right whatever its error is."""
NEAR = 2.0
"""chi2 + |z|^2 above the best known up to which an end is the optimum."""
SHEAR = ("mass.shear.gamma1", "mass.shear.gamma2")


@dataclasses.dataclass(frozen=True)
class Row:
    """One fit: how much worse it is than the best descent from the truth, its pulls, and what was said of it."""

    excess: float
    pulls: tuple[float, ...]
    right: bool
    trusted: bool
    seconds: float


def from_truth(done: Analysis, mock: Mock) -> float:
    """chi2 + |z|^2 at the end of the better of two descents in the final problem, which begin at the truth."""
    model = solve_amplitudes(done.problem.model)
    space = Space.of(model)
    joint = Joint.over(model, space, Tally(), objective_score)
    fit = dict(zip(done.fitted.names, done.fitted.theta, strict=True))
    starts = [np.array([(fit | some)[name] for name in space.names]) for some in beginnings(done.fitted.model, mock)]
    return min(float(joint.descend(done.problem.likelihood, start, 60, 0.01).objective) for start in starts)


def beginnings(found: LensModel, mock: Mock) -> list[dict[str, float]]:
    """Values of the true lens, with the sources of the model that was `found` at the brightest of the truth in turn;
    and the same with the first of them as wide as all of the truth. Sources that the truth has not, and emission that
    is not lensed, are left to the fit."""
    parts = sorted(mock.truth.source.values(), key=flux_of, reverse=True)
    places = np.array([[float(p.center_x), float(p.center_y)] for p in parts])
    flux = [flux_of(p) for p in parts]
    middle = np.average(places, axis=0, weights=flux)
    square = np.average(np.sum((places - middle) ** 2, 1), weights=flux) + float(parts[0].effective_radius) ** 2
    first, *_ = names = sorted(found.source)
    known = _values("mass", mock.truth.mass) | _values("source", dict(zip(names, parts, strict=False)))
    spread = {"center_x": middle[0], "center_y": middle[1], "effective_radius": np.sqrt(square)}
    return [known, known | {f"source.{first}.{field}": float(value) for field, value in spread.items()}]


def _values(group: str, profiles: Mapping[str, Any]) -> dict[str, float]:
    """Of the numbers of profiles, by their names."""
    return {f"{group}.{name}.{field.name}": float(getattr(profile, field.name)) for name, profile in profiles.items()
            for field in dataclasses.fields(profile)}  # fmt: skip


def fitted(mock: Mock, seed: int) -> tuple[Analysis, Row]:
    """One blind fit."""
    begun = time.process_time()
    seen = VisibilityObservation(datasets=(mock.data,), antenna_phases=mock.phase_errors > 0)
    done = analyse(seen, seed=seed, progress=silent)
    seconds = time.process_time() - begun
    result, radius = done.fitted, done.einstein_radius
    z = np.asarray(done.problem.to_z(result.theta))
    excess = result.chi2 + float(z @ z) - from_truth(done, mock)
    true = einstein_radius_of(mock.truth.only(), whole_field(done.problem.likelihood.grids[0]))
    pulls = [(radius.value - true) / radius.total]
    for name in SHEAR:
        k = result.names.index(name)
        total = np.hypot(result.errors[k], np.nan_to_num(result.spread[k]))
        pulls.append((result.theta[k] - float(getattr(mock.truth.mass["shear"], name.rpartition(".")[2]))) / total)
    right = bool(abs(radius.value / true - 1) < RIGHT or abs(pulls[0]) < 3)
    return done, Row(excess, tuple(float(p) for p in pulls), right, result.trust.trusted, seconds)


def main() -> None:
    """Fit the mocks and print the table."""
    jax.config.update("jax_enable_x64", True)
    first, stop, seeds = (int(a) for a in [*sys.argv[1:4], *("0", "30", "1")[len(sys.argv[1:4]) :]])
    out = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    rows = []
    for number in range(first, stop):
        mock = draw(number)
        for seed in range(seeds):
            done, row = fitted(mock, seed)
            rows.append(row)
            print(line(number, mock, done, row), flush=True)
            for told in (*done.trust.reasons, *(f"note: {note}" for note in done.notes)):
                print(f"         {told}", flush=True)
            if out is not None:
                done.save(out / f"mock_{number}_seed_{seed}")
    print(summary(rows))


def line(number: int, mock: Mock, done: Analysis, row: Row) -> str:
    """What one fit found."""
    what = f"{number:3} {mock.layout:20} {mock.kind:25} fit {components(done.fitted.model):25}"
    seen = f"peak {mock.peak:4.0f} phases {mock.phase_errors:4.1f}"
    radii = f"{float(mock.truth.mass['sie'].einstein_radius):.3f} {done.einstein_radius.value:.3f}"
    pulls = " ".join(f"{p:+5.1f}" for p in row.pulls)
    return f"{what} {seen}  {radii}  {row.excess:+8.1f}  {pulls}  {done.trust.word:12} {row.seconds:5.1f}"


def summary(rows: list[Row]) -> str:
    """Shares of all fits."""
    pulls = np.abs([p for row in rows for p in row.pulls])
    right = [row for row in rows if row.right]
    return (
        f"{len(rows)} fits: {100 * np.mean([row.excess < NEAR for row in rows]):.0f} % at the optimum; pulls "
        f"{100 * np.mean(pulls < 1):.0f} % within 1, {100 * np.mean(pulls < 2):.0f} % within 2; right {len(right)}, of "
        f"these not trusted {sum(not row.trusted for row in right)}; wrong and trusted "
        f"{sum(row.trusted for row in rows if not row.right)}; median CPU s {np.median([r.seconds for r in rows]):.1f}"
    )


if __name__ == "__main__":
    main()
