"""The client of a survey: it hands lenses to workers, keeps the ledger, and writes tables and page."""
from __future__ import annotations

import collections
import dataclasses
import logging
import queue
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from astropy.table import Table

from lensfit.errors import DataError, FitError
from lensfit.lock import held
from lensfit.names import Figures
from lensfit.survey.attempt import PART, Job, Task, WorkerDied, attempt, last_words, settle
from lensfit.survey.catalogue import Lens, read_catalogue
from lensfit.survey.cluster import PATIENCE, check_threads, connected
from lensfit.survey.index_page import INDEX, write_index
from lensfit.survey.ledger import Ledger, opened
from lensfit.survey.outcome import Outcome, State
from lensfit.survey.samples import write_samples
from lensfit.survey.tables import write_tables
from lensfit.survey.tally import Lines, SurveyProgress, Tally
from lensfit.whole_files import unwritable
from lensfit.words import counted

SAMPLES = "samples.h5"
LOOK = 0.2
"""Seconds between two looks at what goes on, where nothing comes in."""
COUNT_EVERY = 2.0
"""Seconds between two counts of the workers of a cluster that others made."""
SHARE, SOONEST = 0.02, 5.0
"""Share of the time that writing page and tables may take, and seconds between two times at least."""
logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Survey:
    """What came of a run.

    Attributes:
        folder: where everything lies: lenses.ecsv, lenses.parquet, costs.ecsv, index.html, lenses/NAME.
        table: a row a lens, in the order of the catalogue.
        tally: how many are done, trusted, failed.
    """

    folder: Path
    table: Table
    tally: Tally

    def __repr__(self) -> str:
        return f"<Survey in {self.folder}: {self.tally}>"

    @property
    def index(self) -> Path:
        """The page."""
        return self.folder / INDEX


def analyse_many(
    catalogue: str | Path | Table | Iterable[Lens],
    out: str | Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    memory: float | None = None,
    lens_timeout: float | None = None,
    retries: int = 1,
    retry_failed: bool = False,
    figures: Figures = "overview",
    task: Task | None = None,
    progress: SurveyProgress | None = None,
    **options: Any,
) -> Survey:
    """Fit every lens of a catalogue, as `lensfit fit-many` does; in the same folder again, go on.

    Workers are processes of dask, spawned: a script calls this under `if __name__ == "__main__":`.

    Args:
        catalogue: a table (ECSV, CSV, FITS, VOTable, Parquet, or an astropy Table) with a row a lens: columns `name`,
            `path`, and any option of `lensfit fit` by its name, as mask_radius or standard; other columns go along
            into the table. Or a folder with a folder of data a lens.
        out: folder of the survey; workers write into it too.
        seed: same seed, same table, however many workers: each lens has its own of this and its name.
        workers: processes to make, None = one a core; of a cluster that exists, how many lenses it gets at a time.
        scheduler: address of a dask scheduler whose workers (of one thread each) are used.
        memory: GiB of each worker made here, beyond which it is ended; None = its share of the machine's.
        lens_timeout: seconds that a lens may take, None = no limit.
        retries: how often a lens is tried again whose worker died.
        retry_failed: try those again that failed in an earlier run.
        figures: "all" draws those that `lensfit fit` draws, "overview" that one alone.
        task: what is done with a lens, None = `lensfit.survey.fit_lens` with these figures; see
            `lensfit.survey.Task`.
        progress: None writes lines on standard error, `lensfit.survey.unseen` nothing.
        options: of all lenses whose rows do not say otherwise, by the names in `lensfit.survey.OPTIONS`.

    Returns:
        The `Survey`: folder, table, counts.

    Raises:
        DataError: catalogue or folder cannot be used. ModelError: an option cannot. FitError: no scheduler answers, or
            it was lost. KeyboardInterrupt: Ctrl-C, after the lenses in flight; a second one ends at once.
    """
    lenses = read_catalogue(catalogue, options)
    done = partial(_fit_lens, figures=figures) if task is None else task
    job = Job(out=Path(out).absolute(), seed=seed, timeout=lens_timeout, task=done)
    told = Lines() if progress is None else progress
    with _taken(job.out), opened(job.out) as ledger:
        ledger.check({"seed": seed})
        run = Run(job, lenses, ledger, retries=retries, progress=told)
        run.begin(retry_failed)
        if run.waiting:
            with connected(workers, scheduler, memory) as client:
                try:
                    run.go(client, workers, shared=scheduler is not None)
                except FitError:
                    run.finish()
                    raise
        table = run.finish()
    if run.waiting:
        waiting = counted(len(run.waiting), "lens waits", "lenses wait")
        raise KeyboardInterrupt(f"{waiting}; the same command goes on with them")
    return Survey(folder=job.out, table=table, tally=run.tally)


def _fit_lens(lens: Lens, folder: Path, seed: int, figures: Figures) -> dict[str, Any]:
    """`fit_lens`, imported by the worker: the client needs none of what a fit needs."""
    from lensfit.survey.lens_task import fit_lens

    return fit_lens(lens, folder, seed, figures)


@contextmanager
def _taken(out: Path) -> Iterator[None]:
    """The folder of a survey for this client alone. Raises DataError where it is not one, or cannot be had."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; choose a folder as --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from error
    with held(out, DataError):
        yield


class Run:
    """One run of a survey, from where the last one stopped."""

    def __init__(
        self, job: Job, lenses: Sequence[Lens], ledger: Ledger, *, retries: int, progress: SurveyProgress
    ) -> None:
        self.job, self.ledger, self.retries, self.progress = job, ledger, retries, progress
        self.lenses = {lens.name: lens for lens in lenses}
        self.waiting: collections.deque[str] = collections.deque()
        self.flying: dict[Any, tuple[str, str]] = {}
        self.landed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.tally = Tally(total=len(lenses))
        self.started = time.monotonic()
        self.next_writing = 0.0
        self.ending = False

    def begin(self, retry_failed: bool) -> None:
        """Find out what is done already: by the folders of lenses, which a worker may have finished for a client that
        died, and by the ledger."""
        for left in self.job.out.glob(f"{PART}*"):
            shutil.rmtree(left, ignore_errors=True)
        states = self.ledger.states()
        for name, lens in self.lenses.items():
            key, state = states.get(name, ("", State.WAITING))
            asked = lens.key(self.job.seed)
            folder = Outcome.of(self.job.folder(name), asked)
            if folder is None or (retry_failed and folder.state is State.FAILED):
                self.waiting.append(name)
                if name in states:
                    self.ledger.waits(name)
            elif key != asked or state not in (State.DONE, State.FAILED):
                self.ledger.ended(folder)
        for outcome in self.outcomes():
            self.tally = self.tally.after(outcome)
        self.tally = dataclasses.replace(self.tally, earlier=self.tally.ended)

    def go(self, client: Any, window: int | None, *, shared: bool) -> None:
        """Hand out the lenses that wait and take in what comes back, until none is left or the run is to end.

        window: how many lenses are in flight at a time, None = as many as there are workers.
        """
        self.tally = dataclasses.replace(self.tally, dashboard=client.dashboard_link or "")
        count = _Count(client, window, shared)
        with self._ending_gently():
            while self.flying or (self.waiting and not self.ending):
                while self.waiting and not self.ending and len(self.flying) < count():
                    self._submit(client, self.waiting.popleft())
                self._write_when_due()
                self._land(client)

    def finish(self) -> Table:
        """Write page and tables for the last time, and the samples of all lenses where there are some."""
        table = self._write()
        write_samples(self.job.out / SAMPLES, (self.job.folder(outcome.name) for outcome in self.outcomes()
                                               if outcome.state is State.DONE))  # fmt: skip
        return table

    def outcomes(self) -> Iterator[Outcome]:
        """Of the lenses that have ended, in the order of the catalogue."""
        waiting = {*self.waiting, *(name for name, _ in self.flying.values())}
        return self.ledger.outcomes(name for name in self.lenses if name not in waiting)

    def _submit(self, client: Any, name: str) -> None:
        lens, token = self.lenses[name], secrets.token_hex(6)
        self.ledger.started(name, lens.key(self.job.seed))
        future = client.submit(attempt, self.job, lens, token, key=f"lensfit-{name}-{token}", pure=False)
        self.flying[future] = (name, token)
        future.add_done_callback(self.landed.put)

    def _land(self, client: Any) -> None:
        """Take in what has come back; wait a little where nothing has."""
        try:
            future = self.landed.get(timeout=LOOK)
        except queue.Empty:
            _check_alive(client)
            return
        name, token = self.flying.pop(future)
        if future.status == "finished":
            self._ended(future.result())
        elif future.status == "cancelled":  # the scheduler was lost, and not by this lens
            self._again(name)
        else:
            self._fell(name, token, future.exception())
        future.release()

    def _ended(self, outcome: Outcome) -> None:
        self.ledger.ended(outcome)
        self.tally = self.tally.after(outcome)
        said = outcome.reason or outcome.found.get("verdict", "done")
        logger.info("%s: %s", outcome.name, said)
        self._tell()

    def _fell(self, name: str, token: str, error: BaseException) -> None:
        """A lens whose worker died: it waits again, behind the others, or has failed."""
        part = self.job.part(name, token)
        if not _died(error):
            reason = f"could not be handed to a worker ({type(error).__name__}: {error})"
        elif not part.is_dir():  # a lens before it was what the worker died of
            return self._again(name)
        else:
            reason = last_words(part, self.job.timeout)
        tries = self.ledger.crashed(name, reason)
        logger.warning("%s: %s (%d of %d tries)", name, reason, tries, 1 + self.retries)
        if tries <= self.retries:
            self.waiting.append(name)
            shutil.rmtree(part.parent, ignore_errors=True)
            return None
        outcome = Outcome(name=name, key=self.lenses[name].key(self.job.seed), state=State.FAILED, reason=reason)
        part.mkdir(parents=True, exist_ok=True)
        settle(self.job, outcome, part)
        return self._ended(outcome)

    def _again(self, name: str) -> None:
        """A lens that nobody began, or whose scheduler was lost, waits as before."""
        self.waiting.appendleft(name)

    def _tell(self) -> None:
        self.tally = dataclasses.replace(self.tally, seconds=time.monotonic() - self.started)
        self.progress(self.tally)

    def _write_when_due(self) -> None:
        if time.monotonic() >= self.next_writing:
            begun = time.monotonic()
            self._write()
            self.next_writing = time.monotonic() + max(SOONEST, (time.monotonic() - begun) / SHARE)

    def _write(self) -> Table:
        lenses = tuple(self.lenses.values())
        write_index(self.job.out, lenses, self.outcomes(), self.tally)
        return write_tables(self.job.out, lenses, self.outcomes)

    @contextmanager
    def _ending_gently(self) -> Iterator[None]:
        """Ctrl-C ends the run after the lenses in flight, a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def ask(number: int, frame: FrameType | None) -> None:
            if self.ending:
                raise KeyboardInterrupt("lenses in flight were given up; the same command goes on with them")
            self.ending = True
            logger.warning("interrupted: %d lenses in flight are waited for", len(self.flying))

        signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class _Count:
    """How many lenses may be in flight."""

    def __init__(self, client: Any, window: int | None, shared: bool) -> None:
        self.client, self.window, self.shared = client, window, shared
        self.looked, self.count = -COUNT_EVERY, 0

    def __call__(self) -> int:
        if self.client.status != "running":  # nothing can be handed to a scheduler that is lost
            return 0
        if self.window is not None:
            return self.window
        now = time.monotonic()
        if now - self.looked > COUNT_EVERY:
            try:
                threads = self.client.nthreads()
            except OSError:  # it was lost just now
                return 0
            if self.shared:
                check_threads(threads)
            self.count, self.looked = max(self.count * (not self.shared), len(threads)), now
        return self.count


def _check_alive(client: Any) -> None:
    """Raise FitError where the scheduler was lost for good."""
    if client.status not in ("running", "connecting"):
        raise FitError(
            f"the scheduler of dask was lost, and did not come back within {PATIENCE:g} s; what is done is kept: "
            "start it again, and the same command goes on"
        )


def _died(error: BaseException) -> bool:
    from distributed import KilledWorker

    return isinstance(error, (KilledWorker, WorkerDied))
