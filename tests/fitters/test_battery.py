"""Every fitter on problems of known answer: right, repeatable, honest in its counts."""

import cases
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import counter

from lensfit.fitters.descents import with_convergence
from lensfit.fitters.result import Clock, Samples, result_of
from lensfit.problem import Problem
from lensfit.pytree import replace
from lensfit.registry import fit, fitter


@pytest.mark.parametrize("name", cases.QUICK)
def test_right_answer(name, exact, fitted):
    result, sigma = fitted(name).result, np.sqrt(np.diag(exact.covariance))
    if result.samples is None:
        np.testing.assert_allclose(result.theta, exact.mean, atol=1e-2 * sigma.min())
        np.testing.assert_allclose(result.covariance, exact.covariance, rtol=1e-6)
        assert result.converged and result.trust.word == "UNCHECKED", "it is the fit of no lens"
        return
    weights = result.weights / result.weights.sum()
    effective = 1 / np.sum(weights**2) if name in cases.WEIGHTED else 200
    apart = (weights @ result.samples - exact.mean) / sigma
    assert np.max(np.abs(apart)) < 4 / np.sqrt(effective), "weighted mean"
    np.testing.assert_allclose(result.errors, sigma, rtol=4 / np.sqrt(2 * effective))
    assert np.max(np.abs(result.theta - exact.mean) / sigma) < 2, "best point"


@pytest.mark.parametrize("name", cases.WEIGHTED)
def test_evidence(name, exact, fitted):
    result = fitted(name).result
    assert abs(result.log_evidence - exact.log_evidence) < 3 * result.log_evidence_error
    assert result.log_evidence_error < 0.5


@pytest.mark.parametrize("name", cases.QUICK)
def test_same_seed_same_result(name, exact, short):
    start = cases.start(name, exact.mean)
    same(short(name), fit(exact.problem, fitter(name, cases.SHORT[name]), seed=5, start=start))


def same(first, second):
    """Two results are one, bit for bit."""
    np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    assert (first.evaluations, first.gradients) == (second.evaluations, second.gradients)
    assert (first.log_evidence, first.log_evidence_error) == (second.log_evidence, second.log_evidence_error)
    for name in ("samples", "weights"):
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


@pytest.mark.parametrize("name", cases.QUICK)
def test_evaluations_are_what_the_likelihood_counts(name, exact, fitted):
    done = fitted(name)
    before, samples = counter(), None
    if done.result.samples is not None:
        samples = Samples(theta=done.result.samples, weights=done.result.weights)
    result = result_of(exact.problem, done.result.theta, fitter=name, clock=Clock.start(), converged=True,
                       evaluations=None, gradients=None, samples=samples)
    if samples is None:
        with_convergence(exact.problem, result)
    checked = int(cases.start(name, exact.mean) is not None)
    assert done.result.evaluations == done.calls - checked - (counter() - before)
    assert (done.result.gradients is not None) == (name in cases.SLOPES)


@pytest.mark.parametrize("name", ["lm", "adam", "jaxopt-lm", "pyswarms", "emcee"])
def test_start(name, exact):
    """From the answer, moved by some sigma."""
    settings = dict(cases.QUICK[name]) | ({"nsteps": 100} if name == "emcee" else {})
    start = exact.mean + 3 * np.sqrt(np.diag(exact.covariance))
    result = fit(exact.problem, fitter(name, settings), start=start)
    assert np.max(np.abs(result.theta - exact.mean) / np.sqrt(np.diag(exact.covariance))) < 1
    again = fit(exact.problem, fitter(name, settings), start=result)
    assert again.log_posterior >= result.log_posterior - 1


def test_a_descent_that_was_cut_short_says_so(exact):
    result = fit(exact.problem, fitter("adam", {"starts": 2, "steps": 3}))
    assert not result.converged and not result.trust.trusted
    assert any("not at an optimum" in note for note in result.notes)
    assert "did not converge" in result.trust.reasons[0]


def test_descents_side_by_side_end_where_they_do_one_by_one(exact, fitted):
    result = fit(exact.problem, fitter("adam", cases.QUICK["adam"] | {"lanes": 2}), seed=5)
    np.testing.assert_allclose(result.theta, fitted("adam").result.theta, atol=1e-7)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in cases.LONG)) for name in cases.QUICK]
)
def test_small_lens(name, tiny_lens):
    problem, truth = tiny_lens
    result = fit(problem, fitter(name, cases.QUICK[name]), seed=2, start=cases.start(name, truth))
    assert np.all(np.abs(result.theta - truth) < 4 * result.errors), (result.theta - truth) / result.errors
    assert result.chi2 < result.data_count + 5 * np.sqrt(2 * result.data_count)
    asked = {check.name for check in result.trust.checks}
    assert {"lensed source", "counter-image", "optimum", "residuals"} < asked
    assert asked & {"converged", "importance weights", "chains agree"}, "its fitter's own check"
    assert jnp.isfinite(result.log_likelihood)


def test_noise_that_is_far_too_small_is_told_whatever_the_fitter(tiny_lens):
    """It converged, the arcs are explained, and chi2 is far above the noise."""
    problem, truth = tiny_lens
    likelihood = problem.likelihood
    bright = replace(likelihood, whitened_data=8 * likelihood.whitened_data, inverse_noise=8 * likelihood.inverse_noise)
    sharp = Problem(problem.model, bright)
    result = fit(sharp, fitter("lm", {"starts": 1}), start=truth)
    assert result.trust.word == "NOT TRUSTED"
    (reason,) = (check.finding for check in result.trust.checks if check.name == "noise")
    assert reason in result.trust.reasons and "times too small" in reason
    assert any("no search says that no other basin is better" in reason for reason in result.trust.reasons)
