"""The likelihood of visibilities: against sums over visibilities, closed forms, finite differences, plain JAX."""

import direct_sums as direct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.datasets import Interferometer, circular_mask
from lensfit.errors import ModelError
from lensfit.likelihood.interferometer import InterferometerLikelihood, model_visibilities, whitened_residuals
from lensfit.model import LensModel
from lensfit.operators.w_tilde import Sums
from lensfit.priors import Normal, Solved, Uniform
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential, Gaussian, Shear
from lensfit.pytree import replace

PIXEL, SHAPE, ORIGIN, BEAM = 0.06, (60, 64), (0.1, -0.05), 6.0
MASS = {
    "sie": SIE(center_x=0.05, center_y=-0.03, e1=0.1, e2=-0.08, einstein_radius=0.9),
    "shear": Shear(gamma1=0.03, gamma2=-0.02),
}


def lens(**changes):
    """A lensed exponential source and an unlensed one, Jy per pixel."""
    source = {"center_x": 0.1, "center_y": 0.07, "e1": 0.1, "e2": 0.2, "intensity": 2e-3, "effective_radius": 0.15}
    light = {"center_x": -0.8, "center_y": 0.6, "e1": 0.0, "e2": 0.1, "intensity": 1e-3, "effective_radius": 0.2}
    return LensModel(
        light={"companion": Exponential(**light)}, mass=MASS, source={"arc": Exponential(**source | changes)}
    )


def observed(noise=0.02, seed=0, count=500, **grid):
    """Visibilities of noise and a bright point beside the centre, on baselines well inside Nyquist."""
    rng = np.random.default_rng(seed)
    longest = 0.37 / (2 * PIXEL * direct.ARCSEC)
    length, angle = longest * np.sqrt(rng.uniform(0.02, 1, count)), rng.uniform(0, 2 * np.pi, count)
    u, v = length * np.cos(angle), length * np.sin(angle)
    values = 0.05 * np.exp(-2j * np.pi * (u * 0.7 - v * 0.4) * direct.ARCSEC)
    values = values + 0.02 * (rng.standard_normal(count) + 1j * rng.standard_normal(count))
    settings = {"pixel_scale": PIXEL, "shape": SHAPE, "origin": ORIGIN, "primary_beam": BEAM} | grid
    return Interferometer.from_arrays(u, v, values, noise, sign=-1, east="right", **settings)


NOISES = {"equal": 0.02, "unequal": 0.02 + 0.035j}


@pytest.fixture(scope="module", params=NOISES.values(), ids=NOISES)
def pair(request):
    data = observed(request.param)
    return data, InterferometerLikelihood.of(data)


@jax.jit
def _image(likelihood, model):
    return likelihood.image(model)


def image_of(likelihood, model):
    """`likelihood.image`, compiled once for all kinds of noise."""
    return _image(replace(likelihood, w_tilde=None), model)


value = jax.jit(lambda likelihood, model: likelihood(model))


def norm(data):
    rows = data.visibilities
    return -0.5 * np.sum(np.log(2 * np.pi * rows.sigma_re**2) + np.log(2 * np.pi * rows.sigma_im**2))


def test_chi2_is_that_of_the_visibilities(pair):
    """Through w_tilde, through the non-uniform FFT, and through the sum over pixels written out."""
    data, likelihood = pair
    image = np.asarray(image_of(likelihood, lens()))
    rows = data.visibilities
    step = PIXEL * direct.ARCSEC
    response = direct.sinc(rows, PIXEL) / (np.sinc(rows.u * step / 4) * np.sinc(rows.v * step / 4))
    written_out = direct.visibilities(rows, image, PIXEL, ORIGIN, response)
    expected = direct.chi2(rows, written_out)
    np.testing.assert_allclose(model_visibilities(data, image, 4), written_out, atol=1e-12 * np.abs(image).sum())
    assert np.sum(np.abs(whitened_residuals(data, image, 4)) ** 2) == pytest.approx(expected, rel=1e-10)
    assert float(likelihood.chi2(jnp.asarray(image))) == pytest.approx(expected, rel=1e-10)
    assert float(value(likelihood, lens())) == pytest.approx(-0.5 * expected + norm(data), rel=1e-10)
    nothing = direct.chi2(rows, 0)
    assert float(likelihood.chi2(jnp.zeros(SHAPE))) == pytest.approx(nothing, rel=1e-12)


def test_beam_and_image():
    data = observed()
    likelihood, flat = InterferometerLikelihood.of(data), InterferometerLikelihood.of(observed(primary_beam=None))
    x, y = likelihood.grid.coordinates()
    np.testing.assert_allclose(x, data.x, atol=1e-12)
    np.testing.assert_allclose(y, data.y, atol=1e-12)
    expected = np.asarray(image_of(flat, lens())) * 0.5 ** (4 * (x**2 + y**2) / BEAM**2)
    np.testing.assert_allclose(image_of(likelihood, lens()), expected, rtol=1e-12)
    assert likelihood.shape == SHAPE


def plain_chi2(data, image):
    """In JAX, through explicit phases."""
    rows = data.visibilities
    step = PIXEL * direct.ARCSEC
    response = direct.sinc(rows, PIXEL) / (np.sinc(rows.u * step / 4) * np.sinc(rows.v * step / 4))
    phi = direct.phases(rows, SHAPE, PIXEL, ORIGIN)
    re, im = (jnp.cos(phi) @ image.ravel()) / response, -(jnp.sin(phi) @ image.ravel()) / response
    left_re, left_im = (re - rows.values.real) / rows.sigma_re, (im - rows.values.imag) / rows.sigma_im
    return jnp.sum(left_re**2 + left_im**2)


def test_gradient_of_an_image(pair):
    """Against a plain implementation; and it is twice the dirty residual that goes with it."""
    data, likelihood = pair
    image = image_of(likelihood, lens())
    gradient = jax.grad(likelihood.chi2)(image)
    expected = jax.grad(lambda s: plain_chi2(data, s))(image)
    np.testing.assert_allclose(gradient, expected, atol=1e-10 * np.abs(expected).max())
    rows = data.visibilities
    left = rows.values - model_visibilities(data, image, 4)
    residual = Sums.of([replace(rows, values=left)], SHAPE, PIXEL, ORIGIN, 4)
    sigma = np.sqrt(residual.diagonal)
    np.testing.assert_allclose(likelihood.dirty_residual(image), residual.dirty / sigma, atol=1e-9)
    np.testing.assert_allclose(gradient, -2 * residual.dirty, atol=1e-9 * np.abs(expected).max())


def test_gradient_of_a_model_against_differences():
    likelihood = InterferometerLikelihood.of(observed(NOISES["unequal"]))
    ours = jax.jit(jax.grad(lambda likelihood, model: likelihood(model), argnums=1))(likelihood, lens())
    for name in ("center_x", "e2", "effective_radius", "intensity"):
        at = getattr(lens().source["arc"], name)
        h = 1e-4 * max(at, 0.1) if name != "intensity" else 1e-6
        ends = [float(value(likelihood, lens(**{name: at + side * h}))) for side in (1, -1)]
        assert float(getattr(ours.source["arc"], name)) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


def test_dirty_residual_of_noise_has_unit_variance():
    data = observed(0.02, count=4000)
    rows, rng = data.visibilities, np.random.default_rng(5)
    noise = 0.02 * (rng.standard_normal(4000) + 1j * rng.standard_normal(4000))
    data = replace(data, visibilities=replace(rows, values=noise))
    residual = InterferometerLikelihood.of(data).dirty_residual(jnp.zeros(SHAPE))
    assert float(jnp.std(residual)) == pytest.approx(1, abs=0.1)


def with_solved_amplitudes():
    model = lens(intensity=Solved())
    light = replace(model.light["companion"], intensity=Solved())
    return replace(model, light={"companion": light})


HALF_SOLVED = replace(
    with_solved_amplitudes(), light={**with_solved_amplitudes().light, "fixed": lens().light["companion"]}
)


@jax.jit
def _parts(likelihood):
    return likelihood.columns(HALF_SOLVED), likelihood.image(HALF_SOLVED)


def test_amplitudes_are_the_least_squares_of_the_visibilities(pair):
    """Against numpy's least squares over real and imaginary parts, with a fixed part of the light."""
    data, likelihood = pair
    rows = data.visibilities
    columns, rest = (np.asarray(part) for part in _parts(replace(likelihood, w_tilde=None)))

    def whitened(image):
        return np.concatenate([
            model_visibilities(data, image, 4).real / rows.sigma_re,
            model_visibilities(data, image, 4).imag / rows.sigma_im,
        ])

    design = np.stack([whitened(c) for c in columns], 1)
    target = np.concatenate([rows.values.real / rows.sigma_re, rows.values.imag / rows.sigma_im]) - whitened(rest)
    expected, chi2, *_ = np.linalg.lstsq(design, target)
    np.testing.assert_allclose(likelihood.gram(columns), design.T @ design, rtol=1e-9)
    quadratic = likelihood.quadratic(HALF_SOLVED, columns, rest)
    np.testing.assert_allclose(quadratic.projection, design.T @ target, rtol=1e-8)
    np.testing.assert_allclose(quadratic.solve(np.zeros(2, bool)), expected, rtol=1e-8)
    assert float(quadratic.chi2(expected)) == pytest.approx(chi2[0], rel=1e-9)
    np.testing.assert_allclose(likelihood.projection(columns), design.T @ (target + whitened(rest)), rtol=1e-8)
    amplitudes = np.asarray(quadratic.solve(HALF_SOLVED.positive()))
    assert (amplitudes >= 0).all() and HALF_SOLVED.positive().all()
    best = float(likelihood.chi2(rest + np.tensordot(amplitudes, columns, 1)))
    assert best == pytest.approx(float(quadratic.chi2(amplitudes)), rel=1e-9)
    assert best >= chi2[0] * (1 - 1e-12)


def noise_free(**grid):
    """What `lens()` would give, and its likelihood."""
    data = observed(**grid)
    values = model_visibilities(data, image_of(InterferometerLikelihood.of(data), lens()), 4)
    return replace(data, visibilities=replace(data.visibilities, values=values))


def test_problem_with_solved_amplitudes_recovers_the_truth():
    """ln L, its gradient and the amplitudes through `Problem`, on visibilities without noise."""
    data, model = noise_free(), with_solved_amplitudes()
    mass = {**MASS, "sie": replace(MASS["sie"], einstein_radius=Uniform(low=0.3, high=1.5))}
    arc = replace(model.source["arc"], center_x=Normal(mean=0.0, sigma=0.3))
    problem = Problem(replace(model, mass=mass, source={"arc": arc}), InterferometerLikelihood.of(data))
    at = np.array([{"mass.sie.einstein_radius": 0.9, "source.arc.center_x": 0.1}[n] for n in problem.names])
    np.testing.assert_allclose(problem.amplitudes(at), [1e-3, 2e-3], rtol=1e-6)
    best, slope = problem.value_and_grad(at)
    assert float(best) == pytest.approx(norm(data), abs=1e-4)
    assert np.abs(slope).max() < 1e-2
    moved, _ = problem.value_and_grad(at + np.array([0.01, 0.0]))
    assert float(moved) < float(best) - 10


def test_analytic_visibilities_of_an_off_centre_gaussian():
    """V = F exp(-2 pi^2 (u' V u)) exp(-2 pi i (u x0 + v y0)): pins orientation, units and the pixel's response."""
    data = observed(primary_beam=None)
    sigma, q, angle = 0.16, 0.5, 0.6
    e = (1 - q) / (1 + q)
    profile = Gaussian(
        center_x=0.4, center_y=-0.3, e1=e * np.cos(2 * angle), e2=e * np.sin(2 * angle), intensity=1e-3, sigma=sigma
    )
    model = LensModel(light={"blob": profile}, mass={}, source={})
    u, v = (k * direct.ARCSEC for k in (data.visibilities.u, data.visibilities.v))
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    flux = 1e-3 * 2 * np.pi * sigma**2 / PIXEL**2
    expected = flux * np.exp(-2 * np.pi**2 * sigma**2 * (along**2 / q + across**2 * q))
    expected = expected * np.exp(-2j * np.pi * (u * 0.4 - v * 0.3))
    for oversampling in (1, 2, 4):
        likelihood = InterferometerLikelihood.of(data, oversampling)
        image = image_of(likelihood, model)
        ours = model_visibilities(data, image, oversampling)
        assert np.abs(ours - expected).max() < 1e-5 * flux
        perfect = direct.chi2(data.visibilities, expected)
        assert float(likelihood.chi2(image)) == pytest.approx(perfect, rel=1e-4)


def test_masked_pixels_do_not_shine():
    data = observed()
    data = data.with_mask(circular_mask(data.x, data.y, 1.2))
    image = np.asarray(image_of(InterferometerLikelihood.of(data), lens()))
    whole = np.asarray(image_of(InterferometerLikelihood.of(observed()), lens()))
    np.testing.assert_array_equal(image, np.where(data.mask, 0, whole))


def test_oversampling_maps_caps_and_pixels_of_brightness():
    data = noise_free()
    levels = np.full(SHAPE, 2)
    levels[20:40, 20:40] = 4
    by_map = InterferometerLikelihood.of(data, levels)
    assert by_map.grid.capped(2).oversampling.max() == 2
    full, two = (InterferometerLikelihood.of(data, n) for n in (4, 2))
    capped = replace(full, grid=full.grid.capped(2))
    np.testing.assert_allclose(image_of(capped, lens()), image_of(two, lens()), rtol=1e-12)
    coarse = data.regridded(pixel_scale=2 * PIXEL, shape=(30, 32))
    agreed = InterferometerLikelihood.of(coarse, 4, brightness_pixel=PIXEL)
    brightness = float(full.chi2(jnp.zeros(SHAPE)))
    for likelihood, part in ((full, 1e-9), (two, 1e-5), (by_map, 1e-4), (agreed, 1e-3)):
        assert float(likelihood.chi2(image_of(likelihood, lens()))) < part * brightness


def test_minus(pair):
    _, likelihood = pair
    image, other = (image_of(likelihood, lens(center_x=x)) for x in (0.1, 0.3))
    assert float(likelihood.minus(other).chi2(image)) == pytest.approx(float(likelihood.chi2(image + other)), rel=1e-9)


def test_no_sky_and_no_single_precision():
    likelihood = InterferometerLikelihood.of(observed())
    for sky in (Solved(positive=False), 0.1):
        with pytest.raises(ModelError, match="does not see a constant sky"):
            likelihood(replace(lens(), sky=sky))
    with pytest.raises(ModelError, match="the image is float32, and chi2 of visibilities is a small difference"):
        likelihood.chi2(jnp.zeros(SHAPE, jnp.float32))
    with jax.enable_x64(False), pytest.raises(ModelError, match="JAX is set to single precision"):
        InterferometerLikelihood.of(observed())


def test_cost_does_not_know_the_visibilities():
    """Arrays of the same shapes, hence one compiled program, for any K."""
    few, many = (InterferometerLikelihood.of(observed(count=count)) for count in (300, 3000))
    shapes = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (few, many)]
    assert jax.tree.leaves(shapes[0]) == jax.tree.leaves(shapes[1])
    assert jax.tree.structure(few) == jax.tree.structure(many)
