"""Lenses of several galaxies: found from the data, by `lensfit.analyse` and by a model of one's own."""

import dataclasses

import numpy as np
import pytest
from mock_lens import imaging_of, observe
from reference import make_mock

import lensfit
from lensfit.analysis import Search
from lensfit.datasets import Galaxy
from lensfit.errors import FitError
from lensfit.lensing import einstein_radius_of, unmasked_field
from lensfit.model import LensModel
from lensfit.priors import Normal, Uniform
from lensfit.profiles import SIE, Shear
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.staged.case import Roles, to_theta
from lensfit.standard import MIDDLE, UNSEEN_SHARE, Scales, flexible, parametric, source_only, with_named

MASSES = {
    "sie": {"center_x": -0.3, "center_y": 0.05, "e1": 0.05, "e2": -0.03, "einstein_radius": 0.65},
    "galaxy_1": {"center_x": 0.38, "center_y": -0.1, "e1": -0.04, "e2": 0.06, "einstein_radius": 0.4},
}
LIGHTS = {"sie": 2.0, "galaxy_1": 0.8}
SOURCE = {"center_x": 0.0, "center_y": 0.06, "e1": 0.1, "e2": -0.2, "intensity": 1.0, "effective_radius": 0.15,
          "sersic_index": 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def imaging():
    """Two galaxies inside one ring, from the plain formulae; the second is named, a little beside its place."""

    def brightness(x, y):
        both = [make_mock.sie(x, y, **mass) for mass in MASSES.values()]
        ax, ay = (sum(a) for a in zip(*both, strict=True))
        light = sum(
            make_mock.sersic(x, y, intensity=LIGHTS[name], effective_radius=0.3, sersic_index=2.0,
                             **{k: v for k, v in mass.items() if k != "einstein_radius"})
            for name, mass in MASSES.items()
        )  # fmt: skip
        return light + make_mock.sersic(x - ax, y - ay, **SOURCE)

    image, noise = observe(brightness)
    made = imaging_of(image + noise * np.random.default_rng(5).standard_normal(image.shape), noise)
    return dataclasses.replace(made, center=(-0.3, 0.05), galaxies=(Galaxy(0.41, -0.08),))


@pytest.mark.slow
def test_two_lens_galaxies_are_found_from_the_data(imaging):
    done = lensfit.analyse(imaging, "flexible", mass="sie", steps=(Search(),), progress=silent)
    result, masses = done.fitted, {name: SIE(**mass) for name, mass in MASSES.items()}
    true = einstein_radius_of(LensModel(light={}, mass=masses, source={}), unmasked_field(imaging))
    assert done.einstein_radius.value == pytest.approx(true, rel=0.01)
    for name in MASSES:
        at = result.names.index(f"mass.{name}.einstein_radius")
        error = np.hypot(result.errors[at], result.spread[at])
        assert result.theta[at] == pytest.approx(MASSES[name]["einstein_radius"], abs=4 * error)
        assert error < 0.1
    assert result.chi2 < 1.2 * result.data_count


def test_a_named_galaxy_has_the_light_and_mass_it_is_named_for(imaging):
    def named(*galaxies):
        return with_named(flexible(imaging), dataclasses.replace(imaging, galaxies=galaxies))

    both = named(Galaxy(0.4, -0.1))
    light, mass = both.light["galaxy_1"], both.mass["galaxy_1"]
    assert light.center_x is mass.center_x and light.center_y is mass.center_y
    assert "galaxy_1" not in named(Galaxy(0.4, -0.1, "light")).mass
    dark = named(Galaxy(0.4, -0.1, "mass"), Galaxy(-1.0, 0.5))
    assert "galaxy_1" not in dark.light and {"galaxy_1", "galaxy_2"} < set(dark.mass)
    assert named().mass.keys() == flexible(imaging).mass.keys()
    assert list(with_named(source_only(imaging), imaging).light) == ["galaxy_1"]


def test_brighter_galaxies_are_expected_to_be_heavier(imaging):
    """The median of the prior goes with the root of the light; the second one has 0.4 of that of the first, which is
    known no better than to a factor of two under a ring."""
    space = Space.of(with_named(flexible(imaging), imaging))
    middle = to_theta(space, np.zeros(space.ndim))[space.names.index("mass.galaxy_1.einstein_radius")]
    radius = 0.5 * np.sqrt(np.count_nonzero(~imaging.mask) / np.pi) * imaging.pixel_scale
    assert 0.2**0.5 < middle / radius < 0.8**0.5


def test_where_the_lens_is_not_seen_no_share_of_its_light_is_taken(imaging):
    dark = np.hypot(imaging.x + 0.3, imaging.y - 0.05) < 0.3
    unseen = dataclasses.replace(imaging, data=np.where(dark, 0.0, imaging.data))
    space = Space.of(with_named(source_only(unseen), unseen))
    middle = to_theta(space, np.zeros(space.ndim))[space.names.index("mass.galaxy_1.einstein_radius")]
    assert middle == pytest.approx(MIDDLE * Scales(unseen).radius * UNSEEN_SHARE**0.5)
    assert Roles.of(space).strength.owner == "sie"


def test_the_search_stays_with_the_lens_beside_a_brighter_galaxy(imaging):
    glare = 30 * imaging.data.max() * np.exp(-np.hypot(imaging.x - 0.41, imaging.y + 0.08) / 0.2)
    bright = dataclasses.replace(imaging, data=imaging.data + glare)
    assert Roles.of(Space.of(with_named(flexible(bright), bright))).strength.owner == "epl"


def test_the_main_mass_is_that_with_the_largest_prior(imaging):
    model = parametric(imaging)

    def main(**masses):
        return Roles.of(Space.of(replace(model, mass={**model.mass, **masses}))).strength

    place = {"center_x": 0.4, "center_y": 0.0, "e1": 0.0, "e2": 0.0}
    alone = main()
    assert alone.owner == "sie" and alone.alone
    beside = main(a_satellite=SIE(**place, einstein_radius=Uniform(low=0.0, high=0.3)))
    assert beside.owner == "sie" and not beside.alone
    heavier = main(heavier=SIE(**place, einstein_radius=Normal(mean=1.4, sigma=0.1)))
    assert heavier.owner == "heavier"


def test_starts_have_the_einstein_radius_of_both(imaging):
    """The mean outward deflection on the circle is its radius, whatever part of it the second mass has."""
    space = Space.of(with_named(parametric(imaging), imaging))
    strength = Roles.of(space).strength
    theta = np.repeat(to_theta(space, np.zeros(space.ndim))[None], 3, axis=0)
    second = space.names.index("mass.galaxy_1.einstein_radius")
    theta[:, second] = (0.05, 0.2, 0.35)
    strength.put(space, theta, np.full(3, 1.0))
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    for one in theta:
        x, y = strength.center(space, one)
        ax, ay = space.build(one).deflection(x + np.cos(angle), y + np.sin(angle))
        assert np.mean(ax * np.cos(angle) + ay * np.sin(angle)) == pytest.approx(1.0, abs=0.01)


def test_without_a_free_mass_there_is_nothing_to_search(imaging):
    model = replace(parametric(imaging), mass={"shear": Shear(gamma1=Normal(mean=0.0, sigma=0.1), gamma2=0.0)})
    with pytest.raises(FitError, match="needs a free Einstein radius"):
        Roles.of(Space.of(model))
