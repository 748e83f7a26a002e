"""Fitters: one file for each algorithm or foreign library. What a new one needs is imported from here."""
from lensfit.fitters._base import Checkpoint, FitResult, Fitter, State
from lensfit.fitters._calls import Calls
from lensfit.fitters._result import Clock, Samples, result_of
from lensfit.fitters.checkpoint import Store
from lensfit.progress import Progress
from lensfit.verdict import Check, Trust

__all__ = [
    "Calls", "Check", "Checkpoint", "Clock", "FitResult", "Fitter", "Progress", "Samples", "State", "Store", "Trust",
    "result_of",
]  # fmt: skip
