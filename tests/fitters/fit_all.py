"""Fit the linear problem by the named fitters into a folder, going on with what is there.

    python tests/fitters/fit_all.py FOLDER NAME...
"""

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import analytic  # noqa: E402
import cases  # noqa: E402
import numpy as np  # noqa: E402

from lensfit.fitters.checkpoint import Store  # noqa: E402
from lensfit.registry import fit, fitter  # noqa: E402


def main(folder, *names):
    """A file of each result; none is made twice."""
    exact = analytic.linear(counted=True)
    for name in names:
        end = Path(folder) / f"{name}.npz"
        if not end.exists():
            store = Store(Path(folder) / name, interval=0.02)
            start = cases.start(name, exact.mean)
            result = fit(exact.problem, fitter(name, cases.QUICK[name]), seed=5, start=start, checkpoint=store)
            np.savez(end.with_suffix(".part.npz"), theta=result.theta, covariance=result.covariance,
                     evaluations=result.evaluations)
            end.with_suffix(".part.npz").replace(end)


if __name__ == "__main__":
    main(*sys.argv[1:])
