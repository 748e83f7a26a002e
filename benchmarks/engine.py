"""Native kernels against XLA alone: python benchmarks/engine.py

ln L, ln L with gradient, and Jacobian of the standard 25-parameter model on data/jwst_mock (150 x 150 pixels,
mask of 2 arcsec), sub-pixels 4x4 wherever light reaches the mask and adapted to the data. One core, both
engines in turn in one process: median CPU milliseconds, their ratio, and the largest difference relative to
the largest value. Then the CPU seconds to make the kernels, in an empty cache folder and from the disk.
"""
from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

from lensfit.datasets import read_imaging  # noqa: E402
from lensfit.likelihood.imaging import ImagingLikelihood  # noqa: E402
from lensfit.problem import Problem  # noqa: E402
from lensfit.pytree import replace  # noqa: E402
from lensfit.standard import parametric  # noqa: E402

MOCK = Path(__file__).parents[1] / "data" / "jwst_mock"
REPEATS = 21
GRIDS = {"4x4 everywhere": 4, "adaptive": None}
CALLS = {"ln L": "log_likelihood", "ln L and gradient": "value_and_grad", "Jacobian": "jacobian"}


def problems(oversampling: int | None) -> dict[str, Problem]:
    """The problem with each engine."""
    imaging = read_imaging(MOCK).circular_mask(2.0)
    likelihood = ImagingLikelihood.of(imaging, oversampling)
    model = parametric(imaging)
    engines = {name: replace(likelihood, grid=replace(likelihood.grid, engine=name)) for name in ("native", "xla")}
    return {name: Problem(model, engine) for name, engine in engines.items()}


def cpu(call) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    jax.block_until_ready(call())
    return time.process_time() - start


def compare(both: dict[str, Problem], method: str) -> tuple[float, float, float]:
    """Median CPU milliseconds of native and of xla, in turn, and their relative difference."""
    theta = np.asarray(both["native"].to_theta(np.full(both["native"].ndim, 0.1)))
    calls = [lambda p=p: getattr(p, method)(theta) for p in both.values()]
    results = [[np.asarray(leaf) for leaf in jax.tree.leaves(call())] for call in calls]
    error = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(*results, strict=True))
    seconds = np.array([[cpu(call) for call in calls] for _ in range(REPEATS)])
    native, xla = 1e3 * np.median(seconds, 0)
    return native, xla, error


def kernel_seconds(folder: str) -> None:
    """Print how many kernels this process needs and the CPU seconds to have them, kept in a folder."""
    from lensfit.native import door

    jax.config.update("jax_compilation_cache_dir", folder)
    spent, load = [], door.load

    def timed(*arguments):
        spent.append(cpu(lambda: made.append(load(*arguments))))
        return made[-1]

    made: list = []
    door.load = timed
    problem = problems(4)["native"]
    theta = np.asarray(problem.to_theta(np.full(problem.ndim, 0.1)))
    for method in CALLS.values():
        getattr(problem, method)(theta)
    print(f"{len(spent)} kernels in {sum(spent):.2f} CPU s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--kernels"]:
        sys.exit(kernel_seconds(sys.argv[2]))
    print(f"{'sub-pixels':16s} {'':20s} {'native [ms]':>12s} {'XLA [ms]':>10s} {'ratio':>6s} {'difference':>11s}")
    for name, oversampling in GRIDS.items():
        both = problems(oversampling)
        for label, method in CALLS.items():
            native, xla, error = compare(both, method)
            print(f"{name:16s} {label:20s} {native:12.2f} {xla:10.2f} {xla / native:6.1f} {error:11.1e}")
    with tempfile.TemporaryDirectory() as folder:
        for when in ("first time", "from disk"):
            print(f"{when}: ", end="", flush=True)
            subprocess.run([sys.executable, __file__, "--kernels", folder], check=True)
