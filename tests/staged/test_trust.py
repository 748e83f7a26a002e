"""A right fit is trusted; a star, a galaxy without arcs, noise, a masked ring and a wrong basin are not."""
import dataclasses
import functools

import numpy as np
import pytest
from small_fits import found_at

from lensfit.fitters.lm import descend
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential, Gaussian, Sersic, Shear
from lensfit.registry import fit
from lensfit.simulate import simulate_imaging
from lensfit.space import solve_amplitudes
from lensfit.staged.stages import Stages
from lensfit.standard import flexible, parametric
from lensfit.trust import examine

RADIUS = 0.8
LENS = LensModel(
    light={
        "bulge": Sersic(center_x=0.01, center_y=-0.02, e1=0.08, e2=0.03, intensity=2.0, effective_radius=0.3,
                        sersic_index=3.0),
        "disk": Exponential(center_x=0.01, center_y=-0.02, e1=0.05, e2=-0.05, intensity=0.2, effective_radius=0.8),
    },
    mass={
        "sie": SIE(center_x=0.01, center_y=-0.02, e1=0.1, e2=0.05, einstein_radius=RADIUS),
        "shear": Shear(gamma1=0.03, gamma2=-0.02),
    },
    source={
        "sersic": Sersic(center_x=0.08, center_y=0.05, e1=0.1, e2=0.1, intensity=1.5, effective_radius=0.1,
                         sersic_index=1.2)
    },
)


def instrument() -> Instrument:
    psf = gaussian_psf(0.1, 0.05, 11)
    return Instrument(pixel_scale=0.05, psf=psf, exposure_time=1000.0, gain=1.0, sky=0.1, read_noise=5.0, unit="e/s")


def observed(model: LensModel):
    return simulate_imaging(model, instrument(), (60, 60), seed=3).circular_mask(1.4)


def problem_of(imaging, standard=parametric) -> Problem:
    return Problem(standard(imaging), ImagingLikelihood.of(imaging))


@pytest.fixture(scope="module")
def lens():
    return observed(LENS)


@pytest.fixture(scope="module")
def right(lens):
    """right(standard): the fit of the lens by a standard model, seed 1, and what its progress told."""

    @functools.cache
    def made(standard):
        told = []
        result = fit(problem_of(lens, standard), seed=1, progress=lambda *call, **_: told.append(call))
        return result, told

    return made


def without_arcs():
    return observed(dataclasses.replace(LENS, source={}))


def star():
    point = Gaussian(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, intensity=5000.0, sigma=0.005)
    return observed(LensModel(light={"star": point}, mass={}, source={}))


def noise():
    imaging = without_arcs()
    data = imaging.noise * np.random.default_rng(5).standard_normal(imaging.shape)
    return dataclasses.replace(imaging, data=data)


def masked_arcs():
    imaging = observed(LENS)
    radius = np.hypot(imaging.x, imaging.y)
    return imaging.with_mask((radius > 0.45) & (radius < 1.25))


def test_a_lens_is_fitted_and_trusted(right):
    result, _ = right(parametric)
    k = result.names.index("mass.sie.einstein_radius")
    assert abs(result.theta[k] - RADIUS) < 4 * result.errors[k]
    assert result.trust.trusted, result.trust.reasons
    assert result.converged
    assert result.evaluations > result.gradients > 300
    assert np.all(result.errors > 0)
    truth = {"mass.shear.gamma1": 0.03, "light.bulge.intensity": 2.0, "source.sersic.effective_radius": 0.1}
    for name, value in truth.items():
        assert abs(result[name] - value) < 4 * result.errors[result.names.index(name)]
    names = {"as fitted", "PSF 5 % wider", "no shear", "two sources", "two sources, no shear"}
    assert {v.name for v in result.variants} == names
    assert result.spread[k] < 0.05 * RADIUS


def test_same_seed_same_result(lens, right):
    first, second = right(parametric)[0], fit(problem_of(lens), seed=1)
    np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(first.covariance, second.covariance)


@pytest.mark.parametrize(
    ("data", "standard"),
    [
        *((data, parametric) for data in (without_arcs, star, noise, masked_arcs)),
        *(pytest.param(data, flexible, marks=pytest.mark.slow) for data in (without_arcs, star, noise, masked_arcs)),
    ],
)
def test_what_is_no_lens_is_not_trusted(data, standard):
    result = fit(problem_of(data(), standard), seed=1)
    assert not result.trust.trusted
    assert result.trust.reasons


@pytest.mark.parametrize("standard", [parametric, pytest.param(flexible, marks=pytest.mark.slow)])
@pytest.mark.parametrize("factor", [0.5, 0.7, 0.85, 1.35])
def test_a_wrong_basin_is_not_trusted(lens, right, factor, standard):
    problem = problem_of(lens, standard)
    case = Stages.of(problem.likelihood).case(solve_amplitudes(problem.model), problem.likelihood)
    space, roles = case.space, case.roles
    fitted = dict(zip(problem.names, right(standard)[0].theta, strict=True))
    theta = np.array([fitted[name] for name in space.names])
    theta[roles.strength.index] *= factor
    source = roles.sources[0]
    theta[[source.center_x, source.center_y]] += [0.15, -0.2]
    theta[source.radius] = 0.3
    free = roles.source | roles.light
    held = descend(space, problem.likelihood, theta, free, 40, 0.1).point
    held_problem = Problem(case.model, problem.likelihood)
    result = examine(held_problem, found_at(held_problem, np.asarray(held.theta), explored=True))
    assert result.trust.word == "NOT TRUSTED", [check.finding for check in result.trust.checks]


def test_progress_names_the_stages(right):
    seen = [(stage, share) for stage, _, share, *_ in right(parametric)[1]]
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any("search" in stage for stage, _ in seen)
