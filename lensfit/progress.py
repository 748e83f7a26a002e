"""How a fit tells how it goes on: what is called, what nobody sees, and a bar."""
from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

import numpy as np

FORM = "{desc} |{bar:24}| {percentage:3.0f} % {elapsed} spent, {remaining} left"
TICK = 0.5
"""Seconds after which the time shown on a terminal runs on, also while a stage takes long."""


class Progress(Protocol):
    """Is told how a fit goes on."""

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """The stage, the best chi2 (NaN where unknown) and the share of the work that is done.

        note: what else matters for this fitter, as "acceptance 0.31". theta (n,): the best point so far.
        """
        ...


def silent(stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None) -> None:
    """Progress that nobody sees."""


def part(progress: Progress, start: float, width: float) -> Progress:
    """Progress of a part of the whole that begins at share `start` and is `width` of it."""

    def told(stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None) -> None:
        progress(stage, chi2, start + width * share, note, theta)

    return told


def in_words(chi2: float, note: str) -> str:
    """The best chi2 and the note of a stage, as far as they are known."""
    best = "" if math.isnan(chi2) else f", chi2 {chi2:.7g}"
    return best + (f", {note}" if note else "")


class Bar:
    """One line on a terminal, or a bar in a notebook; nothing where standard error is a file or a pipe."""

    def __init__(self, quiet: bool = False) -> None:
        from tqdm.auto import tqdm
        from tqdm.notebook import tqdm_notebook

        notebook = issubclass(tqdm, tqdm_notebook)
        shown = {} if notebook else {"bar_format": FORM, "file": sys.stderr}
        self.bar = tqdm(total=1.0, leave=False, disable=quiet or (False if notebook else None), **shown)
        self.ended = threading.Event()
        self.clock = None if notebook or self.bar.disable else threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Bar:
        if self.clock is not None:
            self.clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        if self.clock is not None:
            self.clock.join()
        self.bar.close()

    def _tick(self) -> None:
        while not self.ended.wait(TICK):
            self.bar.refresh()

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """See `Progress`."""
        self.bar.set_description_str(f"{stage}{in_words(chi2, note)}", refresh=False)
        self.bar.update(share - self.bar.n)
        self.bar.refresh()


@contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """The progress that was given, or a bar while the block runs."""
    if progress is not None:
        yield progress
        return
    with Bar() as bar:
        yield bar
