"""Nested sampling of dynesty, static and dynamic."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from lensfit.errors import FitError
from lensfit.fitters._base import Checkpoint, FitResult, Progress
from lensfit.fitters._calls import Calls, log_normal
from lensfit.fitters._pickles import dumps, loads
from lensfit.fitters._result import Clock, Samples, result_of
from lensfit.fitters._settings import at_least, one_of
from lensfit.problem import Problem

BOUNDS = ("none", "single", "multi", "balls", "cubes")
SAMPLES = ("auto", "unif", "rwalk", "slice", "rslice")
ADDING = ("INBASEADDLIVE", "INBATCHADDLIVE", "BATCH_DONE")
"""States of a dynamic run in which it cannot be interrupted."""
EVERY = 25
"""Iterations between two reports of progress."""
ALLOWED = frozenset()
"""What a checkpoint of dynesty holds."""


class Watch:
    """What dynesty calls at every iteration: a report of progress and a safe point."""

    def __init__(self, name: str, run: Run, progress: Progress, checkpoint: Checkpoint) -> None:
        self.name, self.run, self.progress, self.checkpoint = name, run, progress, checkpoint
        self.first = 1e300

    def __call__(self, results: Any, niter: int, ncall: int, add_live_it: int | None = None, **more: Any) -> None:
        """See `Sampler.run_nested`."""
        sampler = self.run.sampler
        if niter % EVERY == 0:
            remaining = float(results.delta_logz)
            self.first = min(self.first, remaining) if self.first == 1e300 else max(self.first, remaining)
            share = 1 - np.log1p(remaining) / np.log1p(self.first) if 0 < remaining < 1e300 else 0.0
            note = (f"ln Z {results.logz:.2f}, remaining {remaining:.2g}, ln L {np.max(sampler.live_logl):.7g}, "
                    f"efficiency {results.eff:.2g} %") if more.get("nbatch", 0) == 0 else f"batch {more['nbatch']}"
            self.progress(self.name, np.nan, float(np.clip(share, 0, 1)), note)
        state = getattr(sampler, "internal_state", None)
        if add_live_it is None and (state is None or state.name not in ADDING):
            self.checkpoint.offer(self.run.state)
