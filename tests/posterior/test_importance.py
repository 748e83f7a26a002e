"""Importance sampling: known posteriors and evidences, the refusal, resume, and arviz's weights."""

import warnings

import numpy as np
import pytest
from posterior.known import FarEdged, cusped, linear, ridge, rings

from lensfit.errors import FitError
from lensfit.fitters.base import NoCheckpoint
from lensfit.fitters.diagnostics import smooth
from lensfit.fitters.importance import Importance
from lensfit.fitters.optimum import optimum
from lensfit.problem import Problem
from lensfit.progress import silent

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # that a refactor of arviz is coming
    import arviz


def run(problem, start, seed=1, checkpoint=None, **settings):
    return Importance(**settings).run(
        problem, seed=seed, start=start, progress=silent, checkpoint=checkpoint or NoCheckpoint()
    )


class Kept:
    """A checkpoint that stops the fit at its nth safe point, and gives back what it kept."""

    def __init__(self, stop, state=None):
        self.stop, self.state, self.count = stop, state, 0

    def load(self):
        return self.state

    def offer(self, make):
        self.count += 1
        if self.count == self.stop:
            self.state = {key: np.array(value) for key, value in make().items()}
            raise KeyboardInterrupt


@pytest.mark.parametrize("count", [3, 10, 25])
def test_linear_model(count):
    problem, mean, covariance, log_evidence = linear(count)
    start = mean + 0.05
    found = run(problem, start)
    error = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found.theta, mean, atol=1e-2 * error.min())
    assert abs(found.log_evidence - log_evidence) < 3 * found.log_evidence_error < 0.15
    samples, weights = found.samples, found.weights
    assert weights.sum() == pytest.approx(1) and found.diagnostics.effective_samples >= 1000
    scatter = error / np.sqrt(found.diagnostics.effective_samples)
    assert np.all(abs(weights @ samples - mean) < 4 * scatter)
    np.testing.assert_allclose(found.errors, error, rtol=4 / np.sqrt(2 * found.diagnostics.effective_samples))
    np.testing.assert_allclose(found.log_likelihoods[:9], problem.log_likelihood(samples[:9]), rtol=1e-9)
    assert found.converged and found.trust.checks[0].passed and found.evaluations == len(samples) + found.gradients


@pytest.mark.parametrize(("bend", "width"), [(0.3, 0.02), (0.6, 0.1), (1.5, 0.1)])
def test_a_ridge_that_bends_is_followed_to_its_ends(bend, width):
    """Draws about a straight line see its middle alone, and weights do not tell."""
    problem, error = ridge(bend, width)
    found = run(problem, np.full(4, 0.01))
    assert found.errors[0] == pytest.approx(error, rel=0.12)
    first, second = found.weights @ found.samples[:, 0] ** 2, found.weights @ found.samples[:, 1]
    assert second == pytest.approx(bend * first, rel=0.02)


def test_what_no_prior_draws_need_not_be_defined():
    """A bend carries the tails of the proposal far away, where the model may have no value."""
    problem, error = ridge(0.6, 0.1)
    edged = Problem(problem.model, FarEdged(**vars(problem.likelihood)))
    assert run(edged, np.full(4, 0.01)).errors[0] == pytest.approx(error, rel=0.12)


@pytest.mark.parametrize("far", [1e-9, 1e-6, 0.05])
def test_a_cusp_at_the_optimum_is_no_obstacle(far):
    """As where a sub-pixel meets the steep centre of a source: the slope there promises what no step gains."""
    problem, mean, covariance, log_evidence = cusped(10, 0.7)
    found = run(problem, mean + far, effective_samples=4000)
    assert abs(found.log_evidence - log_evidence) < 0.05 + 3 * found.log_evidence_error < 0.2
    np.testing.assert_allclose(found.errors, np.sqrt(np.diag(covariance)), rtol=0.1)
    assert found.trust.checks[0].passed and any("the optimum is a cusp" in note for note in found.notes)


def test_a_ring_is_reached_by_a_better_proposal():
    problem, log_evidence = rings(1, 3.0)
    found = run(problem, np.array([0.8, 0.1]))
    assert abs(found.log_evidence - log_evidence) < 3 * found.log_evidence_error
    np.testing.assert_allclose(found.weights @ found.samples, 0, atol=4 * found.errors.max() / np.sqrt(900))


def test_refusal_where_no_normal_distribution_helps():
    problem, _ = rings(6, 6.0)
    with pytest.raises(FitError, match=r"Pareto k is .* Run nuts from the same start"):
        run(problem, np.full(12, 0.7))


def test_too_few_draws_are_said_to_be():
    problem, mean, *_ = linear(25)
    found = run(problem, mean, draws=1000)
    assert not found.converged and not found.trust.trusted and "raise draws" in found.notes[-1]


def test_same_seed_same_result_also_after_a_stop():
    problem, mean, *_ = linear(10)
    whole = run(problem, mean)
    for stop in (1, 3, 5):
        kept = Kept(stop)
        with pytest.raises(KeyboardInterrupt):
            run(problem, mean, checkpoint=kept)
        again = run(problem, mean, checkpoint=Kept(0, kept.state))
        assert np.array_equal(again.samples, whole.samples) and np.array_equal(again.weights, whole.weights)
        assert again.log_evidence == whole.log_evidence
    assert run(problem, mean, seed=2).log_evidence != whole.log_evidence


def test_a_start_is_needed_and_settings_are_checked():
    problem, mean, *_ = linear(3)
    with pytest.raises(FitError, match="start=fit"):
        run(problem, None)
    with pytest.raises(FitError, match="degrees_of_freedom = 1 is out of range"):
        run(problem, mean, degrees_of_freedom=1)
    with pytest.raises(FitError, match="start from elsewhere"):
        run(problem, np.full(3, np.nan))


def test_optimum_is_where_the_gradient_vanishes(small):
    problem = small.problem
    found = optimum(problem, small.truth + 0.003)
    steps = 1e-4 * np.linalg.cholesky(found.covariance).T
    heights = np.asarray(problem.log_posterior(np.concatenate([found.z + steps, found.z - steps])))
    up, down = heights.reshape(2, -1)
    assert np.max(abs(up - down) / 2e-4) < 0.02
    assert found.log_posterior == pytest.approx(float(problem.log_posterior(found.z)), abs=1e-6)


@pytest.mark.parametrize("shape", [0.1, 0.4, 0.7, 1.2])
@pytest.mark.parametrize("count", [100, 1000, 5000])
def test_smoothed_weights_are_those_of_arviz(shape, count):
    raw = -shape * np.log(np.random.default_rng(count).uniform(size=count)) + 700
    smoothed, k = smooth(raw)
    theirs, their_k = arviz.psislw(raw)
    assert k == pytest.approx(float(their_k), rel=1e-10)
    total = np.log(np.sum(np.exp(smoothed - smoothed.max()))) + smoothed.max()
    np.testing.assert_allclose(smoothed - total, theirs, rtol=1e-10, atol=1e-10)


def test_k_of_equal_or_few_weights_is_infinite():
    assert smooth(np.zeros(50))[1] == np.inf
    assert smooth(np.arange(8.0))[1] == np.inf
