"""What the four scripts share: one core, the mock, the 25 free parameters, CPU medians, one JSON line.

Import this before jax or numpy: it sets the number of threads.
"""

import json
import os
import sys
import time
from pathlib import Path

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "reference"))

import numpy as np  # noqa: E402

REPEATS = 21
TIED = {("kwargs_lens_light", 1, "center_x"), ("kwargs_lens_light", 1, "center_y")}  # to the bulge's centre
FIXED = {("kwargs_lens_light", 1, "n_sersic")}  # the disk is exponential
CONSTANTS = {"ra_0", "dec_0"}


def load():
    """The mock named on the command line, and its true parameters as `light.bulge.e1: value`."""
    if len(sys.argv) not in (2, 3):
        sys.exit(f"python {sys.argv[0]} mock.npz  (from tests/reference/make_mock.py mock.npz)")
    with np.load(sys.argv[1]) as stored:
        m = dict(stored)
    return m, dict(zip(m["names"].tolist(), m["truth"].tolist(), strict=True))


def mass():
    """The mass named on the command line, SIE without one."""
    return (sys.argv[2:] or ["SIE"])[0]


def free(kwargs):
    """Places of the 25 free parameters (of an EPL 26) in lenstronomy-like keyword arguments, and their values."""
    places = [
        (group, i, name) for group, rows in kwargs.items() for i, row in enumerate(rows) for name in row
    ]
    places = [p for p in places if p not in TIED | FIXED and p[2] not in CONSTANTS]
    values = np.array([kwargs[group][i][name] for group, i, name in places])
    assert len(values) == 25 + any(name == "gamma" for _, _, name in places)
    return places, values


def filled(kwargs, places, theta):
    """The keyword arguments with theta at its places and the disk at the bulge's centre."""
    new = {group: [dict(row) for row in rows] for group, rows in kwargs.items()}
    for k, (group, i, name) in enumerate(places):
        new[group][i][name] = theta[k]
    for group, i, name in TIED:
        new[group][i][name] = new[group][0][name]
    return new


def reach(m):
    """Pixels whose light the PSF carries into the mask."""
    import make_mock

    return make_mock.convolve(m["mask"].astype(float), np.ones_like(m["psf"])) > 0.5


def normalisation(m):
    return -0.5 * float(np.sum(np.log(2 * np.pi * m["noise"][m["mask"]] ** 2)))


def cpu_seconds(call):
    """Median CPU seconds of a call; three calls first, to compile and to warm the caches."""
    for _ in range(3):
        call()
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def jax_settings(functions, theta):
    """For every setting `name: ln L(theta)`, its value, its gradient's norm and both times."""
    import jax

    theta = jax.numpy.asarray(theta)

    def measured(function):
        value, both = jax.jit(function), jax.jit(jax.value_and_grad(function))
        return {
            "value": float(value(theta)),
            "gradient_norm": float(np.linalg.norm(both(theta)[1])),
            "value_cpu_s": cpu_seconds(lambda: value(theta).block_until_ready()),
            "gradient_cpu_s": cpu_seconds(lambda: jax.block_until_ready(both(theta))),
        }

    return {name: measured(function) for name, function in functions.items()}


def report(code, version, settings, **more):
    """The fastest setting at the top level, all of them below it."""
    best = min(settings, key=lambda name: settings[name]["gradient_cpu_s"])
    keeps = "MALLOC_TRIM_THRESHOLD_" in os.environ
    more |= {"setting": best, "allocator": "keeps freed memory" if keeps else "glibc's default"}
    line = {"code": code, "version": version, **settings[best], **more, "settings": settings}
    print(json.dumps(line))
