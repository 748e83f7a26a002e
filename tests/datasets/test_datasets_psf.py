"""The PSF at the door: what is told of it, what is refused, and how it comes onto the data's pixels."""

import re

import numpy as np
import pytest
from astropy.io import fits
from file_layouts import write_triple
from mock_observation import SCALE, observed_arrays, sky_header
from scipy.signal import fftconvolve

from lensfit import observations
from lensfit.datasets import Imaging, blocks, read, read_imaging, read_psf
from lensfit.datasets.psf import checked_psf, wider
from lensfit.datasets.psf_resampling import psf_on_data_pixels
from lensfit.errors import DataError
from lensfit.recipe import DataSection


def star(side=41, sigma=1.4, rows=0.0, columns=0.0):
    """A Gaussian of sum 1 at (rows, columns) from the centre of its array."""
    r = np.arange(side) - (side - 1) / 2
    psf = np.exp(-((r - columns) ** 2 + (r[:, None] - rows) ** 2) / (2 * sigma**2))
    return psf / psf.sum()


def spike(share, side=9):
    """A PSF with this share of its light in one pixel."""
    psf = star(side)
    psf[side // 2, side // 2] = 0
    psf *= (1 - share) / psf.sum()
    psf[side // 2, side // 2] = share
    return psf


def sharpened(depth):
    """A PSF of sum 1 with negative wings."""
    return (1 + depth) * star() - depth * star(sigma=3.0)


def moments(psf):
    """Sum, centroid (rows, columns) and second moments about the centre of the array."""
    y, x = np.indices(psf.shape) - (np.array(psf.shape)[:, None, None] - 1) / 2
    return [float((psf * value).sum()) for value in (1, y, x, y * y, x * y, x * x)]


TOLD = {
    "nothing": (star(), []),
    "nearly centred": (star(rows=0.06, columns=0.06), []),
    "pedestal": (star(21) + 2e-3, ["divided by its sum 1.882", "a pedestal of 0.00106 a pixel is up to 47%"]),
    "cut wings": (star(7, 2.0), [r"border pixels hold 26.1% of its light"]),
    "one pixel": (np.ones((1, 1)), ["PSF of one pixel: .* without any blur"]),
    "nearly a point": (spike(0.7), ["one pixel holds 70.0% of its light"]),
    "negative wings": (sharpened(0.2), [r"\d+ pixels are negative, \d+\.\d% of its light"]),
    "off": (star(rows=0.2), [r"0.200 pixels from its centre \(0.200 rows, -?0.000 columns\).*psf_center=True"]),
    "even": (star(40), ["40 rows moved by half a row in Fourier space onto 41", "40 columns moved by half"]),
    "even, peak low": (star(41)[1:], ["40 rows, centred on a row: its row 39 left out to make it odd"]),
    "even, peak high": (star(41)[:, :40], ["40 columns, centred on a column: its column 0 left out"]),
}


@pytest.mark.parametrize(("psf", "told"), TOLD.values(), ids=TOLD.keys())
def test_what_is_strange_is_told(psf, told):
    made, notes = checked_psf(psf, None, "psf")
    assert len(notes) == len(told)
    for note, expected in zip(notes, told, strict=True):
        assert re.search(expected, note)
    assert made.sum() == pytest.approx(1, abs=1e-12) and made.shape[0] % 2 == made.shape[1] % 2 == 1


REFUSED = {
    "overflow": (np.full((5, 5), 1e308), r"its sum is inf, with values up to 1e\+308; divide it by its largest value"),
    "nearly nothing": (np.full((5, 5), 5e-324), "its sum is 1.2.*e-322; an empty PSF cannot be normalised"),
    "delta": (spike(1.0), "one pixel holds 100.0% of its light.*a PSF of one pixel"),
    "narrow": (star(15, 0.25), "one pixel holds 9.*% of its light"),
    "cancelled": (star() - 3e-4, "negative pixels hold .* times its sum"),
    "off by pixels": (star(rows=2.0), "its peak is at row 22, .*psf_center=True"),
}


@pytest.mark.parametrize(("psf", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_means_nothing_is_refused(psf, message):
    with pytest.raises(DataError, match=message):
        checked_psf(psf, None, "psf")


@pytest.mark.parametrize("sides", [(40, 41), (41, 40), (40, 40), (40, 36)])
def test_even_sides_are_moved_by_exactly_half_a_pixel(sides):
    psf = star(61, 1.4)
    grid = [np.arange(side) - (side - 1) / 2 for side in sides]
    even = np.exp(-(grid[0][:, None] ** 2 + grid[1] ** 2) / (2 * 1.4**2))
    made, _ = checked_psf(even, None, "psf")
    rows, columns = (30 - side // 2 for side in made.shape)
    np.testing.assert_allclose(made, psf[rows : 61 - rows, columns : 61 - columns], atol=1e-5)


@pytest.mark.parametrize("offset", [(0.2, 0.0), (0.3, -0.4), (3.0, 1.5)])
def test_a_centroid_is_centred_on_request(offset):
    arrays, psf = observed_arrays(), star(19, rows=offset[0], columns=offset[1])
    image = Imaging.from_arrays(arrays["data"], arrays["noise"], psf, pixel_scale=SCALE, psf_center=True)
    np.testing.assert_allclose(image.psf, star(19), atol=3e-3 if max(offset) > 1 else 1e-4)
    np.testing.assert_allclose(moments(image.psf)[1:3], 0, atol=0.02)
    assert any("PSF moved by" in note and f"{-offset[0]:.2g}" in note for note in image.notes)


def test_readers_and_recipes_centre_it_too(tmp_path):
    folder = files(tmp_path, star(15, rows=0.3))
    asked = observations.read(DataSection(path=folder, psf_center=True)).imaging
    for image, told in ((read(folder), True), (read(folder, psf_center=True), False), (asked, False)):
        assert any("centroid is 0.300 pixels" in note for note in image.notes) == told


@pytest.mark.parametrize(("ratio", "side"), [(2, 42), (3, 63), (4, 84), (5, 105), (3.9, 83)])
def test_a_fine_psf_keeps_its_width_on_the_pixels_of_the_data(ratio, side):
    made = psf_on_data_pixels(star(side, 1.3 * ratio), ratio)
    assert made.shape[0] % 2 == 1 and made.shape[0] <= side / ratio + 2
    np.testing.assert_allclose(moments(made), [1, 0, 0, 1.3**2, 0, 1.3**2], atol=2e-3)
    np.testing.assert_allclose(made, star(made.shape[0], 1.3), atol=2e-4)


@pytest.mark.parametrize("sigma", [0.6, 0.85, 1.3])
def test_a_fine_psf_makes_the_image_that_finer_pixels_make(sigma):
    """A ring, seen through the PSF and then averaged over pixels: the model averages first."""
    grid = (np.arange(120) - 59.5) / 3
    ring = np.exp(-0.5 * ((np.hypot(grid, grid[:, None]) - 11) / 1.2) ** 2)
    psf = star(63, 3 * sigma)
    seen = blocks(fftconvolve(ring, psf, mode="same"), 3).mean(axis=-1)

    def miss(coarse):
        return np.abs(fftconvolve(blocks(ring, 3).mean(axis=-1), coarse, mode="same") - seen)[8:-8, 8:-8].max()

    summed = blocks(psf, 3).sum(axis=-1)
    assert miss(psf_on_data_pixels(psf, 3)) < 1e-3 * seen.max() < 0.1 * miss(summed)


def files(folder, psf, data_cards=None, **cards):
    """The path of an image with noise, and that of its PSF with these cards, or with these extensions."""
    arrays = observed_arrays()
    write_triple(folder, arrays, header=sky_header() if data_cards is None else fits.Header(data_cards))
    extensions = psf if isinstance(psf, dict) else {"": (psf, cards)}
    hdus = [
        (fits.ImageHDU if number else fits.PrimaryHDU)(image, fits.Header(({"EXTNAME": name} if name else {}) | stated))
        for number, (name, (image, stated)) in enumerate(extensions.items())
    ]
    fits.HDUList(hdus).writeto(folder / "psf.fits", overwrite=True)
    return folder


SAMPLED = {
    "by both": ({"PIXELSCL": SCALE / 3, "OVERSAMP": 3}, 3),
    "by the scale": ({"PIXSCALE": SCALE / 3}, 3),
    "nearly": ({"PIXELSCL": SCALE / 2.97, "OVERSAMP": 3}, 3),
    "by the factor": ({"OVERSAMP": 3}, 3),
    "by the other factor": ({"DET_SAMP": 3}, 3),
    "by a WCS": ({key: value / 2 if key.startswith("CD") else value for key, value in sky_header().items()}, 2),
    "not": ({"PIXELSCL": SCALE, "OVERSAMP": 1, "DET_SAMP": 4}, 1),
    "nearly not": ({"PIXELSCL": SCALE * 1.02}, 1),
    "not said": ({}, 1),
}


@pytest.mark.parametrize(("cards", "factor"), SAMPLED.values(), ids=SAMPLED.keys())
def test_a_psf_is_as_fine_as_its_file_says(tmp_path, cards, factor):
    image = read_imaging(files(tmp_path, star(17 * factor, 1.3 * factor), **cards))
    told = [note for note in image.notes if "times finer" in note]
    assert bool(told) == (factor > 1)
    np.testing.assert_allclose(image.psf, star(image.psf.shape[0], 1.3), atol=5e-3)
    assert any("says 0.051 x 0.051" in note for note in image.notes) == (cards == SAMPLED["nearly not"][0])


CONTRADICTIONS = {
    "no whole ratio": ({"PIXELSCL": SCALE / 1.5}, "says 0.0333333 arcsec, the data's .* 0.05 arcsec, 1.5 times"),
    "coarser": ({"PIXELSCL": SCALE * 2}, "0.5 times as large; resample"),
    "factor and scale": ({"PIXELSCL": SCALE / 3, "OVERSAMP": 4}, "says 4 pixels to one .* of which 3"),
    "fine and native": ({"PIXELSCL": SCALE, "OVERSAMP": 3}, "the data's own; correct the one that is wrong"),
    "two scales": ({"PIXELSCL": SCALE / 3, "PIXSCALE": SCALE / 2}, "says 0.025 arcsec, .* 0.0166667, and neither"),
    "no scale": ({"PIXELSCL": 0.0}, "says pixels of 0 x 0 arcsec"),
    "not square": ({"PIXSCAX": SCALE / 3, "PIXSCAY": SCALE / 2}, "0.025 arcsec; resample the PSF to square pixels"),
    "broken factor": ({"OVERSAMP": 2.5}, "OVERSAMP is 2.5; write a whole number"),
    "infinite factor": ({"OVERSAMP": 10**30}, "OVERSAMP is 1.*; write a whole number from 1 to 100"),
    "far too fine": ({"PIXELSCL": SCALE * 1e-300}, r"says 5e-302 arcsec, .* 1e\+300 times as large"),
    "too small": ({"PIXELSCL": SCALE / 20}, "of 15 x 15 pixels, 20 to one .* covers less than 3 x 3"),
    "worded factor": ({"OVERSAMP": "three"}, "OVERSAMP is 'three'"),
}


@pytest.mark.parametrize(("cards", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_contradiction_is_refused(tmp_path, cards, message):
    with pytest.raises(DataError, match=message):
        read_imaging(files(tmp_path, star(15), **cards))


def test_data_and_psf_may_share_a_scale_that_is_overruled(tmp_path):
    image = read_imaging(files(tmp_path, star(15), PIXELSCL=SCALE), pixel_scale=0.07)
    assert image.psf.shape == (15, 15) and any("psf.fits[PRIMARY] says 0.05" in note for note in image.notes)


def stpsf(detector=SCALE):
    """The four extensions of STPSF at an oversampling of 4."""
    fine, coarse = {"PIXELSCL": detector / 4, "OVERSAMP": 4}, {"PIXELSCL": detector, "OVERSAMP": 1, "DET_SAMP": 4}
    return {
        "OVERSAMP": (star(36, 4.8), fine),
        "DET_SAMP": (star(9, 1.2), coarse),
        "OVERDIST": (star(36, 5.2), fine),
        "DET_DIST": (star(9, 1.3), coarse),
    }


@pytest.mark.parametrize(
    ("detector", "left_out", "taken", "sigma"),
    [
        (SCALE, (), "DET_DIST", 1.3),
        (SCALE, ("DET_DIST",), "DET_SAMP", 1.2),
        (SCALE, ("DET_DIST", "DET_SAMP"), "OVERDIST", 1.3),
        (2 * SCALE, (), "OVERDIST", 2.6),  # drizzled to half of the detector's pixels
    ],
)
def test_of_stpsf_the_extension_that_fits_is_taken(tmp_path, detector, left_out, taken, sigma):
    extensions = {name: part for name, part in stpsf(detector).items() if name not in left_out}
    image = read_imaging(files(tmp_path, extensions))
    np.testing.assert_allclose(image.psf, star(image.psf.shape[0], sigma), atol=3e-3)
    assert any(f"[{taken}] is used as the PSF" in note for note in image.notes)
    assert [path for role, path, _ in image.sources if role == "psf"] == [f"{tmp_path / 'psf.fits'}[{taken}]"]


def test_of_stpsf_none_may_fit(tmp_path):
    with pytest.raises(DataError, match="resample the PSF to the data's pixels"):
        read_imaging(files(tmp_path, stpsf(1.15 * SCALE)))


def test_the_psf_of_a_simulation_is_put_on_its_pixels(tmp_path):
    files(tmp_path, stpsf())
    psf, notes = read_psf(tmp_path / "psf.fits", SCALE)
    np.testing.assert_allclose(psf, star(9, 1.3), atol=1e-6)
    assert any("is used as the PSF" in note for note in notes)


def with_star(sigma, noise=0.1, peak=50.0):
    """Data of a broad galaxy and a star off its centre, and their noise."""
    r = np.arange(41) - 20.0
    galaxy = 20 * np.exp(-(r**2 + r[:, None] ** 2) / 72)
    light = np.exp(-((r - 7.3) ** 2 + (r[:, None] + 5.2) ** 2) / (2 * sigma**2))
    data = galaxy + peak * light + noise * np.random.default_rng(5).normal(size=galaxy.shape)
    return data, np.full(data.shape, noise)


@pytest.mark.parametrize(
    ("sigma", "mask_star", "told"), [(1.0, False, True), (1.0, True, False), (2.5, False, False), (3.5, False, False)]
)
def test_a_star_narrower_than_the_psf_is_told(sigma, mask_star, told):
    data, noise = with_star(sigma)
    mask = np.zeros(data.shape)
    mask[15, 27] = mask_star
    notes = Imaging.from_arrays(data, noise, star(21, 2.5), pixel_scale=SCALE, mask=mask).notes
    found = [note for note in notes if "PSF too wide: the core at row 15, column 27" in note]
    assert bool(found) == told
    assert not told or re.search(r"a width of 2\.\d+ pixels, the PSF's core one of 5\.8", found[0])


def test_a_hot_pixel_is_no_star():
    data, noise = with_star(2.5)
    data[5, 5] += 100
    notes = Imaging.from_arrays(data, noise, star(21, 2.5), pixel_scale=SCALE).notes
    assert not any("too wide" in note for note in notes)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_a_wider_psf_is_wider_and_as_bright(sigma):
    y, x = np.mgrid[-12:13, -12:13]
    psf = np.exp(-0.5 * (x**2 + y**2) / sigma**2) / (2 * np.pi * sigma**2)
    found = wider(psf, 0.05)
    assert found.sum() == pytest.approx(psf.sum())
    for axis in (x, y):
        assert np.sqrt(np.sum(axis**2 * found) / np.sum(axis**2 * psf)) == pytest.approx(1.05, abs=0.003)
