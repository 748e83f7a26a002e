"""Coarser pixels: what must be conserved, for any image, PSF and factor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_observation import SCALE, gaussian_psf, observed_arrays, sky_wcs
from scipy.signal import fftconvolve

from lensfit.datasets import Imaging
from lensfit.errors import DataError

factors = st.integers(2, 5)


@st.composite
def images(draw):
    """An image whose sides need not be multiples of anything, with a lopsided PSF and an origin."""
    rows, columns = draw(st.integers(41, 60)), draw(st.integers(41, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    psf = gaussian_psf(2 * draw(st.integers(0, 4)) + 1, 1.5)
    psf = psf * random.uniform(0.8, 1.2, psf.shape)
    return Imaging.from_arrays(
        random.normal(size=(rows, columns)),
        random.uniform(0.5, 2, (rows, columns)),
        psf,
        pixel_scale=SCALE,
        mask=random.uniform(size=(rows, columns)) > 0.98,
        origin=(draw(st.floats(-1, 1)), draw(st.floats(-1, 1))),
        wcs=sky_wcs((rows, columns)),
    )


@settings(max_examples=40, deadline=None)
@given(images(), factors)
def test_flux_noise_and_mask(image, factor):
    coarse = image.binned(factor)
    rows, columns = coarse.shape
    assert (rows, columns) == (image.shape[0] // factor, image.shape[1] // factor)
    kept = np.s_[: rows * factor, : columns * factor]
    np.testing.assert_allclose(coarse.data.sum() * factor**2, image.data[kept].sum(), atol=1e-10)
    variance = (coarse.noise**2).sum() * factor**4
    np.testing.assert_allclose(variance, (image.noise[kept] ** 2).sum(), rtol=1e-12)
    used = ~np.kron(coarse.mask, np.ones((factor, factor), bool))
    assert not image.mask[kept][used].any()
    assert (coarse.mask.sum() > 0) == image.mask[kept].any()
    row, column = rows - 1, columns - 2
    block = np.s_[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
    assert coarse.data[row, column] == pytest.approx(image.data[block].mean())
    assert coarse.mask[row, column] == image.mask[block].any()


@settings(max_examples=40, deadline=None)
@given(images(), factors)
def test_coordinates_stay_true_on_the_sky(image, factor):
    coarse = image.binned(factor)
    row, column = coarse.shape[0] - 1, 1
    block = np.s_[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
    assert coarse.pixel_scale == pytest.approx(factor * SCALE)
    assert coarse.x[row, column] == pytest.approx(image.x[block].mean(), abs=1e-12)
    assert coarse.y[row, column] == pytest.approx(image.y[block].mean(), abs=1e-12)
    centre = (factor - 1) / 2
    assert image.wcs is not None and coarse.wcs is not None
    fine = image.wcs.pixel_to_world(column * factor + centre, row * factor + centre)
    assert fine.separation(coarse.wcs.pixel_to_world(column, row)).arcsec < 1e-7


def moments(psf, side):
    """Sum, centroid and second moments in units of a fine pixel."""
    y, x = (np.indices(psf.shape) - (np.array(psf.shape)[:, None, None] - 1) / 2) * side
    return [(psf * value).sum() for value in (1, x, y, x * x, x * y, y * y)]


@settings(max_examples=40, deadline=None)
@given(images(), factors)
def test_psf_keeps_its_moments(image, factor):
    coarse = image.binned(factor)
    assert coarse.psf.shape[0] % 2 == 1 and coarse.psf.shape[1] % 2 == 1
    np.testing.assert_allclose(moments(coarse.psf, factor), moments(image.psf, 1), atol=1e-10)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_binning_commutes_with_the_psf(factor):
    y, x = np.indices((120, 120)) - 59.5
    light = np.exp(-((x / 9) ** 2 + (y / 7) ** 2) / 2) + 0.5 * np.exp(-(((np.hypot(x, y) - 25) / 6) ** 2))
    psf = gaussian_psf(15, 2.0)
    observed = fftconvolve(light, psf, mode="same")
    image = Imaging.from_arrays(observed, np.ones((120, 120)), psf, pixel_scale=SCALE).binned(factor)
    truth = Imaging.from_arrays(light, np.ones((120, 120)), psf, pixel_scale=SCALE).binned(factor)
    modelled = fftconvolve(truth.data, image.psf, mode="same")
    blurring = np.abs(truth.data - image.data)[10:-10, 10:-10].max()
    assert np.abs(modelled - image.data)[8:-8, 8:-8].max() < 0.1 * blurring


def test_a_point_psf_stays_a_point():
    image = Imaging.from_arrays(np.ones((6, 6)), np.ones((6, 6)), np.ones((1, 1)), pixel_scale=1.0)
    np.testing.assert_array_equal(image.binned(2).psf, [[1.0]])


def test_factor_one_changes_nothing():
    arrays = observed_arrays()
    image = Imaging.from_arrays(arrays["data"], arrays["noise"], arrays["psf"], pixel_scale=SCALE)
    assert image.binned(1) is image
    assert image.binned(2).notes[-1] == "binned 2 x 2"


def test_distorted_wcs_is_refused():
    arrays = observed_arrays()
    header = sky_wcs().to_header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header.update({"A_ORDER": 2, "A_2_0": 1e-5, "B_ORDER": 2, "B_0_2": 1e-5})
    wcs = type(sky_wcs())(header)
    image = Imaging.from_arrays(arrays["data"], arrays["noise"], arrays["psf"], pixel_scale=SCALE, wcs=wcs)
    with pytest.raises(DataError, match="distortion"):
        image.binned(2)
