"""CPU seconds of the staged fit, stage by stage: python benchmarks/staged_time.py [REPEATS]

repeated: fits of other lenses of one shape in one process, the first of them left out. warm: a fresh process
that finds its compiled programs in the persistent cache. first: a fresh process with an empty cache. All with
the 25-parameter model on 150 x 150 pixels; medians, CPU time of all threads, one core. `stages` are both
rounds to the end of the fine fit; `trust` the second seed, the neighbouring models, errors and checks;
`output` result files and report; `start` imports, data and likelihood. `command` is `lensfit fit` as a whole.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "jwst_mock"
PARTS = {"search, other seed": "stages", "done": "trust"}
"""Where a part ends: at the progress message that begins the next."""
SCHEDULE = [("first", 1), ("warm", 3)]


class Split:
    """Progress of a fit that notes the CPU time at the end of each part, and in detail of each stage."""

    def __init__(self) -> None:
        self.last = self.since = time.process_time()
        self.stage = "set-up"
        self.parts: dict[str, float] = {}
        self.detail: dict[str, float] = {}

    def __call__(self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None) -> None:
        now = time.process_time()
        self.detail[self.stage], self.stage, self.last = now - self.last, stage, now
        if stage in PARTS:
            self.parts[PARTS[stage]], self.since = now - self.since, now


def fresh() -> None:
    """One fit of the mock in this process, with all its output; prints the parts as JSON."""
    from lensfit import setup

    setup()
    from lensfit.analysis import Analysis, Search

    analysis = Analysis.begin(DATA, "parametric", seed=1).ready()
    start = time.process_time()
    split = Split()
    done = analysis.then(Search(), split)
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        done.save(folder)
    print(json.dumps({"start": start, **split.parts, "output": time.process_time() - begun, "detail": split.detail}))


def repeated(count: int) -> None:
    """Fits of the first ordinary lenses in this process; prints the parts of each but the first as JSON."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import population

    from lensfit.likelihood.imaging import ImagingLikelihood
    from lensfit.problem import Problem
    from lensfit.registry import fit
    from lensfit.standard import parametric

    rows = []
    for k in range(count + 1):
        imaging = population.observed(*population.ordinary(k))
        problem = Problem(parametric(imaging), ImagingLikelihood.of(imaging))
        split = Split()
        fit(problem, seed=k, progress=split)
        rows.append({**split.parts, "detail": split.detail})
    print(json.dumps(rows[1:]))


def child(arguments: list[str], cache: str) -> tuple[str, float]:
    """Output and CPU seconds of a process on one core, with its compiled programs kept in `cache`."""
    core = str(max(os.sched_getaffinity(0)))
    environment = os.environ | {"XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before = os.times()
    done = subprocess.run(["taskset", "-c", core, *arguments], env=environment, capture_output=True, text=True)
    after = os.times()
    if done.returncode not in (0, 4):
        raise SystemExit(f"{' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, spent


def show(name: str, rows: list[dict]) -> None:
    """The medians of the parts, then those of the stages that took longest."""
    parts = [key for key in rows[0] if key != "detail"]
    print(f"{name:10s}" + "".join(f"  {key} {np.median([row[key] for row in rows]):.2f}" for key in parts), flush=True)
    details = [row["detail"] for row in rows]
    stages = {key: np.median([d.get(key, 0.0) for d in details]) for key in details[0]}
    print("          " + ", ".join(f"{key} {value:.2f}" for key, value in stages.items()), flush=True)


def main() -> None:
    """Run the three cases and the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repeats", nargs="?", type=int, default=7)
    parser.add_argument("--child", choices=("fresh", "repeated"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == "fresh":
        fresh()
        return
    if arguments.child == "repeated":
        repeated(arguments.repeats)
        return
    me = [sys.executable, __file__, str(arguments.repeats), "--child"]
    main_of_cli = "from lensfit.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", main_of_cli, "fit", str(DATA), "--quiet"]
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as other:
        for name, count in SCHEDULE:
            show(name, [json.loads(child([*me, "fresh"], cache)[0]) for _ in range(count)])
        for name, count in SCHEDULE:
            spent = [child([*command, "--out", f"{other}/{name}{k}"], other)[1] for k in range(count)]
            print(f"{name:10s}  command {np.median(spent):.2f}", flush=True)
        show("repeated", json.loads(child([*me, "repeated"], cache)[0]))


if __name__ == "__main__":
    main()
