"""The window about the emission that one lens can make, and what lies elsewhere."""

import dataclasses

import numpy as np
import pytest

from lensfit.datasets import Interferometer
from lensfit.errors import DataError
from lensfit.instruments import earth_rotation, spiral
from lensfit.observations.elsewhere import Unlensed, fit_unlensed, take_out
from lensfit.observations.window import LINK, emission_of, smallest_circle
from lensfit.standard import CENTER, EINSTEIN_RADIUS, one_source, two_sources

PIXEL, SIDE = 0.1, 160
X, Y = PIXEL * (np.indices((SIDE, SIDE))[::-1] - (SIDE - 1) / 2)


def knots(*places):
    """An image of knots (x, y, flux), two pixels wide."""
    image = np.zeros((SIDE, SIDE))
    for x, y, flux in places:
        image += flux * np.exp(-0.5 * ((X - x) ** 2 + (Y - y) ** 2) / 0.12**2)
    return np.where(image > 0.02 * image.max(), image, 0.0)


DOUBLE = [(-1.1, 0.3, 1.0), (0.9, 0.3, 0.25)]
CUSP = [(1.0, 0.2, 1.0), (0.8, 0.9, 0.7), (0.9, -0.5, 0.7), (-0.9, 0.2, 0.2)]
KNOTS = [(-0.2, 1.0, 1.0), (-1.1, -0.5, 0.6), (0.1, -0.9, 0.6)]


@pytest.mark.parametrize("places", [DOUBLE, CUSP, KNOTS], ids=["double", "cusp", "knots"])
@pytest.mark.parametrize("unlensed", [[], [(-3.0, 6.0, 0.5)], [(5.5, -4.0, 1.6)]], ids=["alone", "faint", "brightest"])
def test_the_circle_holds_all_images_and_nothing_else(places, unlensed):
    found = emission_of(knots(*places, *unlensed), X, Y, 0.12)
    (x, y, radius), places = smallest_circle(np.array(places)[:, :2]), np.array(places)
    assert (found.x, found.y) == pytest.approx((x, y), abs=0.12)
    assert radius - 0.1 < found.reach < radius + 0.35
    flux, rest = places[:, 2].sum(), sum(u[2] for u in unlensed)
    assert found.inside == pytest.approx(flux / (flux + rest), abs=0.05)
    assert np.array(found.elsewhere).reshape(-1, 2) == pytest.approx(np.array(unlensed).reshape(-1, 3)[:, :2], abs=0.1)
    assert found.lens.sum() == pytest.approx(found.inside * knots(*places.tolist(), *unlensed).sum())


def test_groups_hang_together_over_gaps_shorter_than_the_link():
    chain = [(-3.0, 0.0, 1.0), (0.0, 0.0, 1.0), (3.0, 0.0, 1.0)]
    assert emission_of(knots(*chain), X, Y, 0.12).reach == pytest.approx(3.2, abs=0.2)
    apart = [(-3.0, 0.0, 1.0), (LINK - 2.0, 0.0, 1.1)]
    assert emission_of(knots(*apart), X, Y, 0.12).reach < 0.5


def test_a_dark_image_is_refused():
    with pytest.raises(DataError, match="no emission in the field"):
        emission_of(np.zeros((SIDE, SIDE)), X, Y, 0.12)


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_circle_touches_two_places_or_three(seed):
    places = np.random.default_rng(seed).standard_normal((40, 2)) + 5
    x, y, radius = smallest_circle(places)
    away = np.hypot(*(places - (x, y)).T)
    assert away.max() == pytest.approx(radius) and np.count_nonzero(away > 0.98 * radius) >= 2
    for step in 0.05 * np.array([(1, 0), (-1, 0), (0, 1), (0, -1)]):
        assert np.hypot(*(places - (x, y) - step).T).max() > radius - 0.003


def observed(sources, noise=1e-3):
    """Gaussians (x, y, width, flux) as 8 antennas see them."""
    rows = earth_rotation(spiral(8, 500.0), latitude=-23.0, declination=-45.0, hour_angles=np.linspace(-2, 2, 6),
                          wavelength=870e-6, noise=noise)  # fmt: skip
    rng = np.random.default_rng(0)
    values = sum(Unlensed(*one, 0.0).visibilities(rows.u, rows.v) for one in sources)
    values = values + noise * (rng.standard_normal(len(rows)) + 1j * rng.standard_normal(len(rows)))
    rows = dataclasses.replace(rows, values=values)
    return Interferometer.of(rows, pixel_scale=0.12, shape=(128, 128))


def test_what_is_elsewhere_is_fitted_and_taken_out():
    true = (4.03, -2.96, 0.1, 8e-3)
    data = observed([true, (-4.0, 3.0, 0.0, 1e-4)])
    dark = np.zeros(data.shape)
    found = fit_unlensed(data, dark, [(4.1, -2.9), (-4.0, 3.0)])
    assert len(found) == 1, "the faint one stays"
    (one,) = found
    assert (one.x, one.y) == pytest.approx(true[:2], abs=0.02) and abs(one.flux - true[3]) < 5 * one.error
    assert one.width == pytest.approx(0.1, abs=0.05)
    less = take_out(data, found)
    left = np.mean(np.abs(less.visibilities.values) ** 2) / 2e-6
    assert left == pytest.approx(1, abs=0.2) and np.mean(np.abs(data.visibilities.values) ** 2) / 2e-6 > 10
    again = less.regridded(pixel_scale=0.1, shape=(128, 128))
    assert again.taken_out == (dataclasses.astuple(one),) and "mJy at (4.0" in again.notes[-1]
    assert fit_unlensed(data, dark, []) == () and take_out(data, ()) is data


def test_the_priors_are_those_of_the_circle():
    data = observed([(0.0, 0.0, 0.1, 1e-3)])
    seen = dataclasses.replace(data, emission=(0.5, -0.3, 1.2))
    sie = one_source(seen).mass["sie"]
    assert (sie.center_x.mean, sie.center_y.mean, sie.center_x.sigma) == pytest.approx((0.5, -0.3, CENTER * 1.2))
    assert sie.einstein_radius.median == pytest.approx(EINSTEIN_RADIUS * 1.2)
    both = two_sources(seen).source
    assert both["second"].effective_radius.median == both["sersic"].effective_radius.median
    assert one_source(data).mass["sie"].center_x.mean == 0.0, "the middle of the grid where nobody looked"
