"""Scale, shift and antenna phases: recovered, and profiled out of chi2 exactly; datasets that do not go together."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from lensfit.datasets import ARCSEC, Interferometer
from lensfit.errors import ModelError
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.calibration import Calibration, Observations
from lensfit.likelihood.interferometer import OVERSAMPLING, model_visibilities, whitened_residuals

NOISE = 2e-3


def layout(antennas=8, longest=500.0, track=0):
    rows = earth_rotation(
        spiral(antennas, longest), latitude=-23.0, declination=-40.0, hour_angles=np.linspace(-2, 2, 12),
        wavelength=870e-6, noise=NOISE, track=track,
    )  # fmt: skip
    return Interferometer.of(rows, pixel_scale=0.07, shape=(40, 40), origin=(0.2, -0.1), primary_beam=20.0)


def sky(data):
    """Two blobs [Jy/pixel]."""
    return 1e-3 * np.exp(-((data.x - 0.5) ** 2 + (data.y + 0.3) ** 2) / 0.1) + 4e-4 * np.exp(
        -((data.x + 0.4) ** 2 + (data.y - 0.4) ** 2) / 0.05
    )


def observed(data, calibration, numbers, seed):
    """The sky with these calibration numbers and noise."""
    rng = np.random.default_rng(seed)
    gains = replace(calibration, numbers=np.asarray(numbers)).gains(data)
    values = gains * model_visibilities(data, sky(data), OVERSAMPLING)
    noise = NOISE * (rng.standard_normal(len(values)) + 1j * rng.standard_normal(len(values)))
    return replace(data, visibilities=replace(data.visibilities, values=values + noise))


@pytest.fixture(scope="module")
def pair():
    """Two datasets, the numbers behind the gains of each, and both as observations with phases."""
    rng = np.random.default_rng(5)
    layouts = [layout(), layout(antennas=7, longest=300.0)]
    made, truth = [], []
    for number, data in enumerate(layouts):
        calibration = Calibration.of(data, align=number > 0, phases=True)
        numbers = 0.15 * rng.standard_normal(len(calibration.numbers))
        if number:
            numbers[:3] = 0.1, 0.05, -0.08
        made.append(observed(data, calibration, numbers, number))
        truth.append(numbers)
    return made, truth, Observations.of(made, antenna_phases=True)


def test_numbers_are_recovered(pair):
    made, truth, observations = pair
    found = observations.calibrated(sky(made[0]))
    for calibration, numbers, count in zip(found.calibrations, truth, (8 - 3, 7 - 3 + 3), strict=True):
        assert len(calibration.numbers) == len(calibration.names) == count
        np.testing.assert_allclose(calibration.numbers, numbers, atol=0.03)
    before, after = (float(o.likelihood().chi2(jnp.asarray(sky(made[0])))) for o in (observations, found))
    size = 2 * sum(len(data.visibilities) for data in made)
    assert before > 1.5 * size and after == pytest.approx(size, rel=0.1)
    assert observations.likelihood().data_count == size


def test_aligning_moves_shifts_alone(pair):
    made, truth, observations = pair
    second = observations.aligned(sky(made[0])).calibrations[1]
    assert not second.numbers[[0, *range(3, len(second.numbers))]].any()
    np.testing.assert_allclose(second.numbers[1:3], truth[1][1:3], atol=0.1)


def test_chi2_is_that_of_the_corrected_visibilities(pair):
    made, _, observations = pair
    found = observations.calibrated(sky(made[0]))
    image = 1.1 * sky(made[0])
    expected = sum(np.sum(np.abs(whitened_residuals(d, image, OVERSAMPLING)) ** 2) for d in found.corrected())
    expected += sum(calibration.moves for calibration in found.calibrations)
    assert float(found.held().likelihood().chi2(jnp.asarray(image))) == pytest.approx(expected, rel=1e-9)


def test_profiled_chi2_is_the_least_over_the_calibration(pair):
    """Of one dataset, at the image it is linear about and beside it, against a minimiser of |d - exp(D c) V|^2."""
    made, _, _ = pair
    data = made[0]
    observations = Observations.of([data], antenna_phases=True)
    calibration = observations.calibrations[0]
    design = calibration.design(data, slice(None))
    profiled = observations.calibrated(sky(data)).likelihood()

    def least(image):
        model = model_visibilities(data, image, OVERSAMPLING)

        def chi2(c):
            left = (data.visibilities.values - np.exp(design @ c) * model) / NOISE
            return np.sum(np.abs(left) ** 2) + np.sum((c / calibration.widths) ** 2)

        return minimize(chi2, calibration.numbers, method="BFGS").fun

    assert float(profiled.chi2(jnp.asarray(sky(data)))) == pytest.approx(least(sky(data)), abs=1e-2)
    near = sky(data) + 3e-6 * np.random.default_rng(0).random(data.shape)
    held = observations.calibrated(sky(data)).held().likelihood()
    gap = float(held.chi2(jnp.asarray(near))) - least(near)
    assert gap > 0
    assert float(profiled.chi2(jnp.asarray(near))) == pytest.approx(least(near), abs=0.1 * gap)


def test_phases_leave_the_sky_where_it_is():
    """A shift is no pattern of phases that is fitted: the best phases for a moved sky leave most of the move."""
    data = layout()
    calibration = Calibration.of(data, align=False, phases=True)
    rows = data.visibilities
    patterns = calibration.design(data, slice(None)).imag
    for baseline in (rows.u, rows.v):
        slope = 2 * np.pi * ARCSEC * baseline
        best = np.linalg.lstsq(patterns, slope, rcond=None)[0]
        assert np.sum((patterns @ best) ** 2) < 0.02 * np.sum(slope**2)
    assert np.linalg.matrix_rank(patterns) == patterns.shape[1] == 8 - 3


def test_each_track_has_phases_of_its_own():
    first, second = layout().visibilities, layout(track=1).visibilities
    columns = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("u", "v", "values", "sigma_re", "sigma_im", "antenna1", "antenna2", "track")
    }
    both = replace(layout(), visibilities=replace(first, **columns))
    assert Calibration.of(both, align=False, phases=True).basis.shape == (16, 16 - 2 - 2)


def test_coarser_pixels_are_the_same_data(pair):
    made, _, observations = pair
    fine = observations.calibrated(sky(made[0])).likelihood()
    coarse = fine.coarser()
    image = 1e-4 * np.random.default_rng(1).random((20, 20))
    spread = np.kron(image, np.ones((2, 2))) / 4
    assert float(coarse.chi2(jnp.asarray(image))) == pytest.approx(float(fine.chi2(jnp.asarray(spread))), rel=1e-10)
    for a, b in zip(coarse.grid.coordinates(), fine.grid.coordinates(), strict=True):
        np.testing.assert_allclose(a, b.reshape(20, 2, 20, 2).mean((1, 3)), atol=1e-12)


def test_what_does_not_go_together_is_refused():
    data = layout()
    rows = data.visibilities
    with pytest.raises(ModelError, match=r"dataset 2 has primary_beam 30.0, the first 20.0"):
        Observations.of([data, replace(data, primary_beam=30.0)])
    with pytest.raises(ModelError, match=r"dataset 2 has shape \(20, 20\), the first \(40, 40\)"):
        Observations.of([data, replace(data, mask=np.zeros((20, 20), bool))])
    unequal = replace(data, visibilities=replace(rows, sigma_im=2 * rows.sigma_re))
    with pytest.raises(ModelError, match="different noise"):
        Observations.of([data, unequal])
    assert Observations.of([unequal]).free == 0
    unknown = replace(data, visibilities=replace(rows, antenna1=None, antenna2=None))
    with pytest.raises(ModelError, match="which antennas a baseline joins"):
        Observations.of([unknown], antenna_phases=True)


@pytest.mark.parametrize("size", [0.0, 0.15])
def test_what_phases_would_gain_is_known_before_they_are_fitted(size):
    data = layout()
    calibration = Calibration.of(data, align=False, phases=True)
    numbers = size * np.random.default_rng(2).standard_normal(len(calibration.numbers))
    made, image = observed(data, calibration, numbers, 3), sky(data)
    held = Observations.of([made])
    gain, count = held.phase_gain(image)
    freed = Observations.of([made], antenna_phases=True)
    fell = float(held.likelihood().chi2(jnp.asarray(image)) - freed.calibrated(image).likelihood().chi2(image))
    assert count == len(numbers) and gain == pytest.approx(freed.gain(image))
    assert gain == pytest.approx(fell, rel=0.1)
    assert (gain > 2 * count) == (size > 0)
    assert freed.phase_gain(image) == (0.0, 0), "they are fitted already"
