"""Kill fits at random times, go on with them, and compare the end with an uninterrupted fit.

python benchmarks/kill_loop.py OUT [--kills 20] [--seed 0] [NAME ...] runs every checkpointing fitter (or those
named) on the linear problem of tests/fitters/analytic.py in a process of its own, which is to be killed (-9) that
many times, each at a random time after it began; one that ended before its time is compared and begun anew.
Prints for each fitter: kills, how many lost a state, whether every result is the same bit for bit. Exits with 1
where one is not.
"""
from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from lensfit.registry import FITTERS

TESTS = Path(__file__).resolve().parents[1] / "tests" / "fitters"
sys.path.insert(0, str(TESTS))


def timed(folder: Path, name: str, seconds: float | None = None) -> float | None:
    """Seconds until the fit came to its end; None if it was killed, after so many `seconds`."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parents[1]}{os.pathsep}{TESTS}"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(folder.parent / "jax"),
                    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}  # fmt: skip
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, str(TESTS / "fit_all.py"), str(folder), name], env=environment)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    if code:
        raise SystemExit(f"{name}: could not go on, exit code {code}")
    return time.monotonic() - begun


def number(folder: Path) -> int:
    """Number of the newest state."""
    return max((int(path.name[:8]) for path in folder.glob("*/0*")), default=0)


def loop(out: Path, name: str, kills: int, rng: np.random.Generator) -> tuple[int, int, bool]:
    """Kills that struck, states that were lost to them, and whether the end is that of no interruption."""
    whole, broken = out / f"{name}-whole", out / f"{name}-broken"
    whole.mkdir(parents=True)
    broken.mkdir()
    longest = timed(whole, name)
    assert longest is not None
    struck = lost = 0
    same = True
    for _ in range(kills):
        before = number(broken)
        ended = timed(broken, name, rng.uniform(0.2, 0.9) * longest)
        if ended is None:
            struck += 1
            lost += number(broken) < before
        else:
            longest = min(longest, ended)
            same &= equal(whole, broken, name)
            shutil.rmtree(broken)
            broken.mkdir()
    timed(broken, name)
    return struck, lost, same & equal(whole, broken, name)


def equal(whole: Path, broken: Path, name: str) -> bool:
    """Whether two results are the same bit for bit."""
    with np.load(whole / f"{name}.npz") as one, np.load(broken / f"{name}.npz") as other:
        return all(np.array_equal(one[key], other[key]) for key in one.files)


def main() -> None:
    """Print the table."""
    import cases

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=[name for name in cases.QUICK if name in FITTERS])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, good = np.random.default_rng(arguments.seed), True
    for name in arguments.names:
        struck, lost, same = loop(arguments.out, name, arguments.kills, rng)
        good &= same and not lost
        print(f"{name:16} {struck:3} kills  {lost:3} lost  {'same' if same else 'DIFFERENT'}", flush=True)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
