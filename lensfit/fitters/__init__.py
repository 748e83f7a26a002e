"""Fitters: one file for each algorithm or foreign library. What a new one needs is imported from here."""
from lensfit.fitters._base import Check, Checkpoint, FitResult, Fitter, Progress, State, Trust
from lensfit.fitters._calls import Calls
from lensfit.fitters._result import Clock, Samples, result_of
from lensfit.fitters.checkpoint import Store

__all__ = [
    "Calls", "Check", "Checkpoint", "Clock", "FitResult", "Fitter", "Progress", "Samples", "State", "Store", "Trust",
    "result_of",
]  # fmt: skip
