"""What a run tells: log.txt in its folder, and a line of progress on a terminal."""
from __future__ import annotations

import logging
import logging.handlers
import math
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import numpy as np
from tqdm import tqdm

from lensfit.errors import DataError, FitError, ModelError

NAME = "log.txt"
logger = logging.getLogger("lensfit")


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
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            target = logging.FileHandler(self.folder / NAME, mode=self.mode, encoding="utf-8")
        except OSError as error:
            message = f"{self.folder}: cannot be written ({error.strerror}); choose another folder as --out"
            raise DataError(message) from error
        target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.handler.setTarget(target)
        self.handler.flush()

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
    """Progress of a fit: one line on a terminal, a line in the log for each stage and its time."""

    def __init__(self, quiet: bool) -> None:
        form = "{desc} |{bar:24}| {percentage:3.0f} % {elapsed} spent, {remaining} left"
        self.bar = tqdm(total=1.0, bar_format=form, file=sys.stderr, leave=False, disable=quiet or None)
        self.start = self.begun = time.perf_counter()
        self.stage, self.note, self.chi2 = "", "", math.nan
        self.ended = threading.Event()
        self.clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Display:
        self.clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.clock.join()
        self._log_stage()
        self.bar.close()

    def _tick(self) -> None:
        """Let the time on the terminal run on, also while a stage takes long."""
        while not self.ended.wait(0.5):
            self.bar.refresh()

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """Show that a fit is at this stage: its best chi2, the share of the work that is done, and its note."""
        self.chi2 = chi2
        if stage != self.stage:  # the best chi2 now is what the stage before has come to
            self._log_stage()
            self.stage, self.begun = stage, time.perf_counter()
        self.note = note
        self.bar.set_description_str(f"{stage}{self._found()}", refresh=False)
        self.bar.update(share - self.bar.n)
        self.bar.refresh()

    def _log_stage(self) -> None:
        if self.stage:
            now = time.perf_counter()
            seconds = (now - self.begun, now - self.start)
            logger.info("%s: %.2f s, %.2f s in all%s", self.stage, *seconds, self._found())

    def _found(self) -> str:
        best = "" if math.isnan(self.chi2) else f", chi2 {self.chi2:.7g}"
        return best + (f", {self.note}" if self.note else "")
