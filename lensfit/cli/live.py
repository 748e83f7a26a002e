"""live.png in the run folder, drawn anew while a fit runs, and live.gif of how it converged."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter

from lensfit.analysis import Analysis
from lensfit.plots import Glance, draw_glance, new_figure
from lensfit.progress import Progress
from lensfit.results import replacing_listed
from lensfit.results.files import LIVE
from lensfit.whole_files import unwritable

PICTURE, FILM = LIVE
SHARE = 0.25
"""Share of the time that drawing may take."""
GROWTH = 1.1
"""Time since the first frame of the film, from one to the next, as a factor: fits converge by powers."""
FRAMES_A_SECOND, HOLD = 3, 6
"""Of the film, and frames for which its end is held."""
DPI = 110


class Live:
    """Progress that draws data, model and residual of the best point wherever that is told and has changed."""

    def __init__(self, folder: Path, begun: Analysis, progress: Progress) -> None:
        self.folder, self.analysis, self.progress = folder, begun, progress
        self.figure = new_figure(10.2, 3.3)
        self.film = PillowWriter(fps=FRAMES_A_SECOND)
        self.film.setup(self.figure, folder / FILM, dpi=DPI)
        self.theta: np.ndarray | None = None
        self.started = time.perf_counter()
        self.first: float | None = None
        self.next_picture = self.next_frame = self.started

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """See `Progress`. Raises DataError where the figure cannot be written."""
        self.progress(stage, chi2, share, note, theta)
        now = time.perf_counter()
        if theta is not None and len(theta) != self.analysis.problem.ndim:  # the source has become another one
            return
        if theta is None or now < self.next_picture or (self.theta is not None and np.array_equal(theta, self.theta)):
            return
        self.theta = np.array(theta)
        problem = self.analysis.problem
        glance = self.analysis.observation.glance(problem.likelihood, problem.solved_model(theta))
        self._draw(stage, glance)

    def _draw(self, stage: str, glance: Glance) -> None:
        """Draw the picture, and a frame of the film where it is time for one."""
        now = time.perf_counter()
        draw_glance(self.figure, glance, f"{stage}, {now - self.started:.1f} s")
        with self._written(PICTURE) as path:
            self.figure.savefig(path, dpi=DPI)
        if now >= self.next_frame:
            self.film.grab_frame()
            self.first = now if self.first is None else self.first
            self.next_frame = self.first + GROWTH * (now - self.first)
        done = time.perf_counter()
        self.next_picture = done + (1 / SHARE - 1) * (done - now)  # the model's image may have to be compiled first

    def finish(self, done: Analysis) -> None:
        """The last picture and the film."""
        self.next_frame = 0.0
        if done.parametric is None:  # a source on pixels has no glance
            self._draw("best fit", done.observation.glance(done.problem.likelihood, done.fitted.model))
        for _ in range(HOLD - 1):
            self.film.grab_frame()
        with self._written(FILM) as path:
            self.film.outfile = path
            self.film.finish()

    @contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        """Where a file of the folder is written to, which appears whole."""
        try:
            with replacing_listed(self.folder / name) as path:
                yield path
        except OSError as error:
            raise unwritable(self.folder / name, error) from error
