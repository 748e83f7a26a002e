"""Surveys of simulated Euclid-like lenses by `lensfit fit-many`, and how throughput grows with workers.

    python benchmarks/survey.py make OUT N [--first K]   simulate N lenses (euclid_lenses.py) and their catalogue
    python benchmarks/survey.py fit OUT [--workers 2]    fit them; CPU s a lens all told, verdicts, errors
    python benchmarks/survey.py optimum OUT              how many are within 10 of chi2 + |z|^2 of a descent from the
                                                         truth on the same data
    python benchmarks/survey.py scaling OUT              lenses that sleep, on 1, 2 and 8 workers

CPU seconds all told are those of the command with its workers, by the system; their start and compilation included.
"""
from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import euclid_lenses
import numpy as np
from astropy.table import Table

import lensfit
from lensfit.survey import Lens, analyse_many, unseen

LENSFIT = (sys.executable, "-m", "lensfit")
WITHIN = 10.0
NAP, NAPS = 2.0, 12
"""Seconds that a lens sleeps, and lenses a worker."""


def fit(out: Path, workers: int) -> None:
    """Run the command on the catalogue of OUT."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [*LENSFIT, "fit-many", str(out / "catalogue.ecsv"), "--out", str(out / "survey")]
    subprocess.run([*command, "--workers", str(workers)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    table = Table.read(out / "survey" / "lenses.parquet")
    costs = Table.read(out / "survey" / "costs.ecsv", format="ascii.ecsv")["cpu_seconds"]
    truth = np.array([euclid_lenses.truth(out, name)["einstein_radius"] for name in table["name"]])
    pull = np.array(np.abs(table["einstein_radius"] - truth) / table["einstein_radius_total"])
    good = np.array(table["trusted"])
    print(json.dumps({
        "lenses": len(table), "workers": workers, "seconds": round(time.perf_counter() - begun, 1),
        "cpu_s_a_lens_all_told": round(cpu / len(table), 2), "median_cpu_s": round(float(np.nanmedian(costs)), 2),
        "last_half_median_cpu_s": round(float(np.nanmedian(costs[len(costs) // 2 :])), 2),
        "verdicts": Counter(map(str, table["verdict"])), "failed": int(np.sum(table["state"] == "failed")),
        "off_by_more_than_1_percent": int(np.sum(np.abs(table["einstein_radius"] / truth - 1) > 0.01)),
        "trusted_within_3_errors": f"{int(np.sum(pull[good] < 3))} of {int(np.sum(good))}",
        "rms_pull_of_trusted": round(float(np.sqrt(np.mean(pull[good] ** 2))), 2),
    }))  # fmt: skip


def optimum(out: Path) -> None:
    """Compare every fit with a descent from the truth."""
    from lensfit.staged.joint import Joint
    from lensfit.staged.stages import Stages

    excesses = {}
    for name in Table.read(out / "survey" / "lenses.parquet")["name"]:
        done = lensfit.load(out / "survey" / "lenses" / str(name))
        problem = done.problem
        truth, _, _ = euclid_lenses.drawn(int(str(name)[1:]))
        case = Stages.of(problem.likelihood).case(problem.model, problem.likelihood)
        true = np.array([_at(truth, parameter) for parameter in case.space.names])
        reference = Joint.of(case).descend(problem.likelihood, true, 60, 1e-3)
        z = np.asarray(problem.to_z(done.fitted.theta))
        excesses[str(name)] = float(done.fitted.chi2 + z @ z - reference.objective)
        print(json.dumps({"lens": str(name), "excess": round(excesses[str(name)], 3)}), flush=True)
    arrived = sum(excess < WITHIN for excess in excesses.values())
    print(json.dumps({"lenses": len(excesses), "at_the_optimum": arrived}))


def _at(model: Any, dotted: str) -> float:
    """The number of a model by its dotted name."""
    if dotted == "sky":
        return 0.0
    group, profile, field = dotted.split(".")
    return float(getattr(getattr(model, group)[profile], field))


def nap(lens: Lens, folder: Path, seed: int) -> dict[str, Any]:
    """A lens that sleeps."""
    time.sleep(NAP)
    return {"when": time.time()}


def scaling(out: Path) -> None:
    """Lenses per second from the first lens to the last, on several numbers of workers."""
    rates = {}
    for workers in (1, 2, 8):
        shutil.rmtree(out / "scaling", ignore_errors=True)
        lenses = [Lens(name=f"L{k:03}", options={"path": "none"}, base=out) for k in range(NAPS * workers)]
        table = analyse_many(lenses, out / "scaling", workers=workers, task=nap, progress=unseen).table
        ends = np.sort(table["when"])
        rates[workers] = (len(ends) - workers) / (ends[-1] - ends[workers - 1])  # the first round waits for workers
        print(json.dumps({"workers": workers, "per_second": round(rates[workers], 4),
                          "times_one": round(rates[workers] / rates[1], 3)}), flush=True)  # fmt: skip


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "fit", "optimum", "scaling"))
    parser.add_argument("out", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    lensfit.setup()
    if arguments.what == "make":
        print(euclid_lenses.make(arguments.out, arguments.count, arguments.first))
    elif arguments.what == "fit":
        fit(arguments.out, arguments.workers)
    else:
        {"optimum": optimum, "scaling": scaling}[arguments.what](arguments.out)


if __name__ == "__main__":
    main()
