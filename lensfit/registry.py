"""Fitters by name, imported when asked for, and the verb `fit`."""
from __future__ import annotations

import dataclasses
import datetime
import difflib
import importlib
from typing import Any

from lensfit.errors import FitError
from lensfit.fitters._base import FitResult, Fitter, Progress, silent
from lensfit.problem import Problem

FITTERS = {"staged": "lensfit.staged:Staged"}
"""Name of a fitter -> module:class."""


def fitters() -> tuple[str, ...]:
    """Names of the fitters."""
    return tuple(FITTERS)


def fitter(name: str) -> Fitter:
    """The fitter of that name with its default settings."""
    if name not in FITTERS:
        near = difflib.get_close_matches(name, FITTERS, n=3) or fitters()
        raise FitError(f"there is no fitter named {name!r}; nearest: {', '.join(near)}")
    module, cls = FITTERS[name].split(":")
    return getattr(importlib.import_module(module), cls)()


def fit(
    problem: Problem, fitter_or_name: Fitter | str = "staged", *, seed: int = 0, progress: Progress = silent
) -> FitResult:
    """Fit a problem with a fitter, given by name or as an object with its settings.

    Raises FitError where no fit can be returned; a fit that should not be believed is returned and says so
    in `result.trust`.
    """
    chosen = fitter(fitter_or_name) if isinstance(fitter_or_name, str) else fitter_or_name
    started = datetime.datetime.now(datetime.UTC)
    result = chosen.run(problem, seed=seed, progress=progress)
    return dataclasses.replace(result, provenance=provenance(seed, started) | result.provenance)


def provenance(seed: int, started: datetime.datetime) -> dict[str, Any]:
    """What it takes to make a result again, beside the versions that the result files name."""
    return {"seed": seed, "started": started.isoformat()}
