"""w_tilde and F by lensfit and by PyAutoLens (autoarray), in one process: run it in PyAutoLens's environment.

    /tmp/peers/autolens/bin/pip install finufft jaxtyping
    PYTHONPATH=. /tmp/peers/autolens/bin/python benchmarks/autolens_w_tilde.py [N ...]

CPU time of one core, float64, medians: PyAutoLens's faster way (NumPy or JAX for w_tilde, tried on a sixteenth
of the visibilities; F compiled by jax.jit) against lensfit's public functions. N = 64 and 128 where none is
given, K = 32768 visibilities on tracks, S = 256 and 1024, B = 3. Both F must agree.
"""

import logging
import os
import sys

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))
os.environ.update(JAX_ENABLE_X64="1", PYAUTO_SKIP_WORKSPACE_VERSION_CHECK="1")
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import autolens  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from autoarray.inversion.inversion.interferometer import inversion_interferometer_util as theirs  # noqa: E402

from lensfit.bench.mock import PIXEL_SCALE, Tracks, lensed_mapping  # noqa: E402
from lensfit.bench.rows import cpu_seconds  # noqa: E402
from lensfit.inversion import MappingMatrix, curvature  # noqa: E402
from lensfit.operators.w_tilde import w_compact  # noqa: E402

logging.disable(logging.INFO)
VISIBILITIES, SOURCES, NEIGHBOURS = 32768, (256, 1024), 3


def timed(call):
    """CPU seconds and result of a call, run once before."""
    result = jax.block_until_ready(call())
    return cpu_seconds(lambda: jax.block_until_ready(call())), result


def their_w_tilde(tracks, use_jax):
    """The call of PyAutoLens's own; y goes down its rows, as it does in its images."""
    axis = (np.arange(tracks.grid) - (tracks.grid - 1) / 2) * tracks.radians
    grid = np.stack(np.meshgrid(-axis, axis, indexing="ij"), axis=-1)
    uv, noise = np.stack([tracks.u, tracks.v], 1), tracks.weights**-0.5
    return lambda: theirs.nufft_precision_operator_from(noise, uv, grid.shape[:2], grid, use_jax=use_jax)


def measure(n):
    tracks = Tracks.of(n, VISIBILITIES)
    few = tracks.first(VISIBILITIES // 16)
    numpy_seconds, jax_seconds = (timed(their_w_tilde(few, use_jax))[0] for use_jax in (False, True))
    their_seconds, operator = timed(their_w_tilde(tracks, jax_seconds < numpy_seconds))
    our_seconds, table = timed(lambda: w_compact(tracks.u, tracks.v, tracks.weights, (n, n), PIXEL_SCALE))
    ratio = their_seconds / our_seconds
    print(f"N = {n}: w_tilde {their_seconds:8.3f} s, lensfit {1e3 * our_seconds:8.3f} ms: {ratio:.0f} x", flush=True)

    state = theirs.InterferometerSparseOperator.from_nufft_precision_operator(np.asarray(operator), np.zeros((n, n)))
    for sources in SOURCES:
        measure_f(tracks, state, jnp.asarray(table), sources)


def measure_f(tracks, state, table, sources):
    indices, weights = lensed_mapping(tracks.mask, sources, NEIGHBOURS)
    y, x = np.nonzero(tracks.mask)
    rows = np.repeat((tracks.grid - 1 - y) * tracks.grid + x, NEIGHBOURS)
    their_f = jax.jit(lambda values: state.curvature_matrix_diag_from(rows, indices.ravel(), values, S=sources))
    our_f = jax.jit(lambda w: curvature(MappingMatrix.of(indices, w, tracks.mask, sources), table))
    ours = jnp.asarray(weights)
    flat = ours.ravel()
    their_seconds, expected = timed(lambda: their_f(flat))
    our_seconds, got = timed(lambda: our_f(ours))
    difference = float(jnp.abs(got - expected).max() / jnp.abs(expected).max())
    assert difference < 1e-11, difference
    print(
        f"N = {tracks.grid}, S = {sources}: F {1e3 * their_seconds:8.1f} ms, lensfit {1e3 * our_seconds:7.3f} ms: "
        f"{their_seconds / our_seconds:.0f} x, difference {difference:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    print(f"autolens {autolens.__version__}, jax {jax.__version__}; M in a circle, K = {VISIBILITIES}")
    for size in [int(word) for word in sys.argv[1:]] or [64, 128]:
        measure(size)
