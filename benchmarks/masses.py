"""What masses cost against the SIE: python benchmarks/masses.py [NAME ...]

ln L, ln L with gradient, and Jacobian of the standard 25-parameter model on data/jwst_mock (150 x 150 pixels,
mask of 2 arcsec, 4x4 sub-pixels wherever light reaches the mask), its SIE replaced by another mass all of whose
numbers are free. One core, SIE and the others in turn in one process: the median of the ratios of CPU times of
one turn, and the medians of the times. Then the largest relative error of the EPL's deflection against the
integral over ellipses, over slopes and ellipticities.
"""
from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
from engine import CALLS, cpu  # noqa: E402

from lensfit import profiles  # noqa: E402
from lensfit.datasets import read_imaging  # noqa: E402
from lensfit.likelihood.imaging import ImagingLikelihood  # noqa: E402
from lensfit.priors import Normal  # noqa: E402
from lensfit.problem import Problem  # noqa: E402
from lensfit.pytree import replace  # noqa: E402
from lensfit.standard import parametric  # noqa: E402

MOCK = Path(__file__).parents[1] / "data" / "jwst_mock"
REPEATS = 31


def replaced(sie: profiles.SIE, name: str) -> profiles.MassProfile:
    """The mass of this name with the SIE's place, shape and size, and priors for what it has beyond them."""
    place = {"center_x": sie.center_x, "center_y": sie.center_y}
    shape = {"e1": sie.e1, "e2": sie.e2}
    made = {
        "SIE": lambda: sie,
        "EPL": lambda: profiles.EPL(
            **place, **shape, einstein_radius=sie.einstein_radius, slope=Normal(mean=2.08, sigma=0.16)
        ),
        "EPL at slope 2": lambda: profiles.EPL(**place, **shape, einstein_radius=sie.einstein_radius, slope=2.0),
    }
    return made[name]()


def problems(names: list[str]) -> dict[str, Problem]:
    """The standard problem with each mass."""
    imaging = read_imaging(MOCK).circular_mask(2.0)
    likelihood = ImagingLikelihood.of(imaging, 4)
    model = parametric(imaging)
    (place,) = [key for key, mass in model.mass.items() if isinstance(mass, profiles.SIE)]
    masses = {name: model.mass | {place: replaced(model.mass[place], name)} for name in names}
    return {name: Problem(replace(model, mass=mass), likelihood) for name, mass in masses.items()}


def seconds(every: dict[str, Problem], method: str) -> np.ndarray:
    """CPU seconds (REPEATS, K) of a method of each problem, in turn."""
    points = [np.asarray(problem.to_theta(np.full(problem.ndim, 0.1))) for problem in every.values()]
    calls = [lambda p=p, x=x: getattr(p, method)(x) for p, x in zip(every.values(), points, strict=True)]
    for call in calls:
        cpu(call)
    return np.array([[cpu(call) for call in calls] for _ in range(REPEATS)])


if __name__ == "__main__":
    every = problems(["SIE", *(sys.argv[1:] or ["EPL", "EPL at slope 2"])])
    print(f"{'':20s}" + "".join(f"{name + ' [ms]':>20s} {'ratio':>6s}" for name in every))
    for label, method in CALLS.items():
        spent = seconds(every, method)
        ratios = np.median(spent / spent[:, :1], 0)
        cells = [f"{1e3 * t:20.2f} {r:6.2f}" for t, r in zip(np.median(spent, 0), ratios, strict=True)]
        print(f"{label:20s}" + "".join(cells))
