"""The simulator: flux, noise, reproducibility, and the mock that it made."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from astropy.io import fits

from lensfit import simulate
from lensfit.datasets import read_imaging, write_imaging
from lensfit.errors import DataError, ModelError
from lensfit.instruments import Instrument, gaussian_psf, jwst_f150w
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import Normal
from lensfit.profiles import SIE, Gaussian, Sersic
from lensfit.simulate import model_image, simulate_imaging
from lensfit.space import Space
from lensfit.standard import parametric

jax.config.update("jax_enable_x64", True)

MOCK = Path(__file__).parents[1] / "data" / "jwst_mock"
RECIPE = runpy.run_path(str(MOCK / "recipe.py"))
POPULATION = runpy.run_path(str(MOCK.parents[1] / "benchmarks" / "population.py"))
TRUTH = RECIPE["TRUTH"]
SHAPE = (48, 40)


def camera(**changes):
    settings = Instrument(
        pixel_scale=0.05,
        psf=gaussian_psf(0.12, 0.05, 11),
        exposure_time=500.0,
        gain=2.0,
        sky=0.2,
        read_noise=5.0,
        unit="adu/s",
    )
    return replace(settings, **changes)


def blob(x=0.0, y=0.0, intensity=1.0, sky=0.0):
    light = Gaussian(center_x=x, center_y=y, e1=0.1, e2=0.05, intensity=intensity, sigma=0.1)
    return LensModel(light={"blob": light}, mass={}, source={}, sky=sky)


@pytest.fixture(scope="module")
def mock():
    return read_imaging(MOCK)


@pytest.fixture(scope="module")
def expected(mock):
    """The mock's true image."""
    return model_image(TRUTH, jwst_f150w(), mock.shape)


def test_flux_is_conserved():
    image = model_image(blob(0.03, -0.02), camera(), SHAPE)
    flux = 2 * np.pi * 0.1**2 / 0.05**2
    assert image.sum() == pytest.approx(flux, rel=5e-5)  # the pixels' tolerance


def test_light_from_outside_the_frame_is_scattered_in():
    wide = model_image(blob(1.15, 0.0), camera(), (48, 80))
    np.testing.assert_allclose(model_image(blob(1.15, 0.0), camera(), SHAPE), wide[:, 20:60], atol=1e-14)
    assert wide[:, 59].max() > 0.01


def test_cusp_is_converged():
    cusp = Sersic(center_x=0.01, center_y=0.02, e1=0.1, e2=0.0, intensity=1.0, effective_radius=0.2,
                  sersic_index=5.0)  # fmt: skip
    model = LensModel(light={"cusp": cusp}, mass={}, source={})
    coarse, fine = (model_image(model, camera(), SHAPE, oversampling=n) for n in (2, 32))
    assert np.abs((coarse - fine) / camera().noise(fine)).max() < 0.01


def test_mean_and_noise_map_are_those_of_many_images():
    model, instrument = blob(sky=0.05), camera()
    images = [simulate_imaging(model, instrument, SHAPE, seed=seed) for seed in range(200)]
    data = np.array([image.data for image in images])
    true = model_image(model, instrument, SHAPE)
    pulls = (data.mean(0) - true) / images[0].noise * np.sqrt(len(data))
    assert abs(pulls.mean()) < 5 / np.sqrt(pulls.size)
    ratio = data.var(0, ddof=1) / images[0].noise ** 2
    scatter = np.sqrt(2 / len(data))
    assert abs(ratio.mean() - 1) < 5 * scatter / np.sqrt(ratio.size)
    assert np.abs(ratio - 1).max() < 6 * scatter


def test_data_are_what_a_reader_gives(tmp_path):
    imaging = simulate_imaging(blob(), camera(), SHAPE, seed=1)
    assert imaging.unit == "adu/s"
    assert any("seed 1" in note and "sky 0.2 subtracted" in note for note in imaging.notes)
    write_imaging(imaging, tmp_path / "written")
    assert read_imaging(tmp_path / "written").hash == imaging.hash


def test_seed_decides_the_data():
    first, again, other = (simulate_imaging(blob(), camera(), SHAPE, seed=seed) for seed in (1, 1, 2))
    assert first.hash == again.hash
    assert not np.any(first.data == other.data)


def test_prior_in_the_model_is_refused():
    with pytest.raises(ModelError, match=r"light\.blob\.intensity: prior or Solved"):
        simulate_imaging(blob(intensity=Normal(mean=0.0, sigma=1.0)), camera(), SHAPE, seed=1)


def test_negative_counts_are_refused():
    with pytest.raises(ModelError, match="raise the sky"):
        simulate_imaging(blob(intensity=-1.0), camera(), SHAPE, seed=1)


def test_recipe_makes_the_mock(tmp_path):
    """To the last digits but one or two, in which processors and engines differ."""
    names = ["data.fits", "info.json", "mask.fits", "noise_map.fits", "psf.fits", "truth.json"]
    RECIPE["write"](tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == names
    for name in names:
        again, kept = tmp_path / "again" / name, MOCK / name
        if name.endswith(".json"):
            assert again.read_text() == kept.read_text(), name
        else:
            assert fits.getheader(again) == fits.getheader(kept), name
            np.testing.assert_allclose(fits.getdata(again), fits.getdata(kept), rtol=1e-12, err_msg=name)


def test_truth_names_the_parameters_of_the_standard_model(mock):
    truth = json.loads((MOCK / "truth.json").read_text())
    space = Space.of(parametric(mock))
    theta = np.array([truth[name]["value"] for name in space.names])
    assert tuple(truth) == space.names
    assert len(truth) == 25
    assert jax.tree.leaves(space.build(theta)) == jax.tree.leaves(TRUTH)
    assert np.isfinite(jax.jit(Space.log_prior)(space, theta))


def test_mock_looks_like_jwst(mock, expected):
    instrument = jwst_f150w()
    arcs = model_image(TRUTH.only("source"), instrument, mock.shape)
    assert mock.shape == (150, 150)
    assert mock.pixel_scale == 0.031
    assert 150 < (expected / mock.noise).max() < 250
    assert 40 < (arcs / mock.noise).max() < 60
    np.testing.assert_array_equal(mock.psf, instrument.psf)
    np.testing.assert_array_equal(mock.mask, np.hypot(mock.x, mock.y) > 2)
    assert mock.wcs.pixel_to_world(74.5, 84.5).dec.deg > mock.wcs.pixel_to_world(74.5, 74.5).dec.deg
    assert mock.wcs.pixel_to_world(64.5, 74.5).ra.deg > mock.wcs.pixel_to_world(74.5, 74.5).ra.deg


def test_chi2_of_the_truth_is_the_number_of_pixels(mock, expected):
    used = ~mock.mask
    chi2 = np.sum(((mock.data - expected) / mock.noise)[used] ** 2)
    assert abs(chi2 - used.sum()) < 3 * np.sqrt(2 * used.sum())
    residuals = ImagingLikelihood.of(mock, oversampling=8).residuals(TRUTH)
    assert float(np.sum(residuals**2)) == pytest.approx(chi2, abs=1.0)


def test_twice_the_oversampling_does_not_change_chi2(mock, expected, monkeypatch):
    monkeypatch.setattr(simulate, "FINEST", 2 * simulate.FINEST)
    finer = model_image(TRUTH, jwst_f150w(), mock.shape, oversampling=8)
    chi2 = [np.sum(((mock.data - m) / mock.noise)[~mock.mask] ** 2) for m in (expected, finer)]
    assert abs(chi2[1] - chi2[0]) < 0.5


@pytest.mark.parametrize("kind", ["ordinary", "hard"])
def test_population_is_of_lenses_and_drawn_anew(kind):
    drawn = [POPULATION[kind](k) for k in range(100)]
    assert len({seed for _, seed in drawn}) == 100
    assert jax.tree.leaves(drawn[3][0]) == jax.tree.leaves(POPULATION[kind](3)[0])
    assert jax.tree.leaves(drawn[3][0]) != jax.tree.leaves(drawn[4][0])
    for model, _ in drawn:
        sie, source = model.mass["sie"], model.source["sersic"]
        offset = np.hypot(source.center_x - sie.center_x, source.center_y - sie.center_y)
        assert offset < 0.5 * sie.einstein_radius
        assert all(np.hypot(p.e1, p.e2) < 0.8 for p in (*model.light.values(), sie, source))


def test_population_is_observed_like_the_mock():
    model, seed = POPULATION["hard"](0)
    imaging = POPULATION["observed"](model, seed)
    residuals = ImagingLikelihood.of(imaging, oversampling=8).residuals(model)
    used = np.count_nonzero(~imaging.mask)
    assert abs(float(np.sum(residuals**2)) - used) < 4 * np.sqrt(2 * used)


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({}, (0, 0), r"shape=\(0, 0\): give \(H, W\)"),
        ({}, (-3, 10), "give .H, W., rows and columns of 1 to"),
        ({}, (10**6, 10**6), "give .H, W., rows and columns of 1 to 4194304 pixels in all"),
        ({"pixel_scale": 1e-6}, SHAPE, "pixel scale of 1e-06 arcsec, from the instrument"),
        ({"pixel_scale": np.nan}, SHAPE, "pixel_scale= is nan"),
        ({"exposure_time": 0.0}, SHAPE, "exposure_time is 0; an instrument's is above 0"),
        ({"gain": -1.0}, SHAPE, "gain is -1"),
        ({"read_noise": -5.0}, SHAPE, "read_noise is -5"),
        ({"sky": np.inf}, SHAPE, "sky is inf"),
        ({"psf": np.full((3, 3), np.nan)}, SHAPE, r"PSF of shape \(3, 3\)"),
        ({"psf": np.ones((4, 3))}, SHAPE, r"PSF of shape \(4, 3\)"),
    ],
)
def test_instruments_and_images_that_cannot_be(changes, shape, message):
    with pytest.raises(DataError, match=message):
        simulate_imaging(blob(), camera(**changes), shape, seed=1)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"einstein_radius": -0.7}, "an Einstein radius is not negative"),
        ({"e1": 0.8, "e2": -0.7}, "an ellipticity is below 1"),
        ({"einstein_radius": 1e300}, "its square is no number"),
    ],
)
def test_models_that_mean_nothing(profile, message):
    sie = SIE(**{"center_x": 0.0, "center_y": 0.0, "e1": 0.0, "e2": 0.0, "einstein_radius": 1.0} | profile)
    with pytest.raises(ModelError, match=message):
        simulate_imaging(replace(blob(), mass={"sie": sie}), camera(), SHAPE, seed=1)


def test_more_counts_than_can_be_drawn():
    with pytest.raises(ModelError, match=r"counts in its brightest pixel, more than 1e.18"):
        simulate_imaging(blob(intensity=1e70), camera(), SHAPE, seed=1)


@pytest.mark.parametrize(("fwhm", "size"), [(0.0, 5), (np.nan, 5), (0.1, 4), (0.1, 99_999_999_999)])
def test_gaussian_psfs_that_cannot_be(fwhm, size):
    with pytest.raises(DataError, match=r"PSF of .*; give"):
        gaussian_psf(fwhm, 0.05, size)
