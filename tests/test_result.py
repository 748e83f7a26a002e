"""A result of any fitter: errors from curvature or samples, amplitudes with theirs, densities of the problem."""

import numpy as np
import pytest

from lensfit.errors import FitError
from lensfit.fitters.laplace import laplace, laplace_of_solved
from lensfit.fitters.lm import descend
from lensfit.fitters.result import Clock, FitResult, Samples, result_of
from lensfit.priors import LogNormal
from lensfit.problem import Problem
from lensfit.pytree import replace


def result(small, **more) -> FitResult:
    given = {"converged": True, "evaluations": 5, "gradients": None} | more
    return result_of(small.problem, small.truth, fitter="none", clock=Clock.start(), **given)


def test_without_samples_errors_come_from_the_curvature(small):
    found = result(small)
    problem = small.problem
    assert found.names == problem.names and found.evaluations == 5 and found.samples is None
    jacobian = np.asarray(problem.jacobian(small.truth)).reshape(problem.ndim, -1)
    columns = np.asarray(problem.likelihood.columns(problem.space.build(small.truth)))
    rows = np.concatenate([jacobian, columns.reshape(len(columns), -1)])
    z = np.asarray(problem.to_z(small.truth))
    steps = 1e-6 * np.eye(problem.ndim)
    slope = [(np.asarray(problem.to_theta(z + s)) - np.asarray(problem.to_theta(z - s))) / 2e-6 for s in steps]
    to_z = np.linalg.inv(np.array(slope).T)
    curvature = rows @ rows.T
    curvature[: problem.ndim, : problem.ndim] += to_z.T @ to_z
    covariance = np.linalg.inv(curvature)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found.errors, scale[: problem.ndim], rtol=1e-5)
    np.testing.assert_allclose(found.amplitude_errors, scale[problem.ndim :], rtol=1e-5)


def test_values_are_those_of_the_problem(small):
    found, problem = result(small), small.problem
    z = np.asarray(problem.to_z(small.truth))
    assert found.log_likelihood == pytest.approx(float(problem.log_likelihood(small.truth)))
    assert found.log_posterior == pytest.approx(float(problem.log_posterior(z)))
    assert found.chi2 == pytest.approx(float(np.sum(np.asarray(problem.residuals(small.truth)) ** 2)), abs=1e-6)
    np.testing.assert_allclose(found.amplitudes, problem.amplitudes(small.truth), rtol=1e-9)
    assert found.model.sky == pytest.approx(found["sky"])
    assert found.data_count == np.count_nonzero(problem.likelihood.inverse_noise)
    assert np.isnan(found.spread).all() and not found.trust.trusted


def test_errors_of_a_descent_that_solved_what_is_sampled(small):
    """An intensity with a prior, solved on the way: errors are those of the curvature in the problem's own space."""
    model = small.problem.model
    disk = replace(model.light["disk"], intensity=LogNormal(median=1.0, sigma=1.0))
    sampled = Problem(replace(model, light={"disk": disk}), small.problem.likelihood)
    free = np.ones(small.problem.ndim, bool)
    end = descend(small.problem.space, sampled.likelihood, small.truth, free, 10, 1e-6, exact=True)
    best = dict(zip(small.problem.names, np.asarray(end.point.theta), strict=True))
    best["light.disk.intensity"] = float(end.point.amplitudes[0])
    theta = np.array([best[name] for name in sampled.names])
    ours = laplace_of_solved(sampled, small.problem.space, theta, end.point, end.system)
    expected = laplace(sampled.space, sampled.likelihood, theta)
    scale = np.sqrt(np.diag(expected.covariance))
    np.testing.assert_allclose(ours.covariance / scale / scale[:, None], expected.covariance / scale / scale[:, None],
                               atol=1e-5)
    for name in ("z", "log_likelihood", "chi2", "amplitudes"):
        np.testing.assert_allclose(getattr(ours.values, name), getattr(expected.values, name), rtol=1e-6, atol=1e-6)


def test_samples_of_the_normal_approximation_give_back_its_errors(small):
    """Draws from the curvature's own covariance: both ways to errors must agree, for the amplitudes as well."""
    without = result(small)
    draws = np.random.default_rng(1).multivariate_normal(without.theta, without.covariance, 4000)
    found = result(small, samples=Samples.equal(draws))
    np.testing.assert_allclose(found.errors, without.errors, rtol=0.05)
    np.testing.assert_allclose(found.amplitude_errors, without.amplitude_errors, rtol=0.25)


def test_weights_count(small):
    without = result(small)
    random = np.random.default_rng(2)
    wide = random.multivariate_normal(without.theta, 4 * without.covariance, 8000)
    distance = np.einsum("si,ij,sj->s", wide - without.theta, np.linalg.inv(without.covariance), wide - without.theta)
    samples = Samples(theta=wide, weights=np.exp(-0.375 * distance), log_evidence=-3.0, log_evidence_error=0.1)
    found = result(small, samples=samples)
    np.testing.assert_allclose(found.errors, without.errors, rtol=0.15)
    assert (found.log_evidence, found.log_evidence_error) == (-3.0, 0.1)


def test_a_point_outside_the_prior_is_no_result(small):
    outside = small.truth + 1e9
    with pytest.raises(FitError):
        result_of(small.problem, outside, fitter="none", clock=Clock.start(), converged=True, evaluations=None,
                  gradients=None)
