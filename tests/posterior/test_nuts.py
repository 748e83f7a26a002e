"""NUTS: known posteriors, chains that are told apart, resume; R-hat and effective sizes as arviz has them."""

import warnings

import numpy as np
import pytest
from posterior.known import Edged, cusped, linear, ridge, rings
from posterior.test_importance import Kept

from lensfit.errors import FitError
from lensfit.fitters.base import NoCheckpoint
from lensfit.fitters.diagnostics import effective_size, r_hat
from lensfit.fitters.nuts import NUTS, learnt
from lensfit.fitters.optimum import optimum
from lensfit.problem import Problem
from lensfit.progress import silent

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # that a refactor of arviz is coming
    import arviz


def run(problem, start, seed=1, checkpoint=None, **settings):
    return NUTS(**settings).run(
        problem, seed=seed, start=start, progress=silent, checkpoint=checkpoint or NoCheckpoint()
    )


def test_linear_model():
    problem, mean, covariance, _ = linear(10)
    found = run(problem, mean + 0.02)
    error, size = np.sqrt(np.diag(covariance)), found.diagnostics.effective_samples
    assert found.converged and not found.trust.failed, found.notes
    assert found.samples.shape == (2000, 10) and size > 500 and found.diagnostics.r_hat < 1.01
    assert np.all(abs(found.samples.mean(axis=0) - mean) < 4 * error / np.sqrt(size))
    np.testing.assert_allclose(found.errors, error, rtol=4 / np.sqrt(2 * size))
    np.testing.assert_allclose(found.log_likelihoods[:9], problem.log_likelihood(found.samples[:9]), rtol=1e-9)
    assert found.log_evidence is None


def test_a_ridge_that_bends_is_walked_to_its_ends():
    problem, error = ridge(0.3, 0.02)
    found = run(problem, np.full(4, 0.01), chains=2, samples=400, warmup=100)
    assert found.diagnostics.effective_samples > 150 and found.diagnostics.r_hat < 1.03
    assert found.errors[0] == pytest.approx(error, rel=0.15)


@pytest.mark.slow
def test_a_ring_goes_round():
    """A curved posterior that the normal approximation knows nothing of."""
    problem, _ = rings(1, 1.5)
    found = run(problem, np.array([0.8, 0.1]), target_acceptance=0.9)
    radius = np.linspace(0, 4, 20001)
    density = np.exp(-0.5 * (1.5 * (radius**2 - 1)) ** 2 - 0.5 * radius**2) * radius
    expected = np.trapezoid(radius * density, radius) / np.trapezoid(density, radius)
    assert found.diagnostics.r_hat < 1.02 and found.diagnostics.effective_samples > 300
    np.testing.assert_allclose(found.samples.mean(axis=0), 0, atol=4 * 0.7 / np.sqrt(300))
    assert np.hypot(*found.samples.T).mean() == pytest.approx(expected, abs=0.03)


@pytest.mark.slow
def test_a_metric_that_the_optimum_has_wrong():
    """A cusp a fiftieth as wide as the posterior: by the curvature there, a number has a 25th of its error."""
    problem, mean, covariance, _ = cusped(10, 0.5, width=0.02, kinked=1.0)
    error = np.sqrt(np.diag(covariance))
    assert optimum(problem, mean).covariance[0, 0] < 2e-3 * covariance[0, 0]
    found = run(problem, mean)
    size = found.diagnostics.effective_samples
    assert found.diagnostics.r_hat < 1.02 and size > 300, found.notes
    assert np.all(abs(found.samples.mean(axis=0) - mean) < 6 * error / np.sqrt(size))
    np.testing.assert_allclose(found.errors, error, rtol=6 / np.sqrt(2 * size))


def normal(count, ndim, scale):
    """(factor, draws, their slopes along x, covariance): a normal posterior, draws `scale` times as wide."""
    rng = np.random.default_rng(2)
    covariance, old = (m @ m.T / ndim + 0.1 * np.eye(ndim) for m in rng.standard_normal((2, ndim, ndim)))
    factor = np.linalg.cholesky(old)
    z = 3 + scale * rng.multivariate_normal(np.zeros(ndim), covariance, count)
    return factor, z, -np.linalg.solve(covariance, (z - 3).T).T @ factor, covariance


@pytest.mark.parametrize(("count", "scale", "within"), [(8, 1e4, 1e-3), (30, 1.0, 0.35), (3000, 1.0, 0.01)])
def test_metric_of_a_normal_posterior(count, scale, within):
    """Of wide draws hardly more than parameters are enough, of draws as wide as the posterior five times as many."""
    factor, z, slopes, covariance = normal(count, 6, scale)
    made = learnt(factor, z, slopes)
    ratios = np.linalg.eigvals(np.linalg.solve(covariance, made @ made.T)).real
    np.testing.assert_allclose(ratios, 1, atol=within)


def test_metric_of_steep_slopes_at_few_places():
    """Twelve draws in 20 dimensions leave eight in which the old metric is all there is."""
    z, slopes = np.random.default_rng(3).standard_normal((2, 12, 20))
    made = learnt(np.eye(20), 1e5 * z, 1e5 * slopes)
    assert np.all(np.isfinite(made)) and np.linalg.matrix_rank(made) == 20
    with pytest.raises(FitError, match=r"slopes of ln posterior go up to \d\.\de\+12 .*; start from the optimum"):
        learnt(np.eye(20), 1e12 * z, 1e12 * slopes)


def test_a_chain_that_begins_where_ln_l_is_nan():
    problem, mean, covariance, _ = linear(3)
    edge = float(mean[0] + 0.5 * np.sqrt(covariance[0, 0]))
    problem = Problem(problem.model, Edged(**vars(problem.likelihood), edge=edge))
    with pytest.raises(FitError, match=r"(not finite,|is NaN) at mass.s00.gamma1 = .*, sky = .*; narrow the priors"):
        run(problem, mean)


def test_too_few_steps_are_said_to_be():
    problem, mean, *_ = linear(10)
    found = run(problem, mean, chains=2, samples=25, warmup=25)
    assert not found.converged and "R-hat" in found.trust.reasons[0]


def test_same_seed_same_result_also_after_a_stop():
    problem, mean, *_ = linear(3)
    settings = {"chains": 2, "samples": 50, "warmup": 50}
    whole = run(problem, mean, **settings)
    for stop in (1, 3, 7):
        kept = Kept(stop)
        with pytest.raises(KeyboardInterrupt):
            run(problem, mean, checkpoint=kept, **settings)
        again = run(problem, mean, checkpoint=Kept(0, kept.state), **settings)
        assert np.array_equal(again.samples, whole.samples)
        assert again.evaluations == whole.evaluations and again.diagnostics == whole.diagnostics


def test_without_a_start_it_climbs_from_the_prior():
    problem, mean, *_ = linear(3)
    found = run(problem, None, chains=1, samples=25, warmup=25)
    np.testing.assert_allclose(found.theta, mean, atol=1e-3)


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.9])
@pytest.mark.parametrize("shape", [(4, 500), (1, 301), (2, 40)])
def test_diagnostics_are_those_of_arviz(memory, shape):
    rng = np.random.default_rng(5)
    chains = rng.standard_normal(shape)
    for k in range(1, shape[1]):
        chains[:, k] += memory * chains[:, k - 1]
    chains[0] += 0.3
    if shape[0] > 1:
        assert r_hat(chains) == pytest.approx(float(arviz.rhat(chains)), rel=1e-9)
    # arviz leaves the last pair of lags out of its monotone sequence: that matters where lags are few
    allowed = 1e-6 if memory < 0.5 else 0.005 if shape[1] > 100 else 0.1
    assert effective_size(chains) == pytest.approx(float(arviz.ess(chains)), rel=allowed)
