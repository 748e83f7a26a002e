"""The folder that a run writes to, what it tells in log.txt there, and its line of progress on a terminal."""
from __future__ import annotations

import logging
import logging.handlers
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from lensfit.errors import DataError, FitError, ModelError
from lensfit.lock import LOCK, held
from lensfit.progress import Bar, in_words
from lensfit.results import enlist
from lensfit.whole_files import unwritable

NAME, CHECKPOINT = "log.txt", "checkpoint"
logger = logging.getLogger("lensfit")


def check_folder(path: Path) -> None:
    """Raise DataError where a path is there and is no folder."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a file; choose a folder as --out")


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """A folder for this process alone; it is made, and removed again where nothing came into it.

    Raises:
        DataError: it is a file, cannot be written, or another process works in it.
    """
    check_folder(folder)
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        with held(folder, DataError):
            yield
    finally:
        for path in new:
            if not path.is_dir() or any(path.iterdir()):
                break
            path.rmdir()


def check_free(folder: Path, remedy: str = "choose another folder as --out") -> None:
    """Raise DataError where a folder holds anything."""
    if any(path.name != LOCK for path in folder.iterdir()):
        raise DataError(f"{folder}: holds files already; {remedy}")


def check_resumable(folder: Path) -> None:
    """Raise DataError where a folder holds no state of an interrupted fit."""
    if not (folder / CHECKPOINT / "manifest.json").is_file():
        raise DataError(f"{folder}: holds no interrupted fit to go on with; leave --resume out")


class LogFile(logging.FileHandler):
    """A log on a disk that may be full: that is told once, and the fit goes on."""

    full = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell what the logging of a record has met."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        else:
            self._tell(error)

    def close(self) -> None:
        """Close the file, with what can still be written."""
        try:
            super().close()
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self.full:
            self.full = True
            print(f"lensfit: {unwritable(Path(self.baseFilename), error)}", file=sys.stderr)


class RunLog:
    """Everything logged and every warning, in log.txt of a folder once that is opened.

    It is kept back until then, so that data or a model that cannot be used leave nothing behind. A run that
    fails in another way opens it, and it ends with the reason.
    """

    def __init__(self, folder: Path, mode: str = "w") -> None:
        self.folder, self.mode = folder, mode
        self.handler = logging.handlers.MemoryHandler(1, flushOnClose=False)

    def __enter__(self) -> RunLog:
        logging.captureWarnings(True)
        logging.getLogger().addHandler(self.handler)
        logger.setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                self._failed(error)
        finally:
            logging.captureWarnings(False)
            logging.getLogger().removeHandler(self.handler)
            logger.setLevel(logging.NOTSET)
            if self.handler.target is not None:
                self.handler.target.close()
            self.handler.close()

    def open(self) -> None:
        """Make the folder, write what was logged so far, and write along from now on.

        Raises:
            DataError: the folder cannot be made or written to.
        """
        if self.handler.target is not None:
            return
        new = not (self.folder / NAME).exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            target = LogFile(self.folder / NAME, mode=self.mode, encoding="utf-8")
            target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            self.handler.setTarget(target)
            self.handler.flush()
            enlist(self.folder, NAME, grows=True)
        except BaseException as error:  # told to end just then too
            if new:
                self._take_back()
            if isinstance(error, OSError):
                raise unwritable(self.folder, error) from error
            raise

    def _take_back(self) -> None:
        """Leave no log behind that no manifest lists: the folder would be nobody's, and refused from then on."""
        target = self.handler.target
        if target is not None:
            self.handler.setTarget(None)
            target.close()
        (self.folder / NAME).unlink(missing_ok=True)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, (DataError, ModelError)):
            logger.error("cannot be used: %s", error)
        elif isinstance(error, FitError):
            self.open()
            logger.error("the fit failed: %s", error)
        elif isinstance(error, KeyboardInterrupt):
            self.open()
            logger.error("interrupted")
        else:
            self.open()
            logger.error("unexpected error", exc_info=error)
            error.add_note(f"the traceback is in {self.folder / NAME}")


class Display:
    """Progress of a fit: a bar, and a line in the log for each stage and its time."""

    def __init__(self, quiet: bool) -> None:
        self.bar = Bar(quiet)
        self.start = self.begun = time.perf_counter()
        self.stage, self.note, self.chi2 = "", "", math.nan

    def __enter__(self) -> Display:
        self.bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log_stage()
        self.bar.__exit__(kind, error, trace)

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """See `Progress`."""
        self.chi2 = chi2
        if stage != self.stage:  # the best chi2 now is what the stage before has come to
            self._log_stage()
            self.stage, self.begun = stage, time.perf_counter()
        self.note = note
        self.bar(stage, chi2, share, note, theta)

    def _log_stage(self) -> None:
        if self.stage:
            now = time.perf_counter()
            seconds = (now - self.begun, now - self.start)
            logger.info("%s: %.2f s, %.2f s in all%s", self.stage, *seconds, in_words(self.chi2, self.note))
