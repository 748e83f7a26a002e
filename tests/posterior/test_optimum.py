"""Steps to the optimum of a density whose curvature is not known beforehand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known import bag, ridge

from lensfit.fitters.laplace import FIRST_STEP, STEP, bend
from lensfit.fitters.optimum import Climb, finish
from lensfit.problem import Problem
from lensfit.pytree import pytree
from lensfit.terms import Residuals


@pytree
class Hills(Residuals):
    """Two hills, the first number about -1 and 1, with a saddle between them."""

    steep: float

    def residuals(self, model):
        first, second, *_ = jax.tree.leaves(model)
        return jnp.stack([self.steep * (first**2 - 1), 3 * second])

    @property
    def log_norm(self):
        return jnp.zeros(())

    @property
    def data_count(self):
        return 2


@pytree
class Rippled(Residuals):
    """Normal in two numbers with a ripple along the first, so high and of such a wavelength."""

    steep: float
    height: float
    wavelength: float

    def residuals(self, model):
        first, second, *_ = jax.tree.leaves(model)
        ripple = jnp.sqrt(1 + 2 * self.height * jnp.cos(2 * jnp.pi * first / self.wavelength))
        return jnp.stack([self.steep * first, 3 * second, ripple])

    @property
    def log_norm(self):
        return jnp.zeros(())

    @property
    def data_count(self):
        return 3


def ended(problem, z, bends=30.0):
    """Where steps from z (n,) ended that take the density to bend so at first, and how it does there."""
    top = float(problem.log_posterior(jnp.asarray(z)))
    return finish(problem.space, problem.likelihood, Climb(np.asarray(z), top, 0, False, bends * np.eye(len(z))))


@pytest.mark.parametrize("bends", [1.0, 400.0])
def test_steps_go_along_a_bent_ridge_to_its_top(bends):
    problem, _ = ridge(0.1, 0.2)
    end, found = ended(problem, [2.0, 0.4, 0.4, 0.4], bends)
    assert end.arrived and 0 <= problem.log_posterior(np.zeros(4)) - end.log_posterior < 0.1
    np.testing.assert_allclose(found.slope, -np.asarray(jax.grad(problem.log_posterior)(jnp.asarray(end.z))), atol=1e-6)
    exact = -np.asarray(jax.hessian(problem.log_posterior)(jnp.asarray(end.z)))
    np.testing.assert_allclose(found.curvature, exact, rtol=0.05, atol=0.1)


def test_a_saddle_is_left_although_nothing_slopes_there():
    problem = Problem(bag(2), Hills(steep=4.0))
    end, found = ended(problem, np.zeros(2))
    assert end.arrived and abs(end.z[0]) == pytest.approx(np.sqrt(1 - 1 / 32), abs=0.03)
    assert np.all(np.linalg.eigvalsh(found.curvature) > 0)


def test_a_saddle_that_is_not_left_is_told(monkeypatch):
    monkeypatch.setattr("lensfit.fitters.optimum.ROUNDS", 1)
    end, found = ended(Problem(bag(2), Hills(steep=4.0)), np.zeros(2))
    assert not end.arrived and np.linalg.eigvalsh(found.curvature)[0] < 0


@pytest.mark.parametrize("times", [2, 9])
def test_a_rough_top_is_no_saddle(times):
    """Its ripple, half of which the first look of the differences spans, bends their second one the wrong way."""
    wavelength = 2 * FIRST_STEP
    deviation = (times + 0.75) * wavelength / STEP
    steep = np.sqrt(deviation**-2 - 1)
    height = 0.8 * wavelength * (STEP * deviation) / np.pi / deviation**2  # bends by -1.6 of what the normal does
    problem = Problem(bag(2), Rippled(steep=steep, height=height, wavelength=wavelength))
    top = np.array([wavelength / 2, 0.0])
    assert np.linalg.eigvalsh(bend(problem.space, problem.likelihood, top).curvature)[0] < 0
    end, found = ended(problem, top, deviation**-2)
    assert end.arrived and abs(end.z[0]) < deviation / 2
    assert 1 / np.sqrt(found.curvature[0, 0]) == pytest.approx(deviation, rel=0.1)


def test_a_climb_says_what_it_took():
    problem, _ = ridge(0.1, 0.2)
    end, found = ended(problem, [2.0, 0.4, 0.4, 0.4])
    likelihood: Any = problem.likelihood
    again, _ = finish(problem.space, likelihood, dataclasses.replace(end, curvature=found.curvature))
    assert again.evaluations > end.evaluations and again.log_posterior >= end.log_posterior
