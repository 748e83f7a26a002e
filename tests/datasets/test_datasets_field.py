"""What is seen in the field of an image before any fit: lens, arcs, and other galaxies."""

import dataclasses

import numpy as np
import pytest

from lensfit.datasets import Imaging, find_field
from lensfit.errors import DataError

SIDE, SCALE = 120, 0.1


def image(*objects, **stated):
    """Functions of x and y (H, W) added up, with noise of 1."""
    noise = np.ones((SIDE, SIDE))
    made = Imaging.from_arrays(noise, noise, np.ones((3, 3)), pixel_scale=SCALE, **stated)
    data = sum(one(made.x, made.y) for one in objects)
    return dataclasses.replace(made, data=data + np.random.default_rng(1).standard_normal(noise.shape))


def galaxy(x, y, peak, size=0.2):
    return lambda across, up: peak * np.exp(-np.hypot(across - x, up - y) / size)


def ring(x, y, radius, peak, first=0.0, last=2 * np.pi):
    """Part of a ring, between two angles."""

    def light(across, up):
        angle = np.arctan2(up - y, across - x) % (2 * np.pi)
        shown = (angle >= first) & (angle <= last)
        return peak * shown * np.exp(-(((np.hypot(across - x, up - y) - radius) / 0.1) ** 2))

    return light


def kinds(table):
    return [one.kind for one in table.objects]


def test_the_lens_is_the_galaxy_with_arcs_about_it_and_not_the_brightest():
    imaging = image(galaxy(-1.5, 0, 200), ring(-1.5, 0, 1.2, 40), galaxy(1.5, 0.3, 3000))
    table = find_field(imaging)
    lens, other = table.objects[:2]
    assert (lens.kind, lens.x, lens.y) == ("lens", pytest.approx(-1.5, abs=0.1), pytest.approx(0, abs=0.1))
    assert (other.kind, other.x) == ("galaxy", pytest.approx(1.5, abs=0.1))
    assert table.moved and "the lens is taken to be the galaxy at" in table.notes[0]
    assert table.radius == pytest.approx(1.2, abs=0.1) and table.reach > table.radius
    assert "arc" in kinds(table)


def test_a_stated_place_overrules():
    objects = galaxy(-1.5, 0, 200), ring(-1.5, 0, 1.2, 40), galaxy(1.5, 0.3, 3000)
    table = find_field(image(*objects, center=(1.5, 0.3)))
    assert table.objects[0].x == pytest.approx(1.5, abs=0.1) and not table.moved and table.notes == ()


def test_of_two_lenses_the_one_nearer_to_the_middle_is_taken_and_that_is_told():
    two = [light for x in (-2.6, 1.8) for light in (galaxy(x, 0.5, 300), ring(x, 0.5, 1.2, 40))]
    table = find_field(image(*two, galaxy(0.0, -2.4, 3000)))
    assert table.objects[0].x == pytest.approx(1.8, abs=0.1)
    assert any("arcs lie as well about (-2.6" in note for note in table.notes)


def test_without_arcs_the_lens_is_where_the_image_is_brightest():
    table = find_field(image(galaxy(0.5, 0, 500), galaxy(-2, 1, 300)))
    assert table.objects[0].x == pytest.approx(0.5, abs=0.1)
    assert kinds(table) == ["lens", "field"] and table.reach == 0 and not table.moved


def test_light_among_the_arcs_is_an_image_unless_it_is_far_brighter():
    arcs = ring(0, 0, 1.5, 80, 0.6, 2.9), ring(0, 0, 1.5, 80, 3.4, 5.7)
    faint, bright = (find_field(image(galaxy(0, 0, 300), *arcs, galaxy(1.0, 0, peak, 0.1))) for peak in (200, 6000))
    seen, found = (one for table in (faint, bright) for one in table.objects if np.hypot(one.x - 1, one.y) < 0.2)
    assert seen.kind == "image"
    assert found.kind == "galaxy" and "times as bright as the arcs" in found.why


def test_the_table_tells_each_object_and_counts_the_rest():
    far = [galaxy(x, -4.5, 60) for x in (-4, -2, 0, 2, 4)]
    rows = find_field(image(galaxy(0, 0, 300), ring(0, 0, 1.2, 80), *far)).describe()
    assert rows[0][0] == "lens 1" and "arcs cover" in rows[0][1]
    assert rows[-1][0] == "field" or rows[1][0].startswith("galaxy")


def test_nothing_at_all_is_a_table_of_nothing():
    table = find_field(image(lambda x, y: 0 * x))
    assert table.objects == () and table.reach == 0


def test_what_is_masked_is_not_seen():
    imaging = image(galaxy(0, 0, 300), ring(0, 0, 1.2, 80), galaxy(3, 3, 5000))
    hidden = imaging.with_mask(np.hypot(imaging.x - 3, imaging.y - 3) < 1.5)
    assert "galaxy" in kinds(find_field(imaging)) and "galaxy" not in kinds(find_field(hidden))


def test_a_crowd_that_cannot_be_told_apart(monkeypatch):
    def refuses(*_, **__):
        raise Exception("object deblending overflow")

    monkeypatch.setattr("lensfit.datasets.field.sep.extract", refuses)
    with pytest.raises(DataError, match=r"its objects cannot be told apart .*overflow.*center= and mask_radius="):
        find_field(image(galaxy(0.0, 0.0, 100.0)))
