"""Lens light, begun anew once it is known what the arcs are; what the first search holds beside it."""

import dataclasses

import numpy as np
import pytest
from mock_lens import imaging_of

from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.space import solve_amplitudes
from lensfit.staged.case import Basin, Found, to_theta
from lensfit.staged.image_stages import fit_light, relit
from lensfit.staged.joint import Joint
from lensfit.staged.stages import Stages
from lensfit.standard import parametric, source_only


@pytest.fixture(scope="module")
def case(mock):
    """The mock lens with a fifth of its noise: what differs shows."""
    noise = 0.2 * mock.imaging.noise
    data = mock.image + noise * np.random.default_rng(3).standard_normal(noise.shape)
    imaging = imaging_of(data, noise)
    likelihood = ImagingLikelihood.of(imaging)
    return Stages.of(likelihood).case(solve_amplitudes(parametric(imaging)), likelihood)


@pytest.fixture(scope="module")
def known(case, problem, truth):
    """theta of the case at the truth."""
    values = dict(zip(problem.names, truth, strict=True))
    return np.array([values[name] for name in case.space.names])


def ended(case, theta, iterations):
    point = Joint.of(case).descend(case.levels.full, theta, iterations, 1e-3)
    theta = np.asarray(point.theta)
    return Found(point, theta, (Basin(theta, float(point.objective)),))


def test_a_disk_in_the_nucleus_is_left_again(case, known):
    astray = known.copy()
    where = case.space.names.index("light.disk.effective_radius")
    astray[where] = to_theta(case.space, np.full(case.space.ndim, -2.5))[where]
    found, best = ended(case, astray, 0), ended(case, known, 60)
    assert np.inf > float(found.point.objective) > float(best.point.objective) + 50
    better = relit(case, Joint.of(case), found, np.random.default_rng(0))
    assert float(better.point.objective) == pytest.approx(float(best.point.objective), abs=0.1)


def test_rivals_have_the_new_light(case, known):
    astray = known.copy()
    light = case.space.names.index("light.disk.effective_radius")
    radius = case.space.names.index("mass.sie.einstein_radius")
    astray[light] = to_theta(case.space, np.full(case.space.ndim, -2.5))[light]
    rival = astray.copy()
    rival[radius] *= 1.3
    found = dataclasses.replace(ended(case, astray, 0), basins=(Basin(astray, 1.0), Basin(rival, 2.0)))
    better = relit(case, Joint.of(case), found, np.random.default_rng(0))
    scores = [basin.score for basin in better.basins]
    assert scores == sorted(scores)
    assert all(basin.theta[light] > 2 * astray[light] for basin in better.basins)


def test_the_right_light_stays(case, known):
    found = ended(case, known, 60)
    assert relit(case, Joint.of(case), found, np.random.default_rng(0)) is found


def test_a_slope_is_held_at_2_without_lens_light_too(mock):
    likelihood = ImagingLikelihood.of(mock.imaging)
    case = Stages.of(likelihood).case(source_only(mock.imaging, "epl"), likelihood)
    (light,) = fit_light(case, np.random.default_rng(0))
    assert light.theta[case.space.names.index("mass.epl.slope")] == pytest.approx(2.0, abs=1e-12)
