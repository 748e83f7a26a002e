"""The ways to F = T^T w_tilde T that are measured: what each holds in memory, and about how long it takes."""
from __future__ import annotations

from collections.abc import Callable

from lensfit.bench.curvature_compact import (
    jax_compact_bcoo,
    jax_compact_sparse,
    lensfit,
    numba_compact_direct,
    numba_compact_sparse,
    numba_preload_direct,
)
from lensfit.bench.curvature_dense import jax_bcoo, jax_dense, jax_sparse, numba_sparse, numpy_dense
from lensfit.bench.inversion import Inversion
from lensfit.bench.rows import Implementation


def implementations() -> list[Implementation[Inversion]]:
    """Every way; lensfit's own last."""
    made: list[Implementation[Inversion]] = []
    for name, prepare, matrix, columns, work, rate in (
        ("numpy_dense", numpy_dense, 1, 2, lambda c: 2 * c.pairs * c.source_pixels, 2e10),
        ("jax_dense", jax_dense, 1, 2, lambda c: 2 * c.pairs * c.source_pixels, 2e10),
        ("numba_sparse", numba_sparse, 1, 1, lambda c: c.pairs * c.neighbours, 1e9),
        ("jax_sparse", jax_sparse, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("jax_bcoo", jax_bcoo, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("numba_compact_sparse", numba_compact_sparse, 0, 1, lambda c: c.pairs * c.neighbours, 5e8),
        ("jax_compact_sparse", jax_compact_sparse, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("jax_compact_bcoo", jax_compact_bcoo, 1, 1, lambda c: c.pairs * c.neighbours, 1e8),
        ("numba_compact_sparse_direct", numba_compact_direct, 0, 0, lambda c: c.pairs * c.neighbours**2, 5e8),
        ("numba_preload_direct", numba_preload_direct, 0, 0, lambda c: c.pairs * c.neighbours**2, 5e8),
        ("lensfit", lensfit, 0, 0, lambda c: c.pairs * c.neighbours, 1e10),
    ):
        made.append(Implementation(name, prepare, _bytes(matrix, columns), work, rate))
    return made


def _bytes(matrix: int, columns: int) -> Callable[[Inversion], float]:
    """w_tilde, arrays M x S, and what all have: F and w_compact."""
    return lambda c: 8.0 * (
        matrix * c.pairs + columns * c.columns + c.source_pixels**2 + (2 * c.tracks.grid) ** 2
    )
