"""Kernels with vectors of 512 bits against LLVM's own choice: python benchmarks/width.py

ln L, ln L with gradient, and Jacobian of the standard 25-parameter model on data/jwst_mock (mask of 2 arcsec, 4x4
sub-pixels wherever light reaches the mask). Two processes, one for each choice, are asked in turn: median CPU
milliseconds, the median of the ratios of one turn, and the largest difference relative to the largest value.
"""
from __future__ import annotations

from multiprocessing import get_context

import jax
import numpy as np
from engine import CALLS, MOCK, cpu

REPEATS = 41


def work(pipe, wide: bool) -> None:
    """Answer with the values of a method and then with the CPU seconds of each call that is asked for."""
    from lensfit.datasets import read_imaging
    from lensfit.likelihood.imaging import ImagingLikelihood
    from lensfit.native import width
    from lensfit.problem import Problem
    from lensfit.standard import parametric

    width.is_wide = lambda: wide
    imaging = read_imaging(MOCK).circular_mask(2.0)
    problem = Problem(parametric(imaging), ImagingLikelihood.of(imaging, 4))
    theta = np.asarray(problem.to_theta(np.full(problem.ndim, 0.1)))
    while (method := pipe.recv()) is not None:
        call = lambda: getattr(problem, method)(theta)  # noqa: E731
        pipe.send(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(call())]))
        while pipe.recv():
            pipe.send(cpu(call))


def compare(pipes, method: str) -> str:
    """Times, ratio and difference as they are printed."""
    values = []
    for pipe in pipes:
        pipe.send(method)
        values.append(pipe.recv())
    spent = np.empty((REPEATS, len(pipes)))
    for row in spent:
        for k, pipe in enumerate(pipes):
            pipe.send(True)
            row[k] = pipe.recv()
    for pipe in pipes:
        pipe.send(False)
    times, ratio = 1e3 * np.median(spent, 0), np.median(spent[:, 1] / spent[:, 0])
    difference = np.abs(values[0] - values[1]).max() / np.abs(values[1]).max()
    return f"{times[0]:10.2f} {times[1]:10.2f} {ratio:11.3f} {difference:11.1e}"


if __name__ == "__main__":
    spawn = get_context("spawn")
    pipes = []
    for wide in (True, False):
        here, there = spawn.Pipe()
        spawn.Process(target=work, args=(there, wide), daemon=True).start()
        pipes.append(here)
    print(f"{'':20s} {'512 [ms]':>10s} {'LLVM [ms]':>10s} {'LLVM / 512':>11s} {'difference':>11s}")
    for label, method in CALLS.items():
        print(f"{label:20s} {compare(pipes, method)}", flush=True)
    for pipe in pipes:
        pipe.send(None)
