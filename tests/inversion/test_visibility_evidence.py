"""ln evidence of visibilities: the density of all real and imaginary parts written out, and its gradient."""

import dense
import direct_sums as direct
import jax
import numpy as np
import pytest
from test_evidence import compiled
from test_regularisation import whole

from lensfit import LensModel, PixelInterferometerLikelihood, Problem
from lensfit.datasets import Interferometer
from lensfit.errors import ModelError
from lensfit.likelihood.calibration import Observations
from lensfit.operators.nufft import pixel_response
from lensfit.priors import Normal, Solved, Uniform
from lensfit.profiles import Gaussian
from lensfit.pytree import replace

PIXEL, SHAPE, ORIGIN = 0.12, (24, 20), (0.03, -0.05)
NOISES = {"equal": 0.3, "unequal": 0.3 + 0.5j}
evidence = compiled(lambda likelihood, model: likelihood(model))
reconstruct = compiled(lambda likelihood, model: likelihood.reconstruct(model))


def observed(noise=0.3, seed=0, count=60, **changes):
    rng = np.random.default_rng(seed)
    longest = 0.8 / (2 * PIXEL * direct.ARCSEC)
    length, angle = longest * np.sqrt(rng.uniform(0.15, 1, count)), rng.uniform(0, 2 * np.pi, count)
    u, v = length * np.cos(angle), length * np.sin(angle)
    values = 3 * np.exp(-2j * np.pi * (u * 0.6 - v * 0.2) * direct.ARCSEC) + rng.normal(size=(count, 2)) @ [1, 1j]
    settings = {"pixel_scale": PIXEL, "shape": SHAPE, "origin": ORIGIN, "primary_beam": 3.0} | changes
    return Interferometer.from_arrays(u, v, values, noise, sign=-1, east="right", **settings)


def pixels(data):
    x, y = (a.reshape(SHAPE) / direct.ARCSEC for a in direct.pixels(SHAPE, PIXEL, ORIGIN))
    return x, y, np.zeros(SHAPE, bool) if data.mask is None else data.mask


def images(model, data, sub_pixels=2):
    """(S, H, W): what the antennas see of unit coefficients."""
    x, y, mask = pixels(data)
    offsets = ((np.arange(sub_pixels) + 0.5) / sub_pixels - 0.5) * PIXEL
    down, right = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
    u, v = dense.positions(model, x.reshape(-1, 1) + right, y.reshape(-1, 1) + down)
    source = model.pixels()["pixels"]
    beam = 1.0 if data.beam is None else data.beam
    return dense.mapping(u, v, source.pixels, source.order).T.reshape(-1, *SHAPE) * beam * ~mask


def whitened(seen, data):
    """Visibilities (..., K) as real numbers (..., 2 K) over their noise."""
    rows = data.visibilities
    return np.concatenate([seen.real / rows.sigma_re, seen.imag / rows.sigma_im], -1)


def rows_of(image, data, sub_pixels=2):
    """Whitened visibilities of images (N, H, W), pixel by pixel."""
    rows = data.visibilities
    response = pixel_response(rows.u, rows.v, PIXEL, sub_pixels)
    return whitened(np.array([direct.visibilities(rows, one, PIXEL, ORIGIN, response) for one in image]), data)


def log_norm(data):
    rows = data.visibilities
    return -0.5 * np.sum(np.log(2 * np.pi * rows.sigma_re**2) + np.log(2 * np.pi * rows.sigma_im**2))


def model_of(light=None, **changes):
    return LensModel(light=light or {}, mass=dense.MASS, source={"pixels": dense.pixel_source(**changes)})


FREE = Solved(positive=False)
LIGHT = {"center_x": 0.2, "center_y": 0.1, "e1": 0.0, "e2": 0.1, "sigma": 0.2}


@pytest.mark.parametrize("masked", [False, True], ids=["whole field", "mask"])
@pytest.mark.parametrize("noise", NOISES)
def test_is_the_density_of_the_data(noise, masked):
    """Of an image with a fixed and a solved Gaussian beside the source."""
    mask = np.random.default_rng(1).random(SHAPE) < 0.3 if masked else None
    data = observed(NOISES[noise], mask=mask)
    light = {"a": Gaussian(**LIGHT, intensity=0.4), "b": Gaussian(**LIGHT | {"sigma": 0.4}, intensity=FREE)}
    model, likelihood = model_of(light), PixelInterferometerLikelihood.of(data, width=5.0)
    parametric = likelihood.visibilities
    fixed = np.asarray(compiled(lambda p, m: p.image(m))(parametric, model.without_pixels()))
    column = np.asarray(compiled(lambda p, m: p.columns(m))(parametric, model.without_pixels()))
    rows = rows_of(np.concatenate([images(model, data), column]), data)
    target = whitened(data.visibilities.values, data) - rows_of([fixed], data)[0]
    prior = np.zeros((37, 37))
    prior[:36, :36], prior[36, 36] = np.linalg.inv(whole(model.source["pixels"])), 25.0
    expected = dense.log_evidence(rows, target, prior, log_norm(data))
    np.testing.assert_allclose(evidence(likelihood, model), expected, rtol=0, atol=1e-7)
    made = reconstruct(likelihood, model)
    s = np.linalg.solve(rows @ rows.T + np.linalg.inv(prior), rows @ target)
    np.testing.assert_allclose(np.append(made.coefficients, made.amplitudes), s, atol=1e-8)
    left = whitened(data.visibilities.values, data) - rows_of([np.asarray(made.seen[0].image)], data)[0]
    np.testing.assert_allclose(made.solution.chi2, np.sum(left**2), rtol=1e-9)
    assert likelihood.data_count == 120


def test_several_datasets_with_their_calibration():
    """Joint data add up; what their calibration takes away is taken from F as well."""
    data = [observed(0.3), observed(0.4, seed=1)]
    joint = Observations.of(data)
    calibrated = joint.calibrated(np.random.default_rng(0).random(SHAPE) * 0.1).likelihood()
    likelihood = PixelInterferometerLikelihood.of_likelihood(calibrated, 4)
    assert len(calibrated.w_tilde.removed)
    model = model_of()
    seen = images(model, data[0], 4).reshape(36, -1)
    curvature = seen @ np.asarray(jax.vmap(calibrated.w_tilde.apply)(seen.reshape(36, *SHAPE))).reshape(36, -1).T
    held = whole(model.source["pixels"])
    vector = seen @ np.asarray(calibrated.dirty).ravel()
    s = np.linalg.solve(curvature + held, vector)
    log_det = np.linalg.slogdet(curvature + held)[1] - np.linalg.slogdet(held)[1]
    expected = -0.5 * (calibrated.constant - s @ vector + log_det) + calibrated.log_norm
    np.testing.assert_allclose(evidence(likelihood, model), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("positive", [False, True])
def test_gradient(positive):
    source = {
        "center_x": Normal(mean=0.0, sigma=0.05), "half_width": Uniform(low=0.3, high=0.8), "order": 3,
        "strength": Uniform(low=-2.0, high=2.0), "positive": positive,
    }
    mass = {"sie": replace(dense.MASS["sie"], einstein_radius=Uniform(low=0.5, high=0.9))}
    light = {"a": Gaussian(**LIGHT | {"sigma": Uniform(low=0.1, high=0.3)}, intensity=Solved())}
    model = LensModel(light=light, mass=mass, source={"pixels": dense.pixel_source(**source)})
    problem = Problem(model, PixelInterferometerLikelihood.of(observed(0.3 + 0.5j)))
    theta, step = problem.draw(np.random.default_rng(0), 3), 1e-5
    moved = theta[:, None, None] + step * np.array([0, 1, -1])[:, None, None] * np.eye(problem.ndim)
    values, gradients = problem.value_and_grad(moved.reshape(-1, problem.ndim))
    values = np.asarray(values).reshape(3, 3, problem.ndim)
    slopes = (values[:, 1] - values[:, 2]) / (2 * step)
    gradients = np.asarray(gradients).reshape(*values.shape, problem.ndim)[:, 0, 0]
    np.testing.assert_allclose(gradients, slopes, rtol=0, atol=1e-6 * np.abs(slopes).max())


def test_routes_agree():
    likelihood = PixelInterferometerLikelihood.of(observed(0.3 + 0.5j))
    values = [float(evidence(replace(likelihood, route=route), model_of())) for route in ("toeplitz", "fft", "dense")]
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-7)


def test_refused():
    likelihood = PixelInterferometerLikelihood.of(observed())
    with pytest.raises(ModelError, match="does not see a constant sky"):
        likelihood(replace(model_of(), sky=Solved()))
    with pytest.raises(ModelError, match="0 sources on pixels"):
        likelihood(LensModel(light={}, mass=dense.MASS, source={}))
