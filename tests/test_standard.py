"""Standard models: any of their masses, and nothing hangs on one of them."""

import jax
import numpy as np
import pytest

from lensfit.datasets import FieldObject, Interferometer
from lensfit.errors import ModelError
from lensfit.names import MASSES
from lensfit.profiles import SIE
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.standard import (
    MOST_GALAXIES,
    SLOPE,
    STANDARD,
    VISIBILITIES,
    flexible,
    parametric,
    source_only,
    with_galaxies,
)

to_theta = jax.jit(Space.to_theta)


@pytest.fixture(scope="module")
def data(mock):
    """Of each standard model."""
    angle = np.linspace(0, np.pi, 50)
    visibilities = Interferometer.from_arrays(
        1e5 * np.cos(angle), 1e5 * np.sin(angle), np.ones(50) + 0j, np.ones(50), pixel_scale=0.05, shape=(60, 60),
        origin=(0.4, -0.3), sign=-1, east="left",
    )  # fmt: skip
    return {**dict.fromkeys(STANDARD, mock.imaging), **dict.fromkeys(VISIBILITIES, visibilities)}


@pytest.mark.parametrize("name", {**STANDARD, **VISIBILITIES})
@pytest.mark.parametrize("mass", MASSES)
def test_every_standard_model_takes_every_mass(name, mass, data):
    """A slope more, with the prior of SLACS, and nothing else."""
    make = {**STANDARD, **VISIBILITIES}[name]
    model = make(data[name], mass=mass)
    space, other = Space.of(model), Space.of(make(data[name], mass="sie"))
    slopes = [p.name for p in space.parameters if p.role == "slope"]
    assert slopes == (["mass.epl.slope"] if mass == "epl" else [])
    assert {n.replace(".epl.", ".sie.") for n in space.names} - {"mass.sie.slope"} == set(other.names)
    for slope in slopes:
        k = space.names.index(slope)
        ends = [float(to_theta(space, z * (np.arange(space.ndim) == k))[k]) for z in (-1.0, 1.0)]
        assert ends == pytest.approx([SLOPE[0] - SLOPE[1], SLOPE[0] + SLOPE[1]])


@pytest.mark.parametrize("name", {**STANDARD, **VISIBILITIES})
def test_another_mass_can_take_the_place_of_the_one_that_is_there(name, data):
    """No other prior hangs on the mass's: the rest of the model stands alone, with the same priors."""
    model = {**STANDARD, **VISIBILITIES}[name](data[name])
    before = Space.of(model)
    point = SIE(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, einstein_radius=1.0)
    after = Space.of(replace(model, mass={"of my own": point}))
    rest = [n for n in before.names if not n.startswith("mass.")]
    assert list(after.names) == rest
    draws = [dict(zip(space.names, np.asarray(to_theta(space, np.full(space.ndim, 0.7))), strict=True))
             for space in (before, after)]  # fmt: skip
    assert [draws[0][n] for n in rest] == pytest.approx([draws[1][n] for n in rest])


def test_a_mass_by_default(mock):
    assert "epl" in flexible(mock.imaging).mass and "sie" in parametric(mock.imaging).mass
    with pytest.raises(ModelError, match="no mass of a standard model is named 'nfw': use sie or epl"):
        parametric(mock.imaging, mass="nfw")
    with pytest.raises(ModelError, match="sources=3: this model has 1 or 2"):
        flexible(mock.imaging, sources=3)


def test_galaxies_beside_the_lens_bring_light_and_no_parameter(mock):
    model = flexible(mock.imaging)
    seen = [FieldObject("galaxy", 1.0 + n, 0.5, 1.0 + n, 0.1, 0.5, 30.0, 1.0, "") for n in range(MOST_GALAXIES + 1)]
    beside = with_galaxies(model, mock.imaging, seen)
    assert Space.of(beside).names == Space.of(model).names
    added = [beside.light[name] for name in beside.light if name not in model.light]
    assert [profile.center_x for profile in added] == [float(n) for n in range(MOST_GALAXIES + 1, 1, -1)]
    assert added[0].e1 == pytest.approx(np.cos(np.radians(60)) / 3)
    assert added[0].e2 == pytest.approx(np.sin(np.radians(60)) / 3)
    arcs_alone = source_only(mock.imaging)
    assert with_galaxies(arcs_alone, mock.imaging, seen) is arcs_alone
