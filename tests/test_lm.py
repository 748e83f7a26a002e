"""Levenberg-Marquardt with solved amplitudes: it finds the truth, keeps signs and never goes up."""

import itertools

import jax
import numpy as np
import pytest

from lensfit.fitters.lm import descend
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import Normal, Solved
from lensfit.profiles import Gaussian
from lensfit.space import Space
from lensfit.staged.case import basin_of
from lensfit.staged.search import sharp_score


def run(problem, theta, iterations=40, tolerance=1e-4, free=None):
    free = np.ones(problem.ndim, bool) if free is None else free
    return descend(problem.space, problem.likelihood, np.asarray(theta), free, iterations, tolerance)


def away(problem, theta, distance, seed):
    """theta moved by a normal step of that many widths of the prior."""
    z = np.asarray(problem.to_z(theta))
    return np.asarray(problem.to_theta(z + distance * np.random.default_rng(seed).standard_normal(len(z))))


@pytest.mark.parametrize("seed", range(4))
def test_finds_the_truth(seed, small):
    truth = small.truth
    point = run(small.problem, away(small.problem, truth, 0.25, seed)).point
    z = np.asarray(small.problem.to_z(truth))
    assert float(point.objective) <= z @ z + 1e-3, "the truth has no chi2 but what its prior costs"
    assert float(point.chi2) < 0.1
    np.testing.assert_allclose(point.theta, truth, atol=0.02)
    np.testing.assert_allclose(point.amplitudes, small.amplitudes, rtol=0.05)


def test_what_is_said_of_a_point_is_true(small):
    point = run(small.problem, away(small.problem, small.truth, 0.25, 7), iterations=3).point
    np.testing.assert_allclose(small.problem.to_theta(point.z), point.theta, rtol=1e-9)
    np.testing.assert_allclose(small.problem.amplitudes(point.theta), point.amplitudes, rtol=1e-8)
    chi2 = -2 * (float(small.problem.log_likelihood(point.theta)) - float(small.problem.likelihood.log_norm))
    assert float(point.chi2) == pytest.approx(chi2, rel=1e-9)
    assert float(point.objective) == pytest.approx(chi2 + float(point.z @ point.z), rel=1e-9)


def test_never_goes_up_and_keeps_signs(small):
    start = away(small.problem, small.truth, 1.0, 3)
    points = [run(small.problem, start, iterations=n, tolerance=0.0).point for n in range(8)]
    objectives = [float(point.objective) for point in points]
    assert all(after <= before for before, after in itertools.pairwise(objectives))
    assert objectives[-1] < 0.5 * objectives[0]
    np.testing.assert_allclose(points[0].theta, start, rtol=1e-9)
    assert all((np.asarray(point.amplitudes)[:2] >= 0).all() for point in points)


def test_what_is_held_stays(small):
    free = np.arange(small.problem.ndim) % 2 == 0
    start = away(small.problem, small.truth, 0.2, 5)
    point = run(small.problem, start, free=free).point
    z = np.asarray(small.problem.to_z(start))
    np.testing.assert_allclose(np.asarray(point.z)[~free], z[~free], atol=1e-12)
    assert (np.asarray(point.z)[free] != z[free]).all()


def test_linear_gaussian_problem_has_a_closed_form(mock):
    """Two amplitudes sampled with normal priors, one solved: the ridge regression of linear algebra."""
    shape = {"center_x": 0.0, "center_y": 0.0, "e1": 0.1, "e2": 0.0}
    means, sigmas = np.array([0.5, -0.2]), np.array([0.3, 0.02])
    priors = [Normal(mean=m, sigma=s) for m, s in zip(means, sigmas, strict=True)]
    model = LensModel(
        light={
            "a": Gaussian(**shape, intensity=priors[0], sigma=0.3),
            "b": Gaussian(**shape, intensity=priors[1], sigma=0.8),
            "c": Gaussian(**shape, intensity=Solved(positive=False), sigma=1.5),
        },
        mass={},
        source={},
    )
    space, likelihood = Space.of(model), ImagingLikelihood.of(mock.imaging, 2)
    images = jax.jit(lambda a: likelihood.residuals(space.build(a).filled(a[2:])) + likelihood.whitened_data)
    a, b, c = (np.asarray(images(unit)).ravel() for unit in np.eye(3))
    data = np.asarray(likelihood.whitened_data).ravel()
    rows = np.array([sigmas[0] * a, sigmas[1] * b, c])  # in z, z and the amplitude
    target = data - means[0] * a - means[1] * b
    z0, z1, amplitude = np.linalg.solve(rows @ rows.T + np.diag([1.0, 1.0, 0.0]), rows @ target)
    start = np.asarray(space.to_theta(np.array([1.0, -2.0])))
    end = descend(space, likelihood, start, np.ones(2, bool), 60, 0.0)
    best = np.sum((np.array([z0, z1, amplitude]) @ rows - target) ** 2) + z0**2 + z1**2
    assert float(end.point.objective) == pytest.approx(best, rel=1e-9)
    np.testing.assert_allclose(end.point.z, [z0, z1], atol=1e-4)
    np.testing.assert_allclose(end.point.amplitudes, [amplitude], rtol=1e-4)
    curvature = np.asarray(end.system.curvature)
    np.testing.assert_allclose(curvature, rows @ rows.T + np.diag([1.0, 1.0, 0.0]), rtol=1e-4)


def test_a_sampled_sky_has_a_slope(mock):
    """Sky with a normal prior, one amplitude solved: ridge regression; the exact system is that at the end."""
    shape = {"center_x": 0.0, "center_y": 0.0, "e1": 0.1, "e2": 0.0}
    light = {"a": Gaussian(**shape, intensity=Solved(positive=False), sigma=0.8)}
    model = LensModel(light=light, mass={}, source={}, sky=Normal(mean=0.5, sigma=0.5))
    space, likelihood = Space.of(model), ImagingLikelihood.of(mock.imaging, 2)
    column = np.asarray(jax.jit(lambda: likelihood.columns(space.build(np.zeros(1))))())[0].ravel()
    weight, data = np.asarray(likelihood.inverse_noise).ravel(), np.asarray(likelihood.whitened_data).ravel()
    rows = np.array([0.5 * weight, column])
    curvature = rows @ rows.T + np.diag([1.0, 0.0])
    best = np.linalg.solve(curvature, rows @ (data - 0.5 * weight))
    end = descend(space, likelihood, np.array([0.5]), np.ones(1, bool), 30, 1e-6, exact=True)
    np.testing.assert_allclose([*end.point.z, *end.point.amplitudes], best, rtol=1e-4)
    assert int(end.accepted) < 8, "a linear problem takes few steps if the slope is right"
    np.testing.assert_allclose(end.system.curvature, curvature, rtol=1e-9)


def test_an_exact_system_is_that_of_the_end(small):
    """Its curvature is that of the residuals at the point, and its slope all but vanishes at the optimum."""
    start = away(small.problem, small.truth, 0.1, 2)
    free = np.ones(small.problem.ndim, bool)
    end = descend(small.problem.space, small.problem.likelihood, start, free, 40, 1e-6, exact=True)
    rough = descend(small.problem.space, small.problem.likelihood, start, free, 40, 1e-6)
    np.testing.assert_allclose(end.point.theta, rough.point.theta, rtol=1e-5)
    assert int(end.trials) >= int(end.systems) >= int(end.accepted) - 1
    columns = np.asarray(end.point.columns).reshape(len(small.amplitudes), -1)
    n = small.problem.ndim
    np.testing.assert_allclose(end.system.curvature[n:, n:], columns @ columns.T, rtol=1e-12)
    newton = np.linalg.solve(end.system.curvature, end.system.slope)
    assert float(end.system.slope @ newton) < 0.01


def test_an_amplitude_that_is_not_shown_is_zero(small):
    shown = np.array([True, False, True])
    free = np.ones(small.problem.ndim, bool)
    point = descend(small.problem.space, small.problem.likelihood, small.truth, free, 3, 1.0, shown=shown).point
    assert float(point.amplitudes[1]) == 0 and float(point.amplitudes[0]) > 0
    assert not np.asarray(point.columns)[1].any()


def test_a_start_that_is_not_finite_is_never_good(small):
    start = np.full(small.problem.ndim, np.nan)
    point = run(small.problem, start).point
    assert float(point.objective) == np.inf
    basin = basin_of(point, small.problem.likelihood, start, sharp_score)
    assert basin.score == np.inf and basin.theta is start
