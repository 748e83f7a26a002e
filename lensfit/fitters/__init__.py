"""Fitters: one file for each algorithm or foreign library. What a new one needs is imported from here too."""
from lensfit.fitters.base import Checkpoint, Fitter, State, at_least, below, one_of
from lensfit.fitters.calls import Calls
from lensfit.fitters.checkpoint import Store
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.fitters.dynesty import Dynesty, DynestyDynamic
from lensfit.fitters.emcee import Emcee
from lensfit.fitters.importance import Importance
from lensfit.fitters.jaxopt import JaxoptLBFGS, JaxoptLBFGSB, JaxoptLM
from lensfit.fitters.lm import LM
from lensfit.fitters.nautilus import Nautilus
from lensfit.fitters.nss import NSS
from lensfit.fitters.nuts import NUTS
from lensfit.fitters.optax import LBFGS, Adam
from lensfit.fitters.pyswarms import PySwarms
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.progress import Progress
from lensfit.terms import Term
from lensfit.verdict import Check, Trust

__all__ = [
    "LBFGS", "LM", "NSS", "NUTS", "Adam", "Calls", "Check", "Checkpoint", "Clock", "Diagnostics", "Dynesty",
    "DynestyDynamic", "Emcee", "FitResult", "Fitter", "Importance", "JaxoptLBFGS", "JaxoptLBFGSB", "JaxoptLM",
    "Nautilus", "Progress", "PySwarms", "Samples", "State", "Store", "Term", "Trust", "at_least", "below", "one_of",
    "result_of",
]  # fmt: skip
