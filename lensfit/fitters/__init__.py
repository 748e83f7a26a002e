"""Fitters: one file for each algorithm or foreign library. What a new one needs is imported from here."""
from lensfit.fitters.base import Checkpoint, Fitter, Progress, State
from lensfit.fitters.calls import Calls
from lensfit.fitters.checkpoint import Store
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.verdict import Check, Trust

__all__ = [
    "Calls", "Check", "Checkpoint", "Clock", "Diagnostics", "FitResult", "Fitter", "Progress", "Samples", "State",
    "Store", "Trust", "result_of",
]  # fmt: skip
