"""emcee and dynesty themselves on a pool of processes. From the root of the repository:

    python examples/pool.py [STEPS]

Workers are spawned: a forked one would wait for ever for threads of JAX that did not come along. A spawned one reads
this file anew, and makes the problem once, at its first call.
"""
import functools
import multiprocessing
import sys

import dynesty
import emcee
import numpy as np

import lensfit

lensfit.setup()  # double precision, in every worker too


@functools.cache
def problem():
    """The mock lens with three free numbers; with numba no worker has to compile for XLA."""
    imaging = lensfit.read_imaging("data/jwst_mock").binned(2)
    model = lensfit.read_recipe("examples/three.toml").model
    return lensfit.Problem(model, lensfit.ImagingLikelihood.of(imaging, 1), backend="numba")


def log_posterior(z):
    """ln L + ln N(z)."""
    return float(problem().log_posterior(z))


def log_likelihood(theta):
    """ln L."""
    return float(problem().log_likelihood(theta))


def transform(u):
    """theta of a point of the unit cube."""
    return np.asarray(problem().prior_transform(u))


def main(steps=500):
    """Chains about the optimum of an earlier fit, and the evidence over the whole prior."""
    names, ndim = problem().names, problem().ndim
    best = {"mass.sie.einstein_radius": 1.3, "source.sersic.center_x": 0.045, "source.sersic.center_y": 0.07}
    z = np.asarray(problem().to_z(np.array([best[name] for name in names])))
    start = z + 1e-3 * np.random.default_rng(0).standard_normal((12, ndim))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        chains = emcee.EnsembleSampler(12, ndim, log_posterior, pool=pool)
        chains.run_mcmc(start, steps)
        nested = dynesty.NestedSampler(log_likelihood, transform, ndim, nlive=60, sample="rwalk", pool=pool,
                                       queue_size=2, rstate=np.random.default_rng(0))  # fmt: skip
        nested.run_nested(maxcall=100 * steps, print_progress=False)
    theta = np.asarray(problem().to_theta(chains.get_chain(discard=steps // 2, flat=True)))
    for name, mean, width in zip(names, theta.mean(axis=0), theta.std(axis=0), strict=True):
        print(f"{name:26} {mean:.5f} +- {width:.5f}")
    print(f"ln evidence {nested.results.logz[-1]:.1f} +- {nested.results.logzerr[-1]:.1f}")


if __name__ == "__main__":  # a worker must not begin the work again
    main(*map(int, sys.argv[1:]))
