"""Kill fits at random times, go on with them, and compare the end with an uninterrupted fit.

python benchmarks/kill_loop.py OUT [--kills 20] [--seed 0] [NAME ...] runs every checkpointing fitter (or those
named) on the linear problem of tests/fitters/analytic.py in a process of its own, which is killed (-9) that
many times, each at a random time after it began, and prints for each fitter: kills, how many lost a state,
whether the result is the same bit for bit. Exits with 1 where one is not.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1] / "tests" / "fitters"
sys.path.insert(0, str(TESTS))


def run(folder: Path, name: str, seconds: float) -> bool:
    """Whether the fit came to its end before it was killed."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parents[1]}{os.pathsep}{TESTS}"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(folder.parent / "jax"),
                    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}  # fmt: skip
    process = subprocess.Popen([sys.executable, str(TESTS / "fit_all.py"), str(folder), name], env=environment)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    if code:
        raise SystemExit(f"{name}: could not go on, exit code {code}")
    return True


def number(folder: Path) -> int:
    """Number of the newest state."""
    return max((int(path.name[:8]) for path in folder.glob("*/0*")), default=0)


def loop(out: Path, name: str, kills: int, rng: np.random.Generator) -> tuple[int, int, bool]:
    """Kills that struck, states that were lost to them, and whether the end is that of no interruption."""
    whole, broken = out / f"{name}-whole", out / f"{name}-broken"
    whole.mkdir(parents=True)
    broken.mkdir()
    begun = time.monotonic()
    run(whole, name, 3600.0)
    longest = time.monotonic() - begun
    struck = lost = 0
    for _ in range(kills):
        before = number(broken)
        if run(broken, name, rng.uniform(0.3, 1.0) * longest):
            break
        struck += 1
        lost += number(broken) < before
    run(broken, name, 3600.0)
    with np.load(whole / f"{name}.npz") as one, np.load(broken / f"{name}.npz") as other:
        return struck, lost, all(np.array_equal(one[key], other[key]) for key in one.files)


def main() -> None:
    """Print the table."""
    import cases

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=list(cases.QUICK))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, good = np.random.default_rng(arguments.seed), True
    for name in arguments.names:
        struck, lost, equal = loop(arguments.out, name, arguments.kills, rng)
        good &= equal and not lost
        print(f"{name:16} {struck:3} kills  {lost:3} lost  {'same' if equal else 'DIFFERENT'}", flush=True)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
