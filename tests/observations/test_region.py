"""The disc about a lens that is chosen from an image."""

import dataclasses
import json
import re

import numpy as np
import pytest

from lensfit.datasets import Galaxy, Imaging
from lensfit.observations import observe, region
from lensfit.observations.region import choose_mask, lens_center, see_field

SIDE, SCALE = 60, 0.1


def image(*galaxies, side=SIDE, scale=SCALE, **stated):
    """Galaxies (x, y, brightness), a ring of radius 1 about each of them."""
    noise = np.ones((side, side))
    made = Imaging.from_arrays(noise, noise, np.ones((3, 3)), pixel_scale=scale, **stated)
    data = np.zeros((side, side))
    for x, y, peak in galaxies:
        radius = np.hypot(made.x - x, made.y - y)
        angle = np.arctan2(made.y - y, made.x - x)
        data += peak * np.exp(-radius / 0.3) + 40 * np.exp(-(((radius - 1) / 0.1) ** 2)) * (1 + np.cos(angle))
    return dataclasses.replace(made, data=data + np.random.default_rng(1).standard_normal(data.shape))


def chosen(imaging):
    """Radius, x and y of the disc, and whether it is told to be as large as the image, or to reach its edge."""
    notes = choose_mask(imaging).imaging.notes
    (found,) = [note for note in notes if "mask chosen" in note]
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", found)]
    return numbers[:3], "as large as the image allows" in found, any("reaches the edge" in note for note in notes)


def test_the_disc_holds_the_arcs():
    (radius, x, y), whole, edge = chosen(image((0.05, 0.05, 200)))
    assert 1.2 < radius < 2 and (x, y) == pytest.approx((0.05, 0.05), abs=0.06)
    assert not whole and not edge


def test_a_stated_place_counts_more_than_the_brightest_one():
    two = image((-0.05, 0.05, 400), (1.85, -1.85, 200), side=90)
    assert lens_center(two, see_field(two)) == pytest.approx((-0.05, 0.05), abs=0.06)
    stated = dataclasses.replace(two, center=(1.85, -1.85))
    assert lens_center(stated, see_field(stated)) == (1.85, -1.85)
    assert chosen(stated)[0][1:] == [1.85, -1.85]


def test_a_disc_beyond_the_edge_is_told():
    (radius, x, _), whole, edge = chosen(image((1.95, 0.05, 200), center=(1.95, 0.05)))
    assert radius + x > 3 and edge and not whole


@pytest.mark.parametrize("stated", [{}, {"center": (0.5, 0.25)}])
def test_where_nothing_ends_the_whole_image_is_used_and_told(stated):
    (radius, *place), whole, edge = chosen(image(origin=(0.3, 0.0), **stated))
    assert whole and not edge
    assert radius == pytest.approx(3) and place == list(stated.get("center", (0.3, 0.0)))


def test_in_a_very_large_image_the_lens_is_looked_for_on_coarser_pixels(monkeypatch):
    fine = image((0.05, 0.05, 200), side=200, scale=0.03)
    (radius, x, y), *_ = chosen(fine)
    monkeypatch.setattr(region, "LARGEST_IMAGE", 100)
    (coarse, *place), *_ = chosen(fine)
    assert coarse == pytest.approx(radius, abs=0.3) and place == pytest.approx([x, y], abs=0.06)


def with_galaxy(imaging, x, y, peak, size=0.15):
    """The image with a plain round galaxy more."""
    light = peak * np.exp(-np.hypot(imaging.x - x, imaging.y - y) / size)
    return dataclasses.replace(imaging, data=imaging.data + light)


def test_a_brighter_galaxy_beside_the_lens_is_masked_and_the_disc_ends_with_the_arcs(monkeypatch):
    monkeypatch.setattr(region, "SHIFT", 10.0)
    alone = image((0.05, 0.05, 200), side=100)
    crowded = with_galaxy(alone, 2.65, 0.05, 1000)
    made, table, galaxies = choose_mask(crowded)
    assert made.galaxies == () and [one.kind for one in galaxies] == ["galaxy"]
    (radius, *place), *_ = chosen(crowded)
    assert place == pytest.approx([0.05, 0.05], abs=0.06) and radius < 1.6 * table.reach + 0.3
    assert made.mask[np.hypot(made.x - 2.65, made.y - 0.05) < 0.2].all()
    ring = np.abs(np.hypot(made.x - 0.05, made.y - 0.05) - 1) < 0.15
    assert not made.mask[ring].any()
    (note,) = [note for note in made.notes if note.startswith("galaxy masked")]
    assert "times as bright as the arcs" in note


def test_a_galaxy_whose_mass_bends_the_arcs_is_in_the_model():
    made, _, galaxies = choose_mask(with_galaxy(image((0.05, 0.05, 200), side=100), 2.65, 0.05, 3000))
    assert galaxies == () and [one.has for one in made.galaxies] == ["both"]
    assert (made.galaxies[0].x, made.galaxies[0].y) == pytest.approx((2.65, 0.05), abs=0.06)
    (note,) = [note for note in made.notes if note.startswith("galaxy in the model, its light and mass")]
    assert "flexion shift" in note


def test_a_model_of_ones_own_is_kept_away_from_a_galaxy_that_bends_the_arcs():
    """What a standard model would have light and mass of is masked, and nothing says that it is in the model."""
    seen = observe(with_galaxy(image((0.05, 0.05, 200), side=100), 2.65, 0.05, 3000))
    standard, own = seen.region(), seen.region(standard=False)
    assert standard.galaxies_in_the_model and own.galaxies_in_the_model == ()
    assert own.imaging.mask[standard.imaging.mask].all() and own.imaging.mask.sum() > standard.imaging.mask.sum()
    (note,) = [note for note in own.notes if note.startswith("galaxy")]
    assert note.startswith("galaxy masked: (2.6")


def test_light_where_a_mass_alone_is_named_is_told():
    seen = with_galaxy(image((0.05, 0.05, 200), side=100), 2.65, 0.05, 1000)
    for has, told in (("mass", 1), ("both", 0)):
        notes = choose_mask(dataclasses.replace(seen, galaxies=(Galaxy(2.6, 0.05, has),))).imaging.notes
        assert sum("where light is seen in the image" in note for note in notes) == told


def test_galaxies_that_were_seen_are_kept_with_the_run():
    seen = observe(with_galaxy(image((0.05, 0.05, 200), side=100), 2.65, 0.05, 3000))
    fitted = seen.region()
    document = json.loads(json.dumps(fitted.document(), default=list))
    again = seen.restored(document, {"MASK": fitted.imaging.mask}, fitted.model(None))
    assert again.galaxies_in_the_model == fitted.galaxies_in_the_model != ()


def test_a_galaxy_that_was_named_is_not_masked():
    seen = with_galaxy(image((0.05, 0.05, 200), side=100), 2.65, 0.05, 1000, size=0.06)
    named = dataclasses.replace(seen, galaxies=(Galaxy(2.6, 0.05, "light"),))
    made, _, galaxies = choose_mask(named)
    assert galaxies == () and made.galaxies == named.galaxies
    assert not [note for note in made.notes if note.startswith("galaxy")]


@pytest.mark.parametrize("place", [(0.05, 0.05), (1.05, 0.05), (0.75, 0.75)])
def test_a_mass_alone_is_no_light_of_the_image(place):
    """On the lens, or on an arc: neither is a galaxy for that, to be masked or in the model once more."""
    plain = image((0.05, 0.05, 200))
    made, table, galaxies = choose_mask(plain.with_galaxies([Galaxy(*place, "mass")]))
    known = choose_mask(plain)
    assert galaxies == () and made.galaxies == (Galaxy(*place, "mass"),)
    assert table.objects == known.table.objects and np.array_equal(made.mask, known.imaging.mask)


def test_a_mass_alone_beside_light_is_in_the_model_once():
    seen = with_galaxy(image((0.05, 0.05, 200), side=100), 2.65, 0.05, 3000)
    made, _, galaxies = choose_mask(seen.with_galaxies([Galaxy(2.65, 0.05, "mass")]))
    assert made.galaxies == (Galaxy(2.65, 0.05, "mass"),) and [one.kind for one in galaxies] == ["galaxy"]


def test_a_galaxy_out_of_reach_changes_nothing():
    alone = image((0.05, 0.05, 200), side=160)
    far = with_galaxy(alone, 7.0, 6.5, 300, size=0.1)
    assert np.array_equal(*(choose_mask(one).imaging.mask for one in (alone, far)))
