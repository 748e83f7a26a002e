"""Light that is not lensed: what would be seen again, were it lensed, and what would not."""
import dataclasses

import pytest

from lensfit.lensing import Field, image_positions
from lensfit.model import LensModel
from lensfit.profiles import SIE, Shear
from lensfit.trust.unlensed import DEMAGNIFIED, SEEN, seen_again

MASS = LensModel(
    light={}, source={},
    mass={"sie": SIE(center_x=0.05, center_y=-0.04, e1=0.1, e2=-0.06, einstein_radius=0.9),
          "shear": Shear(gamma1=0.03, gamma2=0.02)},
)  # fmt: skip
FIELD = Field(0.0, 0.0, 3.0)
SOURCE = (0.2, 0.1)


def test_images_of_one_source_know_each_other():
    images = [i for i in image_positions(MASS, *SOURCE, FIELD) if abs(i.magnification) > DEMAGNIFIED]
    assert len(images) > 1
    for own in images:
        found = seen_again(MASS, "clump", (own.x, own.y), 1e6, FIELD)
        assert found.source == pytest.approx(SOURCE)
        others = [p for i in image_positions(MASS, *SOURCE, FIELD) if i != own for p in (i.x, i.y)]
        assert sorted(p for place in found.others for p in place) == pytest.approx(sorted(others), abs=1e-6)


def test_an_image_that_noise_would_hide_is_not_asked_for():
    bright, *_, faint = image_positions(MASS, *SOURCE, FIELD)
    ratio = abs(faint.magnification / bright.magnification)
    places = [seen_again(MASS, "clump", (bright.x, bright.y), signal, FIELD).others
              for signal in (1.1 * SEEN / ratio, 0.9 * SEEN / ratio)]  # fmt: skip
    assert len(places[0]) == len(places[1]) + 1


@pytest.mark.parametrize("place", [(2.1, 1.6), (0.08, -0.02)], ids=["far off", "core"])
def test_what_is_seen_once_or_at_the_mass_is_no_image(place):
    assert seen_again(MASS, "light", place, 1e6, FIELD).others == ()
    galaxy = SIE(center_x=place[0], center_y=place[1], e1=0.0, e2=0.0, einstein_radius=0.2)
    beside = dataclasses.replace(MASS, mass={**MASS.mass, "galaxy": galaxy})
    assert seen_again(beside, "light", (place[0] + 0.01, place[1]), 1e6, FIELD).others == ()
