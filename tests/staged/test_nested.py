"""The smaller model inside a larger one, and what the larger one is begun from at its end."""

from types import SimpleNamespace

import numpy as np
import pytest

from lensfit.datasets import Interferometer
from lensfit.fitters.result import Basin
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.space import solve_amplitudes
from lensfit.staged.joint import Joint
from lensfit.staged.nested import INSIDE, SPLITS, grow, inside
from lensfit.staged.stages import Stages
from lensfit.standard import VISIBILITIES


@pytest.fixture(scope="module")
def data():
    rows = earth_rotation(spiral(5, 500.0), latitude=-23.0, declination=-40.0, hour_angles=[-1.0, 1.0],
                          wavelength=870e-6, noise=1e-3)  # fmt: skip
    return Interferometer.of(rows, pixel_scale=0.1, shape=(32, 32))


def case_of(data, name):
    term = InterferometerLikelihood.of(data)
    return Stages.of(term).case(solve_amplitudes(VISIBILITIES[name](data)), term)


def test_nothing_is_inside_the_smallest_model(data):
    case = case_of(data, "one_source")
    assert inside(case, Joint.of(case)) is None


@pytest.mark.parametrize("name", ["two_sources", "one_source_and_core"])
def test_the_smaller_model_is_that_of_one_source(data, name):
    case = case_of(data, name)
    joint = Joint.of(case)
    roles, small = inside(case, joint)
    moving = [name for name, free in zip(case.space.names, small.moving, strict=True) if free]
    more = [name for name in moving if name.startswith("light")]
    assert all("center" in name for name in more), "the mass's centre hangs on the core's"
    assert len(moving) - len(more) == case_of(data, "one_source").space.ndim
    assert len({name.split(".")[1] for name in moving if name.startswith("source")}) == len(roles.sources) == 1
    assert small.shown.sum() == 1 and joint.shown.sum() == 2


@pytest.mark.parametrize(("name", "count"), [("two_sources", 1 + SPLITS), ("one_source_and_core", 1)])
def test_a_larger_model_is_begun_at_the_end_of_the_smaller_one(data, name, count):
    case = case_of(data, name)
    end = np.asarray(case.space.to_theta(np.zeros(case.space.ndim)))
    tried = []

    def fit(likelihood, theta, iterations, tolerance, free):
        tried.append(theta)
        return Basin(theta, float(len(tried)))

    best = grow(case, SimpleNamespace(fit=fit), end, np.random.default_rng(0))
    *starts, last = tried
    assert len(starts) == count and starts[0] is end and last is end, "the best start is fitted to its end"
    assert best.theta is end
    first, *others = case.roles.sources
    for start in starts[1:]:
        assert np.abs(np.asarray(case.space.to_z(start))).max() < INSIDE + 1e-9
        (other,) = others
        away = np.hypot(start[other.center_x] - start[first.center_x], start[other.center_y] - start[first.center_y])
        assert 0.7 < away / start[first.radius] < 2.1 and start[other.radius] != start[first.radius]
    places = np.array([start[[s.center_x for s in others]] for start in starts])
    assert len(np.unique(places)) == (count if others else 1) or not others
