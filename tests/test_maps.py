"""Maps of a model on any grid: their formulas, their place on the sky, their files."""

import dataclasses
import re

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from made_run import written_run
from small_fits import LENS, found_at, numbers, observed, posed

import lensfit
from lensfit.analysis import Analysis
from lensfit.datasets.cutout import Frame
from lensfit.errors import DataError, FitError, ModelError
from lensfit.maps import Maps, on_grid
from lensfit.model import LensModel
from lensfit.profiles import MassProfile
from lensfit.pytree import pytree

FINE = {"shape": (60, 80), "pixel_scale": 0.03, "center": (0.1, -0.2)}


@pytest.fixture(scope="module")
def maps():
    return Maps.of(LENS, **FINE)


@pytest.fixture(scope="module")
def run(mock):
    return written_run(mock.imaging, tuple(mock.truth.items()))


def test_mass_is_that_of_the_formulas(maps):
    x, y = np.meshgrid(*maps.frame.axes())
    sie = LENS.mass["sie"]
    e = np.hypot(sie.e1, sie.e2)
    q, phi = (1 - e) / (1 + e), 0.5 * np.arctan2(sie.e2, sie.e1)
    dx, dy = x - sie.center_x, y - sie.center_y
    along, across = dx * np.cos(phi) + dy * np.sin(phi), dy * np.cos(phi) - dx * np.sin(phi)
    radius = np.sqrt(q * along**2 + across**2 / q)
    np.testing.assert_allclose(maps.convergence, 0.5 * sie.einstein_radius / radius, rtol=1e-8)  # a core of 1e-6
    np.testing.assert_allclose(maps.magnification, 1 / (1 - 2 * maps.convergence), rtol=1e-6)
    np.testing.assert_allclose(np.hypot(*maps.shear), maps.convergence, rtol=1e-8)  # as isothermal as it is
    np.testing.assert_allclose(maps.potential, dx * maps.deflection[0] + dy * maps.deflection[1], rtol=1e-9)


def test_deflection_is_the_slope_of_the_potential(maps):
    step = 1e-4
    moved = [Maps.of(LENS, **FINE | {"center": (0.1 + dx, -0.2 + dy)}).potential
             for dx, dy in ((step, 0), (-step, 0), (0, step), (0, -step))]  # fmt: skip
    slopes = [(moved[k] - moved[k + 1]) / (2 * step) for k in (0, 2)]
    np.testing.assert_allclose(slopes, maps.deflection, atol=1e-5)


def test_light_is_that_of_each_profile_and_the_source_is_seen_through_the_lens(maps):
    x, y = np.meshgrid(*maps.frame.axes())
    disk, arc = LENS.light["disk"], LENS.source["arc"]
    np.testing.assert_allclose(maps.light["disk"], disk.brightness(x, y), rtol=1e-12)
    ax, ay = maps.deflection
    np.testing.assert_allclose(maps.lensed_source["arc"], arc.brightness(x - ax, y - ay), rtol=1e-9)
    across, up = np.meshgrid(*maps.source_frame.axes())
    np.testing.assert_allclose(maps.source["arc"], arc.brightness(across, up), rtol=1e-12)
    brightest = np.unravel_index(np.argmax(maps.source["arc"]), maps.source["arc"].shape)
    assert np.hypot(across[brightest] - 0.12, up[brightest] - 0.08) < maps.source_frame.pixel_scale


def test_the_grid_of_the_source_can_be_asked_for():
    made = Maps.of(LENS, shape=20, pixel_scale=0.1, source={"shape": (30, 50), "pixel_scale": 0.01})
    assert made.source["arc"].shape == (30, 50) and made.source_frame.pixel_scale == 0.01
    assert made.convergence.shape == (20, 20)
    with pytest.raises(ModelError, match="give a mapping with shape, pixel_scale and center alone"):
        Maps.of(LENS, shape=20, pixel_scale=0.1, source={"size": 3})


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"shape": (0, 3)}, "whole numbers from 1"), ({"shape": "big"}, "whole numbers from 1"),
     ({"pixel_scale": -1.0}, "a positive number"), ({"center": (np.nan, 0.0)}, "of the centre in arcsec")],
)  # fmt: skip
def test_a_grid_that_is_none_is_told(asked, words):
    with pytest.raises(DataError, match=words):
        Maps.of(LENS, **FINE | asked)


def test_maps_are_of_numbers():
    with pytest.raises(ModelError, match="a LensModel of numbers"):
        Maps.of(posed(observed()).model, **FINE)
    with pytest.raises(ModelError, match=r"give shape= \(H, W\) and pixel_scale="):
        Maps.of(LENS, shape=5)


@pytree
class Bare(MassProfile):
    """A mass that tells its deflection alone."""

    formula = staticmethod(lambda x, y, strength: (strength * x, strength * y))
    strength: float


def test_what_a_mass_does_not_tell_is_left_out_of_the_file(tmp_path):
    maps = Maps.of(LensModel(light={}, mass={"bare": Bare(strength=0.3)}, source={}), shape=8, pixel_scale=0.1)
    with pytest.raises(ModelError, match=r"mass.bare: its class Bare has no potential; define it there"):
        maps.potential  # noqa: B018
    maps.write(tmp_path / "maps.fits")
    with fits.open(tmp_path / "maps.fits") as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["DEFLECTION_X", "DEFLECTION_Y", "GAMMA1", "GAMMA2", "MAGNIFICATION"]


def sky(distorted=False):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.1, 62.2]
    wcs.wcs.crpix, wcs.wcs.cd = [11.0, 17.5], np.array([[-0.6, 0.8], [0.8, 0.6]]) * 0.1 / 3600
    if distorted:
        header = wcs.to_header()
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
        header.update({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "B_0_2": -2e-5, "A_0_2": 0.0, "B_2_0": 0.0})
        wcs = WCS(header)
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("distorted", [False, True])
def test_another_grid_lies_where_it_should_on_the_sky(distorted):
    frame = Frame(shape=(30, 40), pixel_scale=0.1, origin=(0.3, -0.1), wcs=sky(distorted))
    made = on_grid(frame, (50, 20), 0.03, (0.5, 0.2))
    for place in ((0.5, 0.2), (0.3, 0.6), (0.7, -0.4)):
        here, there = (grid.wcs.pixel_to_world(*grid.pixel(place)) for grid in (frame, made))
        assert here.separation(there).arcsec < (2e-4 if distorted else 1e-9)
    assert on_grid(frame) is frame
    assert on_grid(frame, pixel_scale=0.05).shape == (60, 80)


def test_a_run_has_its_maps_with_their_place_on_the_sky(run):
    folder, imaging, _, result = run
    with fits.open(folder / "maps.fits") as hdus:
        names = [hdu.name for hdu in hdus[1:]]
        assert names == ["CONVERGENCE", "DEFLECTION_X", "DEFLECTION_Y", "GAMMA1", "GAMMA2", "MAGNIFICATION",
                         "POTENTIAL", "LIGHT_BULGE", "LIGHT_DISK", "LENSED_SERSIC", "SOURCE_SERSIC"]  # fmt: skip
        assert hdus["CONVERGENCE"].shape == imaging.shape
        assert hdus["LIGHT_DISK"].header["BUNIT"] == "MJy / sr" and "BUNIT" not in hdus["CONVERGENCE"].header
        source = hdus["SOURCE_SERSIC"]
        row, column = np.unravel_index(np.argmax(source.data), source.data.shape)
        place = WCS(source.header).pixel_to_world(column, row)
    truth = [result["source.sersic.center_x"], result["source.sersic.center_y"]]
    expected = imaging.wcs.pixel_to_world(*imaging.frame.pixel(truth))
    assert place.separation(expected).arcsec < source.header["PIXSCALE"]


def test_a_loaded_run_has_the_same_maps_without_its_data(run):
    folder, imaging, problem, result = run
    here, loaded = Analysis.of(problem, result, imaging), lensfit.load(folder)
    for asked in ({}, {"shape": 12, "pixel_scale": 0.2}):
        first, second = here.maps(**asked), loaded.maps(**asked)
        np.testing.assert_array_equal(first.magnification, second.magnification)
        np.testing.assert_allclose(first.source["sersic"], second.source["sersic"], rtol=1e-12)
        assert first.unit == second.unit == "MJy / sr"
        assert first.frame.pixel_scale == second.frame.pixel_scale
        there = [m.frame.wcs.pixel_to_world(3, 4) for m in (first, second)]
        assert there[0].separation(there[1]).arcsec < 1e-9
    with pytest.raises(FitError, match="nothing was fitted yet"):
        dataclasses.replace(here, result=None).maps()
    with pytest.raises(ModelError, match="no data are called 'hst'"):
        here.maps("hst")
    with pytest.raises(ModelError, match="no data are called 'hst': this run is of one dataset"):
        loaded.maps("hst")


def test_regions_are_the_curves_on_the_sky(run, tmp_path):
    folder, imaging, problem, result = run
    text = (folder / "critical_curves.reg").read_text()
    lines = text.splitlines()
    assert lines[0] == "# Region file format: DS9 version 4.1" and lines[2] == "icrs"
    shape, numbers_of = re.match(r"(\w+)\(([^)]*)\) # color=red text=\{tangential\}", lines[3]).groups()
    places = np.array(numbers_of.split(","), float).reshape(-1, 2)
    curve = Analysis.of(problem, result, imaging).maps().curves.main
    sky_of = imaging.wcs.pixel_to_world(*zip(*map(imaging.frame.pixel, curve), strict=True))
    found = SkyCoord(*places.T, unit="deg")
    assert shape == "polygon" and max(point.separation(sky_of).arcsec.min() for point in found) < 1e-3
    small = posed(observed())
    maps = Analysis.of(small, found_at(small, numbers(small)), observed()).maps()
    caustics = maps.write_regions(tmp_path / "caustics.reg", "source").read_text().splitlines()
    assert caustics[2] == "image" and any("text={cut}" in line for line in caustics)
    with pytest.raises(DataError, match=r"cannot be written \(No such file or directory\)"):
        maps.write(tmp_path / "nowhere" / "maps.fits")
    with pytest.raises(ModelError, match="there are image and source"):
        maps.write_regions(tmp_path / "x.reg", "sky")
