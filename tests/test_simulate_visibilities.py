"""Tracks of the Earth's rotation and the simulator of visibilities; the mock in data/alma_mock."""

import json
import runpy
from pathlib import Path

import direct_sums as direct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.datasets import Interferometer, read_interferometer
from lensfit.errors import DataError, ModelError
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.interferometer import InterferometerLikelihood, whitened_residuals
from lensfit.model import LensModel
from lensfit.priors import Uniform
from lensfit.profiles import Gaussian
from lensfit.pytree import replace
from lensfit.simulate import simulate_interferometer

FOLDER = Path(__file__).parents[1] / "data" / "alma_mock"
RECIPE = runpy.run_path(str(FOLDER / "recipe.py"))
RUN = {"latitude": -23.0, "declination": -23.0, "wavelength": 1e-3, "noise": 1e-3}


def layout(noise=1e-3, **changes):
    track = earth_rotation(spiral(9, 600.0), hour_angles=np.linspace(-2, 2, 9), **RUN | changes | {"noise": noise})
    return Interferometer.of(track, pixel_scale=0.06, shape=(72, 64), primary_beam=15.0)


def blob(**changes):
    settings = {"center_x": 0.5, "center_y": -0.4, "e1": 0.0, "e2": 0.0, "intensity": 1e-3, "sigma": 0.15}
    return LensModel(light={"blob": Gaussian(**settings | changes)}, mass={}, source={})


def test_at_the_zenith_baselines_are_as_they_lie():
    """u is East (to the left of the image) and v North; after half a turn of the Earth at the pole both flip."""
    antennas = np.array([[0.0, 0.0, 0.0], [300.0, 0.0, 0.0], [0.0, 200.0, 0.0], [10.0, 20.0, 5.0]])
    track = earth_rotation(antennas, hour_angles=[0.0], **RUN)
    pairs = np.stack([track.antenna1, track.antenna2])
    east, north, _ = (antennas[pairs[0]] - antennas[pairs[1]]).T
    np.testing.assert_allclose(track.u, -east / 1e-3, atol=1e-6)
    np.testing.assert_allclose(track.v, north / 1e-3, atol=1e-6)
    pole = earth_rotation(antennas, hour_angles=[0.0, 12.0], **RUN | {"latitude": 89.0, "declination": 90.0})
    np.testing.assert_allclose(pole.u[:6], -pole.u[6:], atol=20)
    np.testing.assert_array_equal(pole.time[[0, -1]], [0, 12])


def test_tracks_are_ellipses():
    """u^2 + ((v - Z cos d)/sin d)^2 = X^2 + Y^2 for all hour angles (Thompson et al., eq. 4.2)."""
    settings = RUN | {"declination": 40.0, "latitude": 50.0}
    antennas = np.array([[0.0, 0.0, 0.0], [310.0, 140.0, 3.0]])
    track = earth_rotation(antennas, hour_angles=np.linspace(-4, 4, 30), **settings)
    east, north, up = antennas[0] - antennas[1]
    z = (north * np.cos(np.deg2rad(50)) + up * np.sin(np.deg2rad(50))) / 1e-3
    x = (up * np.cos(np.deg2rad(50)) - north * np.sin(np.deg2rad(50))) / 1e-3
    dec = np.deg2rad(40.0)
    left = track.u**2 + ((track.v - z * np.cos(dec)) / np.sin(dec)) ** 2
    np.testing.assert_allclose(left, x**2 + (east / 1e-3) ** 2, rtol=1e-10)


def test_tracks_refused():
    with pytest.raises(DataError, match="below the horizon at hour angle 12"):
        earth_rotation(spiral(3, 100.0), hour_angles=[0.0, 12.0], **RUN)
    with pytest.raises(DataError, match=r"antennas of shape \(1, 3\)"):
        earth_rotation(np.zeros((1, 3)), hour_angles=[0.0], **RUN)


def test_spiral_has_the_size_asked_for():
    places = spiral(12, 500.0)
    apart = np.hypot(*(places[:, None, k] - places[None, :, k] for k in (0, 1)))
    assert apart.max() == pytest.approx(500) and apart[np.triu_indices(12, 1)].min() > 5


def test_visibilities_are_those_of_the_continuous_sky():
    """Against the closed form of a Gaussian, under a primary beam so wide that it is flat."""
    wide = replace(layout(1e-7), primary_beam=1e9)
    rows = simulate_interferometer(blob(), wide, seed=1).visibilities
    u, v = rows.u * direct.ARCSEC, rows.v * direct.ARCSEC
    flux = 1e-3 * 2 * np.pi * 0.15**2 / 0.06**2
    expected = flux * np.exp(-2 * np.pi**2 * 0.15**2 * (u**2 + v**2) - 2j * np.pi * (u * 0.5 + v * -0.4))
    assert np.abs(rows.values - expected).max() < 5 * 1e-7


def test_noise_is_what_the_layout_says():
    observed = simulate_interferometer(blob(), layout(), seed=2)
    residuals = whitened_residuals(observed, np.asarray(_image(observed)), 4)
    for part in (residuals.real, residuals.imag):
        assert np.mean(part**2) == pytest.approx(1, abs=0.2)
    again = simulate_interferometer(blob(), layout(), seed=2)
    assert again.hash == observed.hash and "simulated by lensfit with seed 2" in observed.notes[0]
    assert simulate_interferometer(blob(), layout(), seed=3).hash != observed.hash


def _image(data):
    return jax.jit(lambda likelihood: likelihood.image(blob()))(InterferometerLikelihood.of(data))


def test_phase_errors_belong_to_antennas():
    """They cancel around every triangle of antennas, and rotate visibilities without changing their moduli."""
    quiet = layout(1e-9)
    clean, turned = (simulate_interferometer(blob(), quiet, seed=4, phase_errors=p) for p in (0.0, 20.0))
    ratio = turned.visibilities.values / clean.visibilities.values
    bright = np.abs(clean.visibilities.values) > 1e-5
    np.testing.assert_allclose(np.abs(ratio[bright]), 1, atol=1e-3)
    first, second = clean.visibilities.antenna1, clean.visibilities.antenna2
    now = slice(0, 36)  # the baselines of one moment

    def at(a, b):
        return ratio[now][(first[now] == a) & (second[now] == b)][0]

    assert np.angle(at(0, 1) * at(1, 2) / at(0, 2)) == pytest.approx(0, abs=1e-3)
    assert 5 < np.rad2deg(np.std(np.angle(ratio[bright]))) < 60
    unknown = replace(quiet, visibilities=replace(quiet.visibilities, antenna1=None))
    with pytest.raises(DataError, match="does not say which antennas"):
        simulate_interferometer(blob(), unknown, seed=1, phase_errors=3.0)


def test_a_model_with_priors_is_refused():
    with pytest.raises(ModelError, match="prior or Solved where a number is needed"):
        simulate_interferometer(blob(sigma=Uniform(low=0.1, high=0.2)), layout(), seed=1)


def test_the_alma_mock_is_what_its_recipe_makes(tmp_path):
    RECIPE["write"](tmp_path / "made")
    stored, made = (read_interferometer(folder) for folder in (FOLDER, tmp_path / "made"))
    np.testing.assert_allclose(made.visibilities.values, stored.visibilities.values, atol=1e-9)
    for name in ("u", "v", "sigma_re"):
        np.testing.assert_allclose(getattr(made.visibilities, name), getattr(stored.visibilities, name), rtol=1e-12)
    assert json.loads((tmp_path / "made" / "truth.json").read_text()) == json.loads((FOLDER / "truth.json").read_text())
    assert sum(file.stat().st_size for file in FOLDER.iterdir() if file.is_file()) < 2**20


def test_the_truth_fits_the_alma_mock():
    data = read_interferometer(FOLDER)
    likelihood = InterferometerLikelihood.of(data)
    image = jax.jit(lambda likelihood: likelihood.image(RECIPE["TRUTH"]))(likelihood)
    chi2, degrees = float(likelihood.chi2(image)), 2 * len(data.visibilities)
    assert abs(chi2 - degrees) < 4 * np.sqrt(2 * degrees)
    assert float(likelihood.chi2(jnp.zeros(data.shape))) > 10 * chi2
    assert float(jnp.abs(likelihood.dirty_residual(image)).max()) < 5
