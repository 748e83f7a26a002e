"""Noise at the door: what its numbers are, and whether the scatter of the sky bears them out."""

import re

import numpy as np
import pytest
from astropy.io import fits
from file_layouts import hdus
from mock_observation import gaussian_psf, sky_header
from scipy.ndimage import gaussian_filter

from lensfit.datasets import Imaging, level_of_sky, read_imaging
from lensfit.errors import DataError
from lensfit.standard import flexible, parametric

SIDE, SIGMA = 44, 0.01
ROWS, COLUMNS = np.indices((SIDE, SIDE)) / (SIDE - 1) - 0.5
LIGHT = np.minimum(0.004 * np.hypot(ROWS + 0.02, COLUMNS - 0.01) ** -2.5, 60.0)
"""A lens whose halo reaches the border with twice the noise."""
NOISE = np.sqrt(SIGMA**2 + LIGHT / 2000)


def observed(light=LIGHT, *, sky=0.0, smoothing=0.0, seed=3):
    """Data of noise NOISE, perhaps smoothed as drizzling does, on a sky."""
    white = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    smooth = gaussian_filter(white, smoothing) if smoothing else white
    return light + sky + NOISE * smooth / smooth.std()


def imaging(data, noise=NOISE, **options):
    return Imaging.from_arrays(data, noise, gaussian_psf(), pixel_scale=0.05, **options)


def notes(*args, **options):
    return "\n".join(imaging(*args, **options).notes)


AT_ODDS = {
    "variance": (NOISE**2, "sigma", {"noise_is": "variance"}, "as variances its numbers fit the sky"),
    "weight": (NOISE**-2, "sigma", {"noise_is": "ivm"}, "as inverse variances its numbers fit the sky"),
    "noise named weight": (NOISE, "ivm", {"noise_is": "sigma"}, "as standard deviations its numbers fit"),
    "variance named weight": (NOISE**2, "ivm", {"noise_is": "variance"}, "as variances its numbers fit"),
    "weight named variance": (NOISE**-2, "variance", {"noise_is": "ivm"}, "as inverse variances its numbers fit"),
    "counts, not their rate": (NOISE * 500, "sigma", {"noise_scale": 0.002}, "another unit"),
    "ones": (np.ones_like(NOISE), "sigma", {"noise_scale": SIGMA}, "it is 1 everywhere, as a map of ones is"),
}


@pytest.mark.parametrize(("numbers", "meaning", "mend", "cause"), AT_ODDS.values(), ids=AT_ODDS.keys())
def test_noise_at_odds_with_the_sky_is_refused_with_factor_cause_and_option(numbers, meaning, mend, cause):
    with pytest.raises(DataError, match=r"the noise is [\d.e+-]+ times the scatter of the sky \(0.0[01]") as refused:
        imaging(observed(), numbers, noise_is=meaning)
    (name, value), = mend.items()
    told = f"{name}={value!r}" if isinstance(value, str) else f"{name}=0.0"
    assert cause in str(refused.value) and told in str(refused.value)
    mended = imaging(observed(), numbers, **{"noise_is": meaning} | mend)
    faint = np.hypot(ROWS, COLUMNS) > 0.5
    np.testing.assert_allclose(mended.noise[faint], NOISE[faint], rtol=0.2)
    assert "times the scatter" not in "\n".join(mended.notes)
    assert imaging(observed(), numbers, noise_is=meaning, noise_scale=1.0).noise.min() > 0, "insisted on"


@pytest.mark.parametrize(
    ("factor", "smoothing", "told"),
    [
        (1.0, 0.0, None),
        (3.0, 0.0, r"noise is [23]\.\d+ times the scatter.*errors come out [23]\.\d times too large unless"),
        (0.4, 0.0, r"noise is 0.[34]\d* times the scatter.*errors come out 2\.\d times too small.*noise_scale=2"),
        (1.0, 0.6, r"neighbouring pixels is correlated \(0\.\d\d\), as drizzling .* [12]\.\d times too small"),
        (1.9, 0.6, r"correlated .*errors come out about right"),
    ],
)
def test_a_factor_and_correlation_are_told_with_what_they_do_to_the_errors(factor, smoothing, told):
    made = imaging(observed(smoothing=smoothing), factor * NOISE)
    said = [note for note in made.notes if "scatter" in note or "correlated" in note]
    if told is None:
        assert said == []
    else:
        (note,) = said
        np.testing.assert_array_equal(made.noise, factor * NOISE)
        assert re.search(told, note)


@pytest.mark.parametrize("light", [LIGHT, 0 * LIGHT, 0.3 + 0 * LIGHT, np.float32(LIGHT)])
def test_data_without_noise_say_nothing_of_the_noise(light):
    assert notes(light) == ""


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_numbers_whose_squares_are_none_end_in_a_result_or_a_word(scale):
    for data, noise in ((observed() * scale, NOISE * scale), (observed() * scale, NOISE), (observed(), NOISE * scale)):
        try:
            assert imaging(data, noise).psf.sum() == pytest.approx(1)
        except DataError as error:
            assert re.search("times the scatter|masked|which gives no chi2", str(error))


def test_a_pixel_that_the_noise_masks_stays_masked_however_noise_is_scaled():
    noise = NOISE.copy()
    noise[5, 5], noise[6, 6], noise[7, 7] = 1e8, np.inf, np.nan
    made = imaging(observed(), noise * np.where(noise < 1e8, 1000, 1), noise_scale=0.001, nan="mask")
    assert np.argwhere(made.mask).tolist() == [[5, 5], [6, 6], [7, 7]]


@pytest.mark.parametrize("rows", [[20], [20, 21, 22], range(18, 44)])
def test_an_image_of_which_little_holds_numbers_is_read(rows):
    data = observed()
    data[[row for row in range(SIDE) if row not in rows]] = np.nan
    assert imaging(data, nan="mask").mask.sum() == SIDE * (SIDE - len(rows))


def test_a_small_image_and_a_disc_about_the_lens():
    assert notes(observed()[:16, :16], 100 * NOISE[:16, :16]) == "", "too few pixels of sky"
    disc = np.hypot(ROWS, COLUMNS) > 0.2
    with pytest.raises(DataError, match="as variances"):
        imaging(observed(), NOISE**2, mask=disc)


def test_pixels_without_noise_are_left_out_on_request_after_the_mask():
    data, noise, mask = observed(), NOISE.copy(), np.zeros((SIDE, SIDE))
    noise[:9], data[:9] = 0.0, 0.0
    data[3, 4], noise[2, 2], noise[4, 4] = np.nan, np.nan, -0.0
    mask[:, :3] = 1
    with pytest.raises(DataError, match=r"give nan='mask' to have it done"):
        imaging(data, noise, mask=mask)
    with pytest.raises(DataError, match=r"noise: zero or negative in .* give nan='mask' to have it done where it is"):
        imaging(np.where(np.isnan(data), 0.0, data), np.where(np.isnan(noise), 0.0, noise), mask=mask)
    made = imaging(data, noise, mask=mask, nan="mask")
    np.testing.assert_array_equal(made.mask, (mask != 0) | (np.arange(SIDE) < 9)[:, None])
    assert "368 pixels masked: noise 0" in made.notes and "correlated" not in "\n".join(made.notes)
    noise[20, 20] = -1.0
    with pytest.raises(DataError, match="zero or negative in 1 pixel, the first at row 20"):
        imaging(data, noise, nan="mask")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_is": "rms"}, r"noise_is='rms' is not known; give one of 'sigma', 'variance', 'ivm', 'exposure'"),
        ({"noise_scale": 0.0}, "noise_scale=0.0 for an image; give a positive number"),
        ({"noise_scale": np.nan}, "noise_scale=nan"),
        ({"noise_scale": "auto"}, "noise_scale='auto' for an image"),
        ({"noise_is": "exposure", "unit": "MJy/sr"}, "needs data in electrons .*, not in 'MJy/sr'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        imaging(observed(), **options)


@pytest.mark.parametrize(("unit", "time"), [("ELECTRONS/S", 1.0), (None, 1.0), ("electrons", 2000.0), ("cps", 1.0)])
def test_noise_is_made_of_exposure_times(unit, time):
    seconds = np.where(COLUMNS < 0.2, 2000.0, 500.0)
    seconds[7, 7] = 0.0
    noise = np.sqrt((SIGMA**2 + LIGHT / 2000) * 2000 / np.maximum(seconds, 1))
    data = LIGHT + noise * np.random.default_rng(1).standard_normal(LIGHT.shape)
    scale = time * seconds / 2000 if time > 1 else 1.0  # counts grow with the time that a pixel saw
    made = imaging(data * scale, seconds, noise_is="exposure", unit=unit)
    good = seconds > 0
    np.testing.assert_allclose(made.noise[good], (noise * scale)[good], rtol=0.3)
    assert made.mask[7, 7] and made.mask.sum() == 1
    assert made.notes[0].startswith("noise = scatter of the sky and counts over the exposure times of")
    with pytest.raises(DataError, match="needs a sky that scatters"):
        imaging(LIGHT, seconds, noise_is="exposure", unit=unit)


@pytest.mark.parametrize(
    ("cards", "weights", "refused"),
    [
        ({"EXPTIME": 2000.0, "D001WTSC": 500.0, "D001WKEY": ""}, 2000.0, r"weight is 2000, the exposure time of .*EXP"),
        ({"TEXPTIME": 2000.0}, 1990.0, "exposure time of the header"),
        ({"D001WTYP": "EXP"}, 700.0, "the header says that the weight is an exposure time"),
        ({"EXPTIME": 2000.0, "D001WTSC": 500.0}, NOISE**-2, None),
    ],
)
def test_weights_that_are_exposure_times(tmp_path, cards, weights, refused):
    header = sky_header(BUNIT="ELECTRONS/S", **cards)
    parts = [("SCI", observed(), header), ("PSF", gaussian_psf(), None)]
    hdus(*parts, ("WHT", np.full((SIDE, SIDE), weights), fits.Header(cards))).writeto(tmp_path / "drz.fits")
    if refused is None:
        np.testing.assert_allclose(read_imaging(tmp_path / "drz.fits").noise, NOISE)
        return
    with pytest.raises(DataError, match=rf"\[WHT\]: .*{refused}.*give noise_is='exposure'"):
        read_imaging(tmp_path / "drz.fits")
    made = read_imaging(tmp_path / "drz.fits", noise_is="exposure")
    assert made.noise[0, 0] == pytest.approx(SIGMA, rel=0.3)


def test_what_is_said_of_a_noise_map_beats_its_unit(tmp_path):
    fits.PrimaryHDU(observed(), sky_header(BUNIT="electron/s")).writeto(tmp_path / "data.fits")
    fits.PrimaryHDU(1000 * NOISE, fits.Header({"BUNIT": "electron"})).writeto(tmp_path / "noise.fits")
    fits.PrimaryHDU(gaussian_psf()).writeto(tmp_path / "psf.fits")
    with pytest.raises(DataError, match="BUNIT"):
        read_imaging(tmp_path)
    np.testing.assert_allclose(read_imaging(tmp_path, noise_scale=0.001).noise, NOISE)


def test_what_is_said_of_a_noise_map_beats_its_name(tmp_path):
    parts = [("SCI", observed(), sky_header()), ("PSF", gaussian_psf(), None), ("WHT", NOISE, None)]
    hdus(*parts).writeto(tmp_path / "lens.fits")
    with pytest.raises(DataError, match=r"noise \(.*lens.fits\[WHT\]\): read as inverse variances.*noise_is='sigma'"):
        read_imaging(tmp_path / "lens.fits")
    np.testing.assert_array_equal(read_imaging(tmp_path / "lens.fits", noise_is="sigma").noise, NOISE)
    twice = read_imaging(tmp_path / "lens.fits", noise_is="sigma", noise_scale=1.1)
    np.testing.assert_allclose(twice.noise, 1.1 * NOISE)
    assert "noise multiplied by 1.1" in twice.notes


@pytest.mark.parametrize("pixels", [1, 2, 3, 5])
def test_a_plateau_of_the_brightest_value_is_told(pixels):
    data = observed()
    data[22, 20 : 20 + pixels] = 70.0
    told = [note for note in imaging(data).notes if "saturated" in note]
    if pixels < 3:
        assert told == []
    else:
        (note,) = told
        assert note.startswith(f"{pixels} neighbouring pixels have the one brightest value 70, the first at row 22")


@pytest.mark.parametrize("sky", [0.0, 0.05, 0.3, -0.1])
def test_a_sky_that_is_not_at_zero_is_told_and_fitted(sky):
    made = imaging(observed(sky=sky))
    told = [note for note in made.notes if "the sky at the border" in note]
    solved = parametric(made).sky
    assert bool(told) == bool(sky) == (solved != 0.0)
    assert level_of_sky(made.data, made.noise, made.mask) == pytest.approx(sky, abs=0.02)
    if sky:
        assert not solved.positive and not flexible(made).sky.positive
        assert parametric(made.circular_mask(0.8)).sky != 0.0, "the sky lies outside the mask"


@pytest.mark.parametrize("nothing", [np.inf, np.nan, 0.0, -1.0])
def test_pixels_without_noise_are_no_sky(nothing):
    data, noise = observed(), NOISE.copy()
    data[:20], noise[:20] = observed(sky=5.0)[:20], nothing
    made = imaging(data, noise, mask=~(noise > 0) | np.isinf(noise), nan="mask")
    assert level_of_sky(made.data, made.noise, made.mask) == 0.0


@pytest.mark.parametrize(("slope", "direction"), [(0.0, ROWS), (0.1, ROWS), (-0.1, COLUMNS)])
def test_a_gradient_of_the_sky_is_told(slope, direction):
    assert ("brighter on one side, by" in notes(observed(sky=slope * direction))) == bool(slope)
