"""The numba backend: the same ln L as JAX, amplitudes as scipy's, no XLA in its way, clear refusals."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import lsq_linear

from lensfit.errors import ModelError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.numba_imaging import least_squares
from lensfit.model import LensModel
from lensfit.priors import Normal, Solved
from lensfit.problem import Problem
from lensfit.profiles import Gaussian
from lensfit.pytree import pytree, replace
from lensfit.space import solve_amplitudes
from lensfit.standard import STANDARD, parametric
from lensfit.terms import Residuals


def models(imaging):
    made = {name: make(imaging) for name, make in STANDARD.items()}
    made["solved"] = solve_amplitudes(parametric(imaging))
    made["sky sampled"] = replace(parametric(imaging), sky=Normal(mean=0.0, sigma=0.1))
    made["sky alone"] = LensModel(light={}, mass={}, source={}, sky=Solved(positive=False))
    return made


@pytest.mark.parametrize("name", [*STANDARD, "solved", "sky sampled", "sky alone"])
def test_equals_jax(name, mock):
    model, likelihood = models(mock.imaging)[name], ImagingLikelihood.of(mock.imaging, 2)
    by_jax, by_numba = Problem(model, likelihood), Problem(model, likelihood, backend="numba")
    z = 0.4 * np.random.default_rng(0).standard_normal((3, by_jax.ndim))
    theta = np.asarray(by_jax.to_theta(z)) if by_jax.ndim else z
    np.testing.assert_allclose(by_numba.log_likelihood(theta), by_jax.log_likelihood(theta), rtol=1e-11)
    assert by_numba.log_likelihood(theta[0]) == by_numba.log_likelihood(theta)[0]
    if by_jax.ndim:
        np.testing.assert_allclose(by_numba.log_posterior(z), by_jax.log_posterior(z), rtol=1e-11)


@pytest.mark.parametrize("free", [0, 1, 5])
def test_amplitudes_are_those_of_scipy(free):
    random = np.random.default_rng(free)
    rows, target = random.standard_normal((5, 40)) + 0.7, random.standard_normal(40)
    positive = random.permutation(np.arange(5) >= free)
    low = np.where(positive, 0.0, -np.inf)
    expected = lsq_linear(rows.T, target, (low, np.inf), tol=1e-15).x
    found = least_squares(rows, target, positive)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert (found[positive] >= 0).all()
    rows[2] = 0
    assert least_squares(rows, target, positive)[2] == 0, "a column without light"


def test_no_derivative_is_promised(problem, truth):
    numba = Problem(problem.model, problem.likelihood, backend="numba")
    for call in (numba.value_and_grad, numba.residuals, numba.jacobian):
        with pytest.raises(ModelError, match="backend='jax'"):
            call(truth)
    with pytest.raises(ModelError, match="backend='jax'"):
        jax.grad(numba.log_likelihood)(jnp.asarray(truth))
    with pytest.raises(ModelError, match="got shape"):
        numba.log_likelihood(truth[:3])


@pytree
class Wave(Residuals):
    """A likelihood of another kind."""

    log_norm = 0.0
    data_count = 1

    def residuals(self, model):
        return jnp.zeros(1)


def test_what_it_cannot_do_is_refused(mock, likelihood):
    with pytest.raises(ModelError, match="Wave has no numba backend"):
        Problem(parametric(mock.imaging), Wave(), backend="numba")
    with pytest.raises(ModelError, match="unknown backend 'cupy'"):
        Problem(parametric(mock.imaging), likelihood, backend="cupy")


def test_a_formula_without_numba_form_is_refused(mock, likelihood, monkeypatch):
    monkeypatch.setattr(Gaussian, "formula", staticmethod(lambda x, y, *a, **b: jax.scipy.special.gammaln(x)))
    numbers = {"center_x": 0.0, "center_y": 0.0, "e1": 0.0, "e2": 0.0, "sigma": 0.3}
    model = LensModel(light={"g": Gaussian(**numbers, intensity=Normal(mean=1.0, sigma=0.1))}, mass={}, source={})
    with pytest.raises(ModelError, match="primitive lgamma"):
        Problem(model, likelihood, backend="numba")


PROCESS = """
import jax, sys
jax.config.update("jax_enable_x64", True)
import numpy as np
sys.path.insert(0, "tests")
from mock_lens import imaging_of, observe, small_brightness, small_model
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.problem import Problem
problem = Problem(small_model(), ImagingLikelihood.of(imaging_of(*observe(small_brightness)), 4), backend="numba")
compiled = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
value = problem.log_likelihood(np.full(problem.ndim, 0.3))
assert not any("backend_compile" in event for event in compiled), compiled
jax.jit(lambda x: 3 * x)(1.0)
assert any("backend_compile" in event for event in compiled), "the listener listens"
print(value)
"""


def test_xla_compiles_nothing_for_it(small):
    root = Path(__file__).parents[2]
    made = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, cwd=root)
    assert made.returncode == 0, made.stderr
    expected = float(small.problem.log_likelihood(np.full(small.problem.ndim, 0.3)))
    assert float(made.stdout) == pytest.approx(expected, rel=1e-11)
