"""Mock lenses as interferometers see them: is the global optimum found, are truth and errors, and is the verdict right?

python benchmarks/visibility_mocks.py [FIRST] [STOP] [SEEDS] fits the mocks FIRST to STOP - 1 of the population in
visibility_population.py blindly by one_source, from SEEDS seeds each, with antenna phases where the mock has errors of
phase. A line for each: Einstein radius, true and found; by how much the end is worse in chi2 + |z|^2 than the better of
two descents from the truth; pulls (fit - truth)/total error of Einstein radius and shear; verdict; CPU seconds.
Then shares: at the optimum (worse by less than 2), pulls within 1 and 2, right fits that are not trusted, and wrong
ones (Einstein radius off by more than RIGHT and three total errors) that are.
"""
from __future__ import annotations

import dataclasses
import sys
import time

import jax
import numpy as np
from visibility_population import Mock, draw

from lensfit.analysis import Analysis, analyse
from lensfit.lensing import einstein_radius_of, whole_field
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
    """chi2 + |z|^2 at the end of the better of two descents in the final problem: from the true lens with the brightest
    component of the source, and with a source as wide as all of them."""
    model = solve_amplitudes(done.problem.model)
    space = Space.of(model)
    joint = Joint.over(model, space, Tally(), objective_score)
    first, *rest = mock.truth.source.values()
    parts = [first, *rest]
    flux = np.array([float(p.intensity) * float(p.effective_radius) ** 2 for p in parts])
    places = np.array([[float(p.center_x), float(p.center_y)] for p in parts])
    middle = np.average(places, axis=0, weights=flux)
    square = np.average(np.sum((places - middle) ** 2, 1), weights=flux) + float(first.effective_radius) ** 2
    known = {f"mass.{name}.{field}": float(getattr(profile, field)) for name, profile in mock.truth.mass.items()
             for field in profile.__dataclass_fields__}  # fmt: skip
    source = {f"source.sersic.{field}": float(getattr(first, field)) for field in first.__dataclass_fields__}
    spread = source | {"source.sersic.center_x": middle[0], "source.sersic.center_y": middle[1],
                       "source.sersic.effective_radius": float(np.sqrt(square))}  # fmt: skip
    starts = [np.array([(known | some)[name] for name in space.names]) for some in (source, spread)]
    return min(float(joint.descend(done.problem.likelihood, start, 60, 0.01).objective) for start in starts)


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
    first, stop, seeds = (int(a) for a in [*sys.argv[1:], *("0", "30", "1")[len(sys.argv) - 1 :]])
    rows = []
    for number in range(first, stop):
        mock = draw(number)
        for seed in range(seeds):
            done, row = fitted(mock, seed)
            rows.append(row)
            print(line(number, mock, done, row), flush=True)
            for reason in done.trust.reasons:
                print(f"         {reason}", flush=True)
    print(summary(rows))


def line(number: int, mock: Mock, done: Analysis, row: Row) -> str:
    """What one fit found."""
    return (
        f"{number:3} {mock.layout:20} {mock.kind:26} peak {mock.peak:4.0f} phases {mock.phase_errors:4.1f}  "
        f"{float(mock.truth.mass['sie'].einstein_radius):.3f} {done.einstein_radius.value:.3f}  "
        f"{row.excess:+8.1f}  {' '.join(f'{p:+5.1f}' for p in row.pulls)}  {done.trust.word:12} {row.seconds:5.1f}"
    )


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
