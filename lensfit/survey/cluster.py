"""Where lenses are fitted: a cluster of dask on this machine, or one that exists."""
from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lensfit.errors import FitError, ModelError
from lensfit.names import ONE_THREAD

PATIENCE = 30.0
"""Seconds in which a scheduler must answer, also one that was lost."""
STARTS = 5
"""How often workers on this machine are made before they are said not to start."""
INSTALL = "fits of many lenses need dask.distributed, which is not installed; pip install 'lensfit[many]'"
ONE_CORE = (*ONE_THREAD, "PJRT_NPROC", "NPROC")
"""XLA's variables too, which it reads when it starts: a worker has one core."""
WORKERS = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.memory.target": False,  # a fit's memory cannot be spilled,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # and a worker that pauses for it would wait for ever:
    "distributed.worker.memory.terminate": 0.95,  # it is ended and started anew instead
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(ONE_CORE, "1") | {"MALLOC_TRIM_THRESHOLD_": "65536"},
}
"""Settings of dask for workers on this machine."""

logger = logging.getLogger("lensfit")


@contextmanager
def connected(workers: int | None, scheduler: str | None, memory: float | None) -> Iterator[Any]:
    """A client of dask: of the scheduler at an address, else of workers that are made here and end with the block.

    Args:
        workers: processes to make, None = one a core.
        scheduler: address, as "tcp://10.0.0.1:8786".
        memory: GiB of each worker, None = its share of the machine's.

    Raises:
        ModelError: dask.distributed is not installed. FitError: no scheduler answers there, its workers have several
            threads, or workers made here do not start.
    """
    try:
        import distributed
        from dask.config import set as configured
    except ImportError as error:
        raise ModelError(INSTALL) from error
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if scheduler is None:
            stack.enter_context(configured(WORKERS))
            cluster = stack.enter_context(_local_cluster(workers or cores(), memory))
            client = stack.enter_context(distributed.Client(cluster))
            client.register_plugin(_deaf_plugin())
        else:
            try:
                client = stack.enter_context(distributed.Client(scheduler, timeout=f"{PATIENCE:g}s"))
            except (OSError, ValueError) as error:
                raise FitError(f"no scheduler of dask answers at {scheduler} ({error}); start one there with "
                               "`dask scheduler`, or leave it out for workers on this machine") from error
            threads: Any = client.nthreads()
            check_threads(threads)
        yield client


def _local_cluster(workers: int, memory: float | None, starts: int = STARTS) -> Any:
    """So many workers on this machine. dask gives all of them up where one dies while it starts: they are made again.

    Raises FitError where they do not start.
    """
    import distributed

    try:
        return distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
            memory_limit="auto" if memory is None else int(memory * 2**30),
        )  # fmt: skip
    except RuntimeError as error:
        if starts == 1:
            raise FitError(f"workers of dask did not start on this machine ({error}): where memory is short for "
                           f"{workers} processes, ask for fewer with --workers") from error
        logger.warning("a worker died while it started (%s): the workers are made again", error)
    return _local_cluster(workers, memory, starts - 1)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_threads(threads: dict[str, int]) -> None:
    """Raise FitError where a worker would fit several lenses in one process."""
    several = [address for address, count in threads.items() if count != 1]
    if several:
        raise FitError(f"the worker of dask at {several[0]} has several threads, and one that a lens ends would take "
                       "others along; start workers with --nthreads 1, and more of them with --nworkers")


def _deaf_plugin() -> Any:
    """A plugin by which workers leave Ctrl-C, which a terminal sends to all processes, to the client."""
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):
        name = "lensfit-deaf"

        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without dask's messages of workers that come and go: what matters of them is told by lensfit."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
