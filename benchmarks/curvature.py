"""F and F with its derivative at two sizes: python benchmarks/curvature.py

CPU time of one core, float64, medians; S = 256, B = 3 at N = 64, and S = 1600, B = 4 at N = 300, with the
peak memory of the process, JAX included. The derivative is that of sum_st C_st F_st with respect to all weights.
"""

import os
import resource

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))
os.environ["JAX_ENABLE_X64"] = "1"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from lensfit.bench.mock import PIXEL_SCALE, Tracks, lensed_mapping  # noqa: E402
from lensfit.bench.rows import cpu_seconds  # noqa: E402
from lensfit.inversion import MappingMatrix, curvature  # noqa: E402
from lensfit.operators.w_tilde import w_compact  # noqa: E402


def measure(n, sources, neighbours):
    tracks = Tracks.of(n, 32768)
    indices, weights = lensed_mapping(tracks.mask, sources, neighbours)
    table = jnp.asarray(w_compact(tracks.u, tracks.v, tracks.weights, (n, n), PIXEL_SCALE))
    factor = jnp.asarray(np.random.default_rng(0).normal(size=(sources, sources)))
    weights = jnp.asarray(weights)

    def f(weights):
        return curvature(MappingMatrix.of(indices, weights, tracks.mask, sources), table)

    value, both = jax.jit(f), jax.jit(jax.value_and_grad(lambda w: jnp.sum(factor * f(w))))
    jax.block_until_ready((value(weights), both(weights)))
    alone = cpu_seconds(lambda: value(weights).block_until_ready())
    together = cpu_seconds(lambda: jax.block_until_ready(both(weights)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"N = {n}, M = {tracks.mask.sum()}, S = {sources}, B = {neighbours}: F {1e3 * alone:.2f} ms, "
        f"with its derivative {together / alone:.2f} x, peak {peak:.2f} GiB",
        flush=True,
    )


if __name__ == "__main__":
    measure(64, 256, 3)
    measure(300, 1600, 4)
