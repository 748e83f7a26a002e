"""Any mass is staged by what its parameters do: a strength of any kind, typical values, no name known."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import lensfit.staged
from lensfit import profiles
from lensfit.errors import FitError, ModelError
from lensfit.grid import make_grid
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.model import LensModel, check_profile
from lensfit.priors import Disk, LogNormal, LogUniform, Normal, Uniform
from lensfit.profiles import DPIE, EPL, NFW, SIE, MassProfile, Sersic, Shear
from lensfit.space import Space
from lensfit.staged.case import Roles

SOURCE = Sersic(
    center_x=Normal(mean=0.0, sigma=0.2), center_y=0.0, e1=0.0, e2=0.0, intensity=1.0, effective_radius=0.1,
    sersic_index=1.0,
)  # fmt: skip
X, Y = np.meshgrid(0.06 * np.arange(-50, 50), 0.06 * np.arange(-50, 50))
GRID = make_grid(X, Y, np.ones(X.shape, int), 0.06)
STAGED = Path(lensfit.staged.__file__).parent


def model(main, **more):
    gamma = Disk(scale=0.05, limit=0.5).parts
    return LensModel(light={}, mass={"main": main, "shear": Shear(gamma1=gamma[0], gamma2=gamma[1]), **more},
                     source={"sersic": SOURCE})  # fmt: skip


def ellipse():
    e = Disk(scale=0.2, limit=0.8).parts
    return {"center_x": Normal(mean=0.3, sigma=0.05), "center_y": -0.2, "e1": e[0], "e2": e[1],
            "einstein_radius": Uniform(low=0.1, high=2.8)}  # fmt: skip


def without_radius():
    return {name: leaf for name, leaf in ellipse().items() if name != "einstein_radius"}


MASSES = {
    "sie": lambda: SIE(**ellipse()),
    "epl": lambda: EPL(**ellipse(), slope=Normal(mean=2.08, sigma=0.16)),
    "nfw": lambda: NFW(**without_radius(), alpha_rs=LogUniform(low=0.01, high=100.0),
                       scale_radius=LogNormal(median=5.0, sigma=0.2)),
    "dpie": lambda: DPIE(**ellipse(), core_radius=LogNormal(median=0.1, sigma=0.3),
                         cut_radius=LogNormal(median=2.0, sigma=0.3)),
}  # fmt: skip


@pytest.fixture(params=MASSES)
def case(request):
    space = Space.of(model(MASSES[request.param]()))
    return request.param, space, Roles.of(space)


def test_a_mass_gets_the_einstein_radius_that_is_asked_for(case):
    """By that of its critical curve: to 4 %, less than what draws differ by."""
    name, space, roles = case
    theta = np.tile(np.asarray(space.to_theta(0.5 * np.ones(space.ndim))), (3, 1))
    asked = np.array([0.6, 1.0, 1.7])
    roles.strength.put(space, theta, asked)
    for row, radius in zip(theta, asked, strict=True):
        found = einstein_radius_of(space.build(row).only(), whole_field(GRID))
        assert found == pytest.approx(radius, rel=0.04)
        assert roles.strength.radius(space, row, GRID) == pytest.approx(found, rel=0.04)
    assert roles.strength.center(space, theta[0]) == pytest.approx([0.325, -0.2])
    assert roles.strength.radii[1] == (np.inf if name in ("nfw", "dpie") else roles.high[roles.strength.index])


def test_typical_values_are_held_by_the_search_for_the_mass(case):
    name, space, roles = case
    held = [space.names[k] for k in np.flatnonzero(roles.held)]
    assert held == (["mass.main.slope"] if name == "epl" else [])
    theta = np.asarray(space.to_theta(roles.typical))
    assert not roles.typical[~roles.held].any()
    assert theta[roles.held] == pytest.approx([2.0] * len(held))


def test_without_a_strength_there_is_no_search():
    space = Space.of(model(SIE(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, einstein_radius=1.0)))
    with pytest.raises(FitError, match="has none"):
        Roles.of(space)


@pytest.mark.parametrize("other", ["sie", "nfw", "dpie"])
def test_of_several_masses_the_main_one_has_the_largest_einstein_radius(other):
    small = MASSES[other]()
    if other != "nfw":
        small = dataclasses.replace(small, einstein_radius=Uniform(low=0.1, high=0.5))
    strength = Roles.of(Space.of(model(MASSES["sie"](), another=small))).strength
    assert (strength.name, strength.alone) == ("mass.main.einstein_radius", False)


def test_a_strength_below_zero_is_refused():
    halo = NFW(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, scale_radius=5.0, alpha_rs=-1.0)
    with pytest.raises(ModelError, match="alpha_rs: -1, and the strength of a mass is not negative"):
        check_profile(halo, "mass.halo")


def test_no_name_of_a_mass_or_of_its_numbers_is_known():
    """But for shear, which is taken away by its role."""
    text = "\n".join(path.read_text() for path in STAGED.glob("*.py"))
    masses = {name for name in profiles.__all__ if isinstance(getattr(profiles, name), type)
              and issubclass(getattr(profiles, name), MassProfile)} - {"MassProfile"}  # fmt: skip
    assert not masses & set(re.findall(r"\w+", text))
    assert not re.findall(r"""["'](slope|sie|epl|nfw|alpha_\w+|scale_radius|core_radius|cut_radius)["']""", text)
