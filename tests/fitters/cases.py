"""Small settings for every fitter, so that the battery takes seconds."""

from lensfit.registry import fitter

QUICK = {
    "lm": {"starts": 3},
    "lbfgs": {"starts": 3},
    "adam": {"starts": 3, "steps": 400},
    "jaxopt-lbfgs": {"starts": 3},
    "jaxopt-lbfgsb": {"starts": 3},
    "jaxopt-lm": {"starts": 3},
    "pyswarms": {"n_particles": 20, "iters": 300, "ftol_iter": 40},
    "emcee": {"nwalkers": 16, "nsteps": 1200},
    "dynesty": {"nlive": 80},
    "dynesty-dynamic": {"nlive": 40, "n_effective": 400},
    "nautilus": {"n_live": 200, "n_networks": 1, "n_eff": 500},
    "importance": {"effective_samples": 2000},
    "nuts": {"chains": 2, "samples": 250, "warmup": 50},
    "nss": {"num_live": 80},
    "cross-entropy": {"generations": 30},
}
"""Every fitter but `staged`, which takes no model without a source; the last one is of another package."""
SHORT = QUICK | {
    "pyswarms": {"n_particles": 20, "iters": 60, "ftol_iter": 40},
    "emcee": {"nwalkers": 16, "nsteps": 300},
    "dynesty": {"nlive": 40, "dlogz": 2.0},
    "dynesty-dynamic": {"nlive": 60, "n_effective": 50, "dlogz_init": 2.0},
    "nautilus": {"n_live": 200, "n_networks": 1, "n_eff": 50, "f_live": 0.5},
    "nuts": {"chains": 2, "samples": 50, "warmup": 50},
    "nss": {"num_live": 80, "dlogz": 2.0},
}
"""What takes long is shortened where only the same numbers are asked for."""
SLOPES = ("lm", "lbfgs", "adam", "jaxopt-lbfgs", "jaxopt-lbfgsb", "jaxopt-lm", "importance", "nuts")
"""Fitters that count gradients."""
LINEAR = ("lm", "jaxopt-lm")
"""Fitters that ask for more than a density."""
NESTED = ("dynesty", "dynesty-dynamic", "nautilus", "nss")
WEIGHTED = (*NESTED, "importance")

LONG = ("jaxopt-lbfgs", "jaxopt-lbfgsb", "jaxopt-lm", "emcee", "dynesty-dynamic", "nautilus", "nss")
"""Those for which a lens beside the battery of linear problems is slow: to compile or to sample."""


def start(name, mean):
    """The exact answer `mean` for fitters that begin at an optimum, None for the others."""
    return mean if fitter(name).needs_optimum else None
