"""Kill workers, schedulers and clients of surveys at random times; nothing may be lost, and the table stays the same.

python benchmarks/survey_kills.py OUT [--kills 100] [--each 10] [--lenses 24] [--seed 0] runs surveys whose lenses
sleep a little. Half of them have a cluster of their own, half that of a `dask scheduler` and two `dask worker`s on
loopback. At random times one process is killed (-9): a worker, the scheduler (the cluster is then started anew), or
the client (the same survey is then begun again), at most `each` times in a survey: on a busy machine a client may not
live long enough for one lens. Each survey that comes to its end is compared with an undisturbed one, file by file,
and the next begins in a new folder. Prints what was killed, how many lenses were lost or doubled, and whether the
tables are the same bit for bit; exits with 1 where they are not.
"""
from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

NAP = 0.15
TABLES = ("lenses.ecsv", "lenses.parquet")
DASK = (sys.executable, "-m", "distributed.cli.dask_worker"), (sys.executable, "-m", "distributed.cli.dask_scheduler")


def nap(lens: Any, folder: Path, seed: int) -> dict[str, Any]:
    """Sleeps, and says what only its seed decides."""
    time.sleep(NAP * (1 + seed % 3))
    (folder / "result.json").write_text("{}")
    value = random.Random(seed).random()
    return {"verdict": "TRUSTED", "trusted": True, "x": {"value": value, "error": 0.1 * value, "unit": "arcsec"}}


def client(out: str, count: int, address: str) -> None:
    """A survey of sleeping lenses, in a process of its own."""
    from lensfit.survey import Lens, analyse_many

    lenses = [Lens(name=f"L{k:04}", options={"path": "none"}, base=Path()) for k in range(count)]
    where = {"scheduler": address} if address else {"workers": 2}
    analyse_many(lenses, out, task=nap, retries=20, **where)


class Cluster:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self, port: int) -> None:
        self.address, self.port = f"tcp://127.0.0.1:{port}", port
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        """Start what does not run."""
        self.stop()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        worker, scheduler = DASK
        here = ["--host", "127.0.0.1"]
        self.processes = [subprocess.Popen([*scheduler, *here, "--port", str(self.port), "--no-dashboard"], **quiet)]
        more = ["--nthreads", "1", "--no-dashboard", *here]
        self.processes += [subprocess.Popen([*worker, self.address, *more], **quiet) for _ in range(2)]

    def stop(self) -> None:
        """End all of it, the workers' own processes too."""
        for process in self.processes:
            for one in (*_below(process.pid), process.pid):
                _kill(one)
            process.wait()
        self.processes = []


def _below(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _workers(pid: int) -> list[int]:
    """Processes that fit lenses below a client or a nanny."""
    found = []
    for child in _below(pid):
        try:
            if "spawn_main" in " ".join(psutil.Process(child).cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


class Survey:
    """One survey that is disturbed until it has come to its end."""

    def __init__(self, out: Path, count: int, cluster: Cluster | None) -> None:
        self.out, self.count, self.cluster = out, count, cluster
        self.process = self.begin()

    def begin(self) -> subprocess.Popen[bytes]:
        """Its client."""
        address = self.cluster.address if self.cluster else ""
        command = [sys.executable, __file__, "client", str(self.out), str(self.count), address]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(self.out.parent / "errors.txt").open("ab"))

    def kill(self, what: str) -> bool:
        """Whether a process of that kind was there to be killed."""
        if what == "client":
            workers = _below(self.process.pid)
            _kill(self.process.pid)
            self.process.wait()
            for pid in workers:  # dask's own end with their client; the others wait for it no longer
                _wait_gone(pid)
            self.process = self.begin()
            return True
        if what == "scheduler":
            assert self.cluster is not None
            _kill(self.cluster.processes[0].pid)
            self.cluster.start()
            return True
        parents = [self.process] if self.cluster is None else self.cluster.processes[1:]
        found = [pid for parent in parents for pid in _workers(parent.pid)]
        if found:
            _kill(random.choice(found))
        return bool(found)


def _wait_gone(pid: int) -> None:
    end = time.monotonic() + 30
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)


def ended(out: Path) -> int:
    """Lenses whose folder is whole."""
    return len([*out.glob("lenses/*/lens.json")])


def check(out: Path, whole: Path, count: int) -> tuple[int, int, bool]:
    """Lenses lost, lenses twice in the table, and whether the tables are those of an undisturbed survey."""
    from astropy.table import Table

    names = [str(name) for name in Table.read(out / TABLES[0], format="ascii.ecsv")["name"]]
    done = {path.parent.name for path in out.glob("lenses/*/lens.json")
            if json.loads(path.read_text())["state"] == "done"}  # fmt: skip
    same = all((out / name).read_bytes() == (whole / name).read_bytes() for name in TABLES)
    twice = sum(number - 1 for number in collections.Counter(names).values())
    return count - len(done & set(names)), twice, same


def main() -> None:
    """Disturb surveys until so many kills have struck."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--lenses", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    out, count = arguments.out, arguments.lenses
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    client(str(out / "whole"), count, "")
    struck: collections.Counter[str] = collections.Counter()
    lost = twice = number = different = 0
    while sum(struck.values()) < arguments.kills:
        cluster = Cluster(18_790 + number % 100) if number % 2 else None
        survey = Survey(out / f"survey{number}", count, cluster)
        kinds = ["worker", "client"] + (["scheduler"] if cluster else [])
        most = min(sum(struck.values()) + arguments.each, arguments.kills)
        while survey.process.poll() is None:
            time.sleep(random.uniform(0.5, 4.0))
            more = sum(struck.values()) < most and survey.process.poll() is None
            if more and ended(survey.out) and survey.kill(kind := random.choice(kinds)):
                struck[kind] += 1
        if survey.process.returncode:
            raise SystemExit(f"survey {number} could not go on, exit code {survey.process.returncode}")
        if cluster:
            cluster.stop()
        some, double, same = check(survey.out, out / "whole", count)
        lost, twice, different, number = lost + some, twice + double, different + (not same), number + 1
        print(f"{number} surveys, kills {dict(struck)}: {lost} lost, {twice} twice, {different} different", flush=True)
    raise SystemExit(bool(lost or twice or different))


if __name__ == "__main__":
    if sys.argv[1] == "client":
        client(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main()
