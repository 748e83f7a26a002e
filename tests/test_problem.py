"""A model and a likelihood as densities, gradients, residuals and Jacobian of vectors."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from scipy import stats

from lensfit import problem as problem_module
from lensfit.errors import ModelError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.native import door
from lensfit.priors import Normal, Uniform
from lensfit.problem import Problem
from lensfit.profiles import Gaussian
from lensfit.pytree import replace

STEPS = (1e-4, 1e-6)
"""In widths of the prior: the cusp of a source, thin on the sky, wants the second."""


@pytest.fixture(scope="module")
def tiny(mock):
    """Four parameters: cheap to compile in every form."""
    x = Normal(mean=0.0, sigma=0.1)
    light = Gaussian(
        center_x=x,
        center_y=0.1,
        e1=0.1,
        e2=0.0,
        intensity=Normal(mean=2.0, sigma=1.0),
        sigma=Uniform(low=0.1, high=2.0),
    )
    more = replace(light, center_x=0.0, center_y=x, sigma=Normal(mean=0.9, sigma=0.1), intensity=1.0)
    model = LensModel(light={"a": light, "b": more}, mass={}, source={}, sky=0.1)
    return Problem(model, ImagingLikelihood.of(mock.imaging, 2))


slopes = jax.jit(lambda space, z: jax.jacfwd(space.to_theta)(z))


def widths(problem, z):
    return np.abs(np.diagonal(np.asarray(slopes(problem.space, z))))


def differences(problem, theta, scale, step):
    """Central differences of fourth order of ln L along each parameter, in units of scale, from residuals."""
    moves = np.concatenate([k * step * np.diag(scale) for k in (1, -1, 2, -2)])
    r = np.split(np.asarray(problem.residuals(theta + moves)).reshape(4 * problem.ndim, -1), 4)
    near, far = (0.5 * np.sum((r[i + 1] - r[i]) * (r[i + 1] + r[i]), 1) for i in (0, 2))
    return (8 * near - far) / (12 * step)


def gradient_error(problem, z):
    """Error of the gradient as a vector in widths of the prior, relative; the nearest step counts."""
    theta, scale = np.asarray(problem.to_theta(z)), widths(problem, z)
    value, gradient = problem.value_and_grad(theta)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    gradient = np.asarray(gradient) * scale
    errors = np.abs([differences(problem, theta, scale, step) - gradient for step in STEPS])
    errors = errors.min(0)
    return np.linalg.norm(errors) / np.linalg.norm(gradient)


def test_gradient_at_draws_of_the_prior(problem):
    """A thousand draws: benchmarks/gradient_check.py."""
    rng = np.random.default_rng(5)
    errors = [gradient_error(problem, z) for z in rng.standard_normal((30, problem.ndim))]
    assert np.median(errors) < 1e-8 and max(errors) < 1e-4


def test_gradient_where_profiles_are_round(problem):
    """At the middle of every prior all ellipticities and shears are zero; beside it the gradient is the same."""
    z = np.zeros(problem.ndim)
    z[problem.names.index("source.sersic.center_x")] = 0.3
    assert gradient_error(problem, z) < 1e-7
    at, beside = (np.asarray(problem.value_and_grad(problem.to_theta(v))[1]) for v in (z, z + 1e-9))
    np.testing.assert_allclose(at, beside, rtol=1e-5, atol=1e-6 * np.abs(at).max())


def test_gradient_with_amplitudes_solved(small):
    """By the envelope theorem the amplitudes need no derivative: each point solves its own."""
    rng = np.random.default_rng(2)
    z0 = np.asarray(small.problem.to_z(small.truth))
    for z in z0 + 0.3 * rng.standard_normal((4, small.problem.ndim)):
        theta, scale = np.asarray(small.problem.to_theta(z)), widths(small.problem, z)
        gradient = np.asarray(small.problem.value_and_grad(theta)[1]) * scale
        assert (np.asarray(small.problem.amplitudes(theta))[:2] > 0).all(), "else the active set may change"
        moves = 1e-4 * np.diag(scale)
        value = lambda t: float(small.problem.log_likelihood(t))  # noqa: E731
        near, far = ([value(theta + k * m) - value(theta - k * m) for m in moves] for k in (1, 2))
        numeric = (8 * np.array(near) - far) / 12e-4
        assert np.linalg.norm(numeric - gradient) < 1e-6 * np.linalg.norm(gradient)


def test_solved_amplitudes_are_the_best(small):
    np.testing.assert_allclose(small.problem.amplitudes(small.truth), small.amplitudes, rtol=1e-6)
    best = small.problem.space.build(small.truth).filled(small.problem.amplitudes(small.truth))
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(best))
    assert best.sky == pytest.approx(0.05, rel=1e-5)
    peak = float(small.problem.likelihood.log_norm)
    assert float(small.problem.log_likelihood(small.truth)) == pytest.approx(peak, abs=1e-6)


def test_jacobian(small):
    z = np.asarray(small.problem.to_z(small.truth)) + 0.1
    theta, scale = np.asarray(small.problem.to_theta(z)), widths(small.problem, z)
    jacobian = np.asarray(small.problem.jacobian(theta)) * scale[:, None, None]
    amplitudes = small.problem.amplitudes(theta)
    residuals = np.asarray(_residuals(small.problem.likelihood, small.problem.space.build(theta).filled(amplitudes)))
    gradient = np.asarray(small.problem.value_and_grad(theta)[1]) * scale
    np.testing.assert_allclose(-np.tensordot(jacobian, residuals, 2), gradient, rtol=1e-9)
    for k in range(small.problem.ndim):
        step = 1e-6 * scale[k] * np.eye(small.problem.ndim)[k]
        moved = [small.problem.space.build(theta + s).filled(amplitudes) for s in (step, -step)]
        up, down = (np.asarray(_residuals(small.problem.likelihood, model)) for model in moved)
        np.testing.assert_allclose((up - down) / 2e-6, jacobian[k], atol=1e-5 * np.abs(jacobian[k]).max())


_residuals = jax.jit(lambda likelihood, model: likelihood.residuals(model))

FORMS = [
    *("log_likelihood", "log_prior", "log_posterior", "prior_transform", "to_theta", "to_z"),
    *("value_and_grad", "residuals", "jacobian", "amplitudes"),
]


@pytest.mark.parametrize("form", FORMS)
def test_batch_equals_singles(form, tiny):
    method = getattr(tiny, form)
    z = np.random.default_rng(1).standard_normal((3, tiny.ndim))
    given = {"prior_transform": stats.norm.cdf(z), "to_theta": z, "log_posterior": z}
    points = given.get(form, np.asarray(tiny.to_theta(z)))
    many, singles = method(points), [method(point) for point in points]
    stacked = jax.tree.map(lambda *alone: np.stack(alone), *singles)
    for together, alone in zip(jax.tree.leaves(many), jax.tree.leaves(stacked), strict=True):
        assert together.shape[0] == 3
        np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-12)


def test_densities_belong_together(tiny):
    z = np.random.default_rng(4).standard_normal(tiny.ndim)
    theta = tiny.to_theta(z)
    np.testing.assert_allclose(tiny.to_z(theta), z, atol=1e-9)
    np.testing.assert_allclose(tiny.prior_transform(stats.norm.cdf(z)), theta, rtol=1e-9)
    value = float(tiny.log_likelihood(theta))
    residuals = np.asarray(tiny.residuals(theta))
    assert value == pytest.approx(-0.5 * np.sum(residuals**2) + float(tiny.likelihood.log_norm))
    assert float(tiny.log_posterior(z)) == pytest.approx(value + stats.norm.logpdf(z).sum())
    slope = np.asarray(slopes(tiny.space, z))
    log_det = np.linalg.slogdet(slope)[1]
    assert float(tiny.log_prior(theta)) == pytest.approx(stats.norm.logpdf(z).sum() - log_det)
    pull = jax.grad(tiny.log_posterior)(jax.numpy.asarray(z))
    chain = slope.T @ np.asarray(tiny.value_and_grad(theta)[1]) - z
    np.testing.assert_allclose(pull, chain, rtol=1e-9)


def test_jax_derives_and_compiles_it(tiny):
    theta = jax.numpy.asarray(tiny.to_theta(np.full(tiny.ndim, 0.3)))
    value, gradient = tiny.value_and_grad(theta)
    np.testing.assert_allclose(jax.grad(tiny.log_likelihood)(theta), gradient, rtol=1e-12)
    assert float(jax.jit(tiny.log_likelihood)(theta)) == pytest.approx(float(value), rel=1e-12)


def test_draws_follow_the_prior(tiny):
    draws = tiny.draw(np.random.default_rng(0), 200)
    assert draws.shape == (200, 4) and np.isfinite(tiny.log_prior(draws)).all()
    index = tiny.names.index("light.a.sigma")
    assert stats.kstest(draws[:, index], stats.uniform(0.1, 1.9).cdf).pvalue > 1e-3
    outside = draws[0].copy()
    outside[index] = 2.1
    assert float(tiny.log_prior(outside)) == -np.inf


def test_other_data_compile_nothing_new(mock, tiny):
    theta = tiny.to_theta(np.zeros(4))
    here = tiny.log_likelihood(theta)
    before = problem_module._log_likelihood.count()
    imaging = replace(mock.imaging, data=1.1 * mock.imaging.data, noise=1.2 * mock.imaging.noise)
    assert Problem(tiny.model, ImagingLikelihood.of(imaging, 4)).log_likelihood(theta) != here
    assert problem_module._log_likelihood.count() == before


@pytest.mark.parametrize("shape", [(), (3,), (5,), (0,), (2, 5), (4, 1), (1, 1, 4)])
def test_wrong_shapes(shape, tiny):
    for form in FORMS:
        with pytest.raises(ModelError, match=r"expected \(4,\) or \(B, 4\) numbers, got shape"):
            getattr(tiny, form)(np.zeros(shape))


def test_any_numbers_will_do(tiny):
    """Lists, integers and single precision are computed in double."""
    expected = tiny.value_and_grad(np.array([0.0, 2.0, 1.0, 1.0]))
    for theta in ([0, 2, 1, 1], (0.0, 2, 1.0, 1), np.float32([0, 2, 1, 1]), np.int64([0, 2, 1, 1])):
        value, gradient = tiny.value_and_grad(theta)
        assert value.dtype == gradient.dtype == np.float64 and value == expected[0]


def test_a_forked_process_is_refused(tiny, monkeypatch):
    """As in a child that was forked after the first use: it would wait for XLA's threads for ever."""
    theta = tiny.to_theta(np.zeros(tiny.ndim))
    monkeypatch.setattr(door, "_FIRST_PROCESS", [os.getpid() + 1])
    with pytest.raises(ModelError, match="get_context\\('spawn'\\)"):
        tiny.log_likelihood(theta)
    with pytest.raises(ModelError, match="forked"):
        Problem(tiny.model, tiny.likelihood)


def test_single_precision_is_refused():
    code = "from lensfit.problem import Problem; Problem(None, None)"
    environment = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert made.returncode != 0
    assert "ModelError" in made.stderr and "jax_enable_x64" in made.stderr and "JAX_ENABLE_X64=1" in made.stderr
