"""Exact sums over the visibilities, and how far a result is off them."""
from __future__ import annotations

from typing import Any

import numpy as np

from lensfit.bench.mock import Tracks

OFFSETS, SOURCES = 48, 16
"""Values of w_tilde, and rows and columns of F, that are compared."""


def w_tilde_error(tracks: Tracks, result: Any) -> float:
    """Largest difference of w_tilde, over w_tilde(0), at OFFSETS offsets; `result` compact or (M, M).

    The sum is made term by term in extended precision.
    """
    out = np.asarray(result)
    y, x = np.nonzero(tracks.mask)
    random = np.random.default_rng(0)
    m, n = random.integers(0, len(y), (2, OFFSETS))
    j, i = y[m] - y[n], x[m] - x[n]
    compact = out.shape == (2 * tracks.grid - 1, 2 * tracks.grid - 1)
    values = out[j + tracks.grid - 1, i + tracks.grid - 1] if compact else out[m, n]
    turn = 2 * np.arccos(np.longdouble(-1)) * np.longdouble(tracks.radians)
    phase = turn * (i[:, None] * tracks.u.astype(np.longdouble) + j[:, None] * tracks.v.astype(np.longdouble))
    exact = np.cos(phase) @ tracks.weights.astype(np.longdouble)
    return float(np.abs(values - exact).max() / tracks.weights.sum())


def curvature_block(
    tracks: Tracks, indices: np.ndarray, weights: np.ndarray, chosen: np.ndarray, chunk: int = 4096
) -> np.ndarray:
    """F_st = sum_k w_k Re[conj(V_ks) V_kt] of the source pixels `chosen`, V_ks the visibilities of column s of T.

    No w_tilde takes part, so that it checks w_tilde as well.
    """
    columns = np.zeros((len(chosen), len(indices)))
    for row, source in enumerate(chosen):
        columns[row] = np.sum(weights * (indices == source), axis=1)
    seen = columns.any(axis=0)
    y, x = (axis[seen].astype(float) for axis in np.nonzero(tracks.mask))
    turn = 2 * np.pi * tracks.radians
    total = np.zeros((len(chosen), len(chosen)))
    for start in range(0, len(tracks.u), chunk):
        part = slice(start, start + chunk)
        phase = turn * (x[:, None] * tracks.u[part] + y[:, None] * tracks.v[part])
        visibilities = columns[:, seen] @ np.exp(-1j * phase)
        total += (visibilities.conj() * tracks.weights[part] @ visibilities.T).real
    return total
