"""What is measured in data: scatter of a sky, what is left on arcs, the largest residual of a dirty image."""

import dataclasses
import types

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lensfit.datasets.psf import pedestal_of
from lensfit.trust.measures import Measures
from lensfit.trust.of_image import OnArcs, remains, scatter
from lensfit.trust.of_pixels import negative_light
from lensfit.trust.of_visibilities import peak_of
from lensfit.trust.of_visibilities import scatter as scatter_of_visibilities
from lensfit.trust.questions import dirty_residual

NOISE = np.random.default_rng(1).standard_normal((80, 80))
FLAT = np.ones(NOISE.shape)


@pytest.mark.parametrize(("width", "least"), [(0.0, 1.0), (0.6, 0.63)])
def test_correlated_noise_is_no_fault(width, least):
    """Drizzling makes neighbours alike: their differences alone would call right noise too large."""
    noise = gaussian_filter(NOISE, width) if width else NOISE
    found = scatter(noise / noise.std(), 0 * FLAT, 0 * FLAT, FLAT)
    assert found.most == pytest.approx(1.0, abs=0.05) and found.least == pytest.approx(least, abs=0.08)


def test_a_smooth_misfit_of_the_sky_is_no_fault_of_the_noise():
    found = scatter(NOISE + np.linspace(-6, 6, 80), 0 * FLAT, 0 * FLAT, FLAT)
    assert found.least == pytest.approx(1.0, abs=0.05) and found.most > 2


def test_the_scatter_is_that_of_pixels_without_lens_and_source():
    bright = np.hypot(*np.indices(NOISE.shape) - 40) < 20
    for model, source in ((np.where(bright, 30.0, 0.0), 0 * FLAT), (30.0 * bright, 30.0 * bright)):
        found = scatter(np.where(bright, 5 * NOISE, NOISE), model, source, FLAT)
        assert found.most == pytest.approx(1.0, abs=0.06)


def test_without_a_sky_the_scatter_is_not_known():
    found = scatter(NOISE, 30 * FLAT, 30 * FLAT, FLAT)
    assert found is None


def test_data_without_noise_scatter_by_next_to_nothing():
    assert scatter(0 * FLAT, 0 * FLAT, 0 * FLAT, FLAT).most == 1e-3


def test_visibilities_scatter_about_their_model():
    assert scatter_of_visibilities(4000.0, 1000).least == pytest.approx(2.0)


ARC = 20 * np.exp(-0.5 * ((np.hypot(*np.indices(NOISE.shape) - 40) - 20) / 2) ** 2)
PSF = np.exp(-0.5 * np.hypot(*np.indices((9, 9)) - 4) ** 2)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_what_is_left_of_the_arcs_is_a_share_of_them(share):
    found = remains(NOISE + share * ARC, ARC, ARC > 2, 1.0, PSF)
    assert found.share == pytest.approx(share, abs=0.05)
    assert found.peak == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(("width", "factor", "expected"), [(0.0, 1.0, 1.0), (0.0, 1.5, 2.25), (1.0, 1.0, 4.7)])
def test_what_is_left_on_the_arcs_widens_errors(width, factor, expected):
    """White noise of the stated size does not, a larger one does by its variance; smoothed by a Gaussian it adds up
    over 4 pi width^2 pixels, of which the taper keeps a part."""
    noise = gaussian_filter(NOISE, width) if width else NOISE
    arcs = OnArcs.where(ARC, noise, ARC, FLAT)
    assert arcs.extra(factor * noise / noise.std(), PSF) == pytest.approx(expected, rel=0.25)


def test_correlated_noise_of_the_sky_widens_errors_where_a_source_on_pixels_took_it_from_the_arcs():
    noise = gaussian_filter(NOISE, 1.0)
    noise /= noise.std()
    arcs = OnArcs.where(ARC, noise, ARC, FLAT)
    assert arcs.extra(np.where(arcs.pixels, 0.3 * NOISE, noise), PSF) == pytest.approx(4.7, rel=0.25)


def test_where_a_source_is_negative_counts_by_its_squared_signal():
    sources = np.array([[3.0, -1.0], [1.0, 0.0]]), np.ones((2, 2))
    seen = [types.SimpleNamespace(source=source) for source in sources]
    images = [types.SimpleNamespace(inverse_noise=noise * np.ones((2, 2))) for noise in (2.0, 1.0)]
    term, found = types.SimpleNamespace(images=images), types.SimpleNamespace(seen=seen)
    assert negative_light(term, found) == pytest.approx(0.1)


def test_a_point_on_the_arcs_stands_out_and_noise_does_not():
    point = np.zeros(NOISE.shape)
    point[60, 40] = 1.0
    left = NOISE + 400 * gaussian_filter(point, 1.0)
    assert remains(left, ARC, ARC > 2, 1.0, PSF).peak > 1.5
    assert remains(NOISE, ARC, ARC > 2, 1.0, PSF).peak == 0.0


@pytest.mark.parametrize(("sigma", "bright", "passed"), [(-4.9, 24.0, True), (-5.4, 24.0, False), (-5.4, 96.0, True)])
def test_a_large_residual_of_the_dirty_image_is_told_with_its_place(sigma, bright, passed):
    """Large is more than noise leaves in any of the beams (400: 5.2 sigma), and more than 12 % of the peak."""
    left, dirty = np.zeros((40, 50)), np.zeros((40, 50))
    left[30, 10], dirty[5, 5] = sigma, bright
    y, x = 0.1 * np.indices(left.shape)
    found = peak_of(left, dirty, x, y, 400.0)
    good, finding = dirty_residual(found)
    assert good == passed
    assert f"(1.00, 3.00) arcsec: {sigma} sigma, {100 * abs(sigma) / bright:.0f} % of" in finding
    assert ("--antenna-phases" in finding) != passed


def test_the_pedestal_of_a_psf_is_the_share_of_a_constant():
    assert pedestal_of(PSF) < 0.01
    assert pedestal_of(PSF / PSF.sum() + 0.5 / PSF.size) == pytest.approx(1 / 3, abs=0.01)
    assert pedestal_of(np.ones((1, 1))) == 0.0


def test_nothing_is_measured_but_what_is_given():
    assert set(dataclasses.asdict(Measures()).values()) == {None}
