"""Galaxies that the user names beside the lens."""

import dataclasses

import numpy as np
import pytest

from lensfit.datasets import Galaxy, Imaging, find_field
from lensfit.errors import DataError

SIDE = 40


def image(**stated):
    ones = np.ones((SIDE, SIDE))
    return Imaging.from_arrays(ones, ones, np.ones((3, 3)), pixel_scale=0.1, **stated)


@pytest.mark.parametrize(
    "given", ["1.2,-0.3", " 1.2, -0.3 , both", (1.2, -0.3), [1.2, -0.3, "both"], Galaxy(1.2, -0.3)]
)
def test_a_galaxy_is_named_in_any_form(given):
    (galaxy,) = image(galaxies=[given]).galaxies
    assert galaxy == Galaxy(1.2, -0.3, "both") and galaxy.light and galaxy.mass
    assert str(galaxy) == "1.2,-0.3,both"
    assert ("galaxy", "x = 1.2, y = -0.3 arcsec, its light and mass, as stated") in image(galaxies=[given]).describe()


@pytest.mark.parametrize(("has", "light", "mass"), [("light", True, False), ("mass", False, True)])
def test_what_it_has(has, light, mass):
    (galaxy,) = image(galaxies=[f"0,0.5,{has}"]).galaxies
    assert (galaxy.light, galaxy.mass) == (light, mass)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["1.2"], "is no galaxy"), (["a,b"], "is no galaxy"), ([3.0], "is no galaxy"), (["1,2,3,4"], "is no galaxy"),
        (["0,1,dark"], "use light or mass or both"), (["nan,0"], "two finite numbers"), ("0,1", "give a list"),
        (["0,1", "0.5,1", "0,1.0,mass"], "two galaxies of galaxies= are at 0,1"),
        (["5,0"], "lies outside the image"), ([Galaxy(0, -9, "light")], "lies outside the image"),
    ],
)  # fmt: skip
def test_what_is_none_is_told(given, told):
    with pytest.raises(DataError) as error:
        image(galaxies=given)
    assert told in str(error.value) and "galaxies=" in str(error.value)


def test_the_lens_is_not_named_as_a_galaxy_beside_it():
    with pytest.raises(DataError, match=r"the galaxy 0.3,0.2,both of galaxies= is where center= has the lens"):
        image(galaxies=["0.3,0.2"], center=(0.32, 0.2))
    assert image(galaxies=["0.3,0.2", "1,0"]).galaxies and image(galaxies=["1,0"], center=(0.3, 0.2)).galaxies


def test_a_mass_may_lie_outside_of_the_image():
    assert image(galaxies=["5,0,mass"]).galaxies == (Galaxy(5.0, 0.0, "mass"),)


def test_the_field_tells_a_named_galaxy_and_takes_none_for_the_lens():
    made = image()

    def blob(x, y, peak):
        return peak * np.exp(-np.hypot(made.x - x, made.y - y) / 0.15)

    light = blob(0.05, 0.05, 200) + blob(-0.85, 0.05, 400)
    seen = dataclasses.replace(made, data=light + np.random.default_rng(1).standard_normal(light.shape))
    assert find_field(seen).lens == pytest.approx((-0.85, 0.05), abs=0.06)
    table = find_field(dataclasses.replace(seen, galaxies=(Galaxy(-0.85, 0.05),)))
    assert table.lens == pytest.approx((0.05, 0.05), abs=0.06)
    assert [one.why for one in table.objects if one.kind == "galaxy"] == ["as stated"]
    (note,) = table.notes
    assert "what is at (0.05, 0.05)" in note and "(-0.85, 0.05), is a galaxy that was named" in note
    assert not table.moved
    assert find_field(dataclasses.replace(seen, galaxies=(Galaxy(0.05, 0.05),))).notes == ()
