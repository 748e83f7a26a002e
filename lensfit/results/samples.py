"""Posterior samples as ArviZ reads them: draws of equal weight."""
from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lensfit import version
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem


def write_inference_data(path: Path, problem: Problem, result: FitResult) -> None:
    """Write samples in the InferenceData layout (netCDF 4): groups posterior and sample_stats, by chain and draw.

    Weighted samples are resampled to as many equal draws as they are worth. sample_stats holds `lp`, ln of the
    posterior density up to the evidence, and `log_likelihood`.
    """
    theta, log_l, chains = equal_draws(result)
    shape = (chains, len(theta) // chains)
    with h5py.File(path, "w", track_order=True) as file:
        posterior = _group(file, "posterior", shape, result)
        for name, values, unit in zip(result.names, theta.T, result.units, strict=True):
            _variable(posterior, name, values.reshape(shape)).attrs["units"] = unit
        stats = _group(file, "sample_stats", shape, result)
        _variable(stats, "lp", (log_l + np.asarray(problem.log_prior(theta))).reshape(shape))
        _variable(stats, "log_likelihood", log_l.reshape(shape))


def equal_draws(result: FitResult) -> tuple[np.ndarray, np.ndarray, int]:
    """Draws (S, n) of equal weight with their ln L (S,), and the number of chains that they are, one after the other.

    Samples of equal weight are kept as they are. Others are drawn systematically (Kitagawa 1996).
    """
    assert result.samples is not None and result.weights is not None
    weights = result.weights / result.weights.sum()
    chains = 1 if result.diagnostics is None else result.diagnostics.chains
    if np.ptp(weights) < 1e-9 * weights.max():
        return result.samples, _log_likelihoods(result), chains
    count = int(1 / np.sum(weights**2))
    chosen = np.searchsorted(np.cumsum(weights), (np.arange(count) + 0.5) / count)
    chosen = np.random.default_rng(0).permutation(chosen)
    return result.samples[chosen], _log_likelihoods(result)[chosen], 1


def _log_likelihoods(result: FitResult) -> np.ndarray:
    assert result.samples is not None
    return np.full(len(result.samples), np.nan) if result.log_likelihoods is None else result.log_likelihoods


def _group(file: h5py.File, name: str, shape: tuple[int, int], result: FitResult) -> h5py.Group:
    group = file.create_group(name, track_order=True)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    group.attrs.update({"created_at": now, "inference_library": "lensfit",
                        "inference_library_version": version.__version__, "fitter": result.fitter,
                        "sampling_time": result.seconds})  # fmt: skip
    for number, axis in enumerate(("chain", "draw")):
        scale = group.create_dataset(axis, data=np.arange(shape[number]), track_order=True)
        scale.make_scale(axis)
    return group


def _variable(group: h5py.Group, name: str, values: Any) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=values, track_order=True)
    for number, axis in enumerate(("chain", "draw")):
        dataset.dims[number].attach_scale(group[axis])
    return dataset
