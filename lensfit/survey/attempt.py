"""One attempt at one lens on a worker: a folder that appears whole, and what is left where the worker dies.

A worker works in OUT/.part-TOKEN/NAME, which becomes OUT/lenses/NAME in one rename: both lie equally deep, so that
paths in a recipe stay right. A token is used once. Where its folder is there already, a worker died with it, and what
it left says why.
"""
from __future__ import annotations

import faulthandler
import gc
import logging
import shutil
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lensfit.errors import LensfitError
from lensfit.results.document import plain
from lensfit.results.manifest import Manifest
from lensfit.survey.catalogue import Lens
from lensfit.survey.outcome import FILE, Outcome, State

LENSES, PART = "lenses", ".part-"
LOG, CRASH = "log.txt", "crash.txt"
"""Of a lens's folder: what was logged, the traceback of an unexpected error in it; and last words of a worker."""
NEAR_LIMIT, GROWN, EVERY = 0.7, 1.02, 0.05
"""Share of a worker's memory from which on it is noted down, growth after which again, seconds between two looks."""
HEAVY = 1.5 * 2**30
"""Bytes of a worker from which on it lets go of what it compiled."""
MEMORY = "memory"
"""How such a note begins."""
logger = logging.getLogger("lensfit")

Task = Callable[[Lens, Path, int], dict[str, Any]]
"""What is done with a lens: it writes into a folder, with a seed, and gives its row (see `lensfit.survey.tables`)."""


class WorkerDied(RuntimeError):
    """A worker died with a lens before."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all lenses of a run share. timeout: seconds a lens may take, None = no limit."""

    out: Path
    seed: int
    timeout: float | None
    task: Task

    def folder(self, name: str) -> Path:
        """Of a lens that has ended."""
        return self.out / LENSES / name

    def part(self, name: str, token: str) -> Path:
        """Where a worker works on it."""
        return self.out / f"{PART}{token}" / name


def attempt(job: Job, lens: Lens, token: str) -> Outcome:
    """Fit a lens, and have its folder appear.

    Raises:
        WorkerDied: this very attempt was begun before, and its worker died.
    """
    known = Outcome.of(job.folder(lens.name), lens.key(job.seed))
    if known is not None and known.state is State.DONE:
        return known
    part = job.part(lens.name, token)
    try:
        part.mkdir(parents=True)
    except FileExistsError:
        raise WorkerDied(lens.name) from None
    with logged(part / LOG), watched(part / CRASH, job.timeout):
        outcome = _ended(job, lens, part)
    settle(job, outcome, part)
    _lighten()
    return outcome


def _lighten() -> None:
    """Let go of the programs of lenses that are done, where they fill the memory: each that looks different has some
    hundred MB of its own."""
    worker = _worker()
    if worker is not None and worker.monitor.get_process_memory() > HEAVY:
        from lensfit.compiled import forget  # the client needs none of it

        forget()
        gc.collect()


def _ended(job: Job, lens: Lens, part: Path) -> Outcome:
    """How the task of a lens ended, whatever it raised."""
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    found, reason = {}, ""
    try:
        found = plain(job.task(lens, part, lens.seed(job.seed)))
    except LensfitError as error:
        reason = str(error)
        logger.error("failed: %s", error)
    except Exception as error:
        reason = f"unexpected {traceback.format_exception_only(error)[-1].strip()} (see {LOG} in its folder)"
        logger.error("unexpected error", exc_info=error)
    cost = {
        "cpu_seconds": time.process_time() - cpu_seconds,
        "seconds": time.perf_counter() - seconds,
        "host": socket.gethostname(),
    }
    return Outcome(name=lens.name, key=lens.key(job.seed), state=State.FAILED if reason else State.DONE,
                   reason=reason, found=found, cost=cost)  # fmt: skip


def settle(job: Job, outcome: Outcome, part: Path) -> None:
    """Have the folder that a worker worked in take its place, unless another attempt at the lens was whole before.

    Files that a user laid beside those of an earlier end go along into the new folder.
    """
    home = job.folder(outcome.name)
    home.parent.mkdir(exist_ok=True)
    if not part.is_dir():  # cleared away by a later run: nobody waits for it
        return
    outcome.write(part)
    try:
        part.rename(home)
    except OSError:  # there is one already
        before = Outcome.of(home, outcome.key)
        if before is None or before.state is not State.DONE:
            aside = part.with_name(f"{outcome.name}.before")
            home.rename(aside)
            _keep_users(aside, part)
            part.rename(home)
    shutil.rmtree(part.parent, ignore_errors=True)


def _keep_users(old: Path, new: Path) -> None:
    manifest = Manifest.of(old)
    ours = {FILE, LOG, CRASH, *(manifest.files if manifest is not None else ())}
    for path in old.iterdir():
        if path.name not in ours and not (new / path.name).exists():
            path.rename(new / path.name)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Everything logged and every warning of a block, in a file."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level, names = logger.level, ("lensfit", "py.warnings")
    logging.captureWarnings(True)
    for name in names:
        logging.getLogger(name).addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name in names:
            logging.getLogger(name).removeHandler(handler)
        logging.captureWarnings(False)
        handler.close()


@contextmanager
def watched(path: Path, timeout: float | None) -> Iterator[None]:
    """Last words of this process in a file, should it die in the block; it ends itself after `timeout` seconds.

    Both work while a library holds Python's lock, as no thread of Python could.
    """
    ended = threading.Event()
    with path.open("w", encoding="utf-8") as file:
        before = faulthandler.is_enabled()
        faulthandler.enable(file)
        if timeout is not None:
            faulthandler.dump_traceback_later(timeout, exit=True, file=file)
        looks = threading.Thread(target=_note_memory, args=(file, ended), daemon=True)
        looks.start()
        try:
            yield
        finally:
            ended.set()
            looks.join()
            if timeout is not None:
                faulthandler.cancel_dump_traceback_later()
            faulthandler.disable()
            if before:
                faulthandler.enable()
    path.unlink()


def _worker() -> Any:
    """The worker of dask that this process is, None where it is none."""
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def _note_memory(file: IO[str], ended: threading.Event) -> None:
    """Note down when this worker comes near its limit, of which dask's nanny then ends it."""
    worker = _worker()
    if worker is None:
        return
    limit = worker.memory_manager.memory_limit
    noted = NEAR_LIMIT * (limit or 0)
    while limit and not ended.wait(EVERY):
        used = worker.monitor.get_process_memory()
        if used > noted:
            noted = GROWN * used
            file.write(f"{MEMORY} {used / 2**30:.2f} GiB of {limit / 2**30:.2f} GiB\n")
            file.flush()


def last_words(part: Path, timeout: float | None) -> str:
    """Why the worker that left a folder died, in words."""
    path = part / CRASH
    said = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if any(line.startswith("Timeout") for line in said.splitlines()):
        return f"took longer than the limit of {timeout:g} s for a lens"
    for line in reversed(said.splitlines()):
        if line.startswith("Fatal Python error"):
            return f"its worker crashed: {line.partition(': ')[2]}"
        if line.startswith(MEMORY):
            return f"its worker was ended from outside, at a {MEMORY} of {line.removeprefix(MEMORY).strip()}"
    return "its worker was ended from outside without a word, as the system does when memory is short"
