"""ln evidence of images: the density of the data written out, its gradient, what is reconstructed, and refusals."""

import dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_regularisation import KINDS, source_of, whole

from lensfit import LensModel, PixelImagingLikelihood, Problem
from lensfit.errors import ModelError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.priors import Disk, Normal, Solved, Uniform
from lensfit.profiles import Gaussian, MultiGaussian, Shear
from lensfit.pytree import replace
from lensfit.space import Space

WIDTH = 30.0
GAUSSIAN = {"center_x": 0.1, "center_y": 0.0, "e1": 0.1, "e2": 0.0, "sigma": 0.3}


def compiled(method):
    """method(likelihood, model) in one program; `Solved` leaves are no arguments of one, so the space builds them."""
    made = jax.jit(lambda likelihood, space: method(likelihood, space.build(jnp.zeros(0))))
    return lambda likelihood, model: made(likelihood, Space.of(model))


evidence = compiled(lambda likelihood, model: likelihood(model))
solution = compiled(lambda likelihood, model: likelihood.solution(model))
reconstruct = compiled(lambda likelihood, model: likelihood.reconstruct(model))
columns = compiled(lambda likelihood, model: likelihood.columns(model))
residuals = compiled(lambda likelihood, model: likelihood.residuals(model))
HALO = MultiGaussian(
    center_x=0.0, center_y=0.1, e1=0.0, e2=0.1, intensity=Solved(positive=False), sigmas=np.array([0.2, 0.9])
)


def model_of(source=None, light=None, sky=0.0):
    return LensModel(light=light or {}, mass=dense.MASS, source={"pixels": source or dense.pixel_source()}, sky=sky)


def light_of(amplitude):
    return {"bulge": Gaussian(**GAUSSIAN, intensity=amplitude)}


MODELS = {
    "source alone": model_of(),
    "fixed light and sky": model_of(light=light_of(1.5), sky=0.3),
    "solved": model_of(light=light_of(Solved(positive=False)), sky=Solved(positive=False)),
    "both": model_of(light=light_of(2.0) | {"halo": HALO}, sky=Solved(positive=False)),
}
DATA = {
    "ring": [dense.observed()],
    "scattered": [dense.observed("scattered", seed=1)],
    "two images": [dense.observed(), dense.observed("corner", (16, 14), seed=2, psf=(3, 3))],
}


def rows_and_data(model, data):
    """B (S + K, M) of all images, and the whitened data less what is fixed (M,), by dense sums."""
    rows, target = [], []
    for image in data:
        parametric = ImagingLikelihood.of(image)
        seen = np.asarray(parametric.inverse_noise) > 0
        rest = model.without_pixels()
        light = np.asarray(columns(parametric, rest))[:, seen]
        rows.append(np.concatenate([dense.images(model, image), light]))
        target.append(-np.asarray(residuals(parametric, rest))[seen])
    return np.concatenate(rows, 1), np.concatenate(target)


def log_norm(data):
    return sum(-0.5 * np.sum(np.log(2 * np.pi * image.noise[~image.mask] ** 2)) for image in data)


def prior_precision(model, lights):
    matrix = np.zeros((36 + lights,) * 2)
    matrix[:36, :36] = whole(model.pixels()["pixels"])
    matrix[36:, 36:] = np.eye(lights) / WIDTH**2
    return matrix


@pytest.mark.parametrize(
    ("seen", "name"), [("ring", name) for name in MODELS] + [("scattered", "solved"), ("two images", "both")]
)
def test_is_the_density_of_the_data(seen, name):
    """With all unknowns integrated out the data are normal, with a covariance that can be written down."""
    model, data = MODELS[name], DATA[seen]
    rows, target = rows_and_data(model, data)
    lights = len(rows) - 36
    expected = dense.log_evidence(rows, target, np.linalg.inv(prior_precision(model, lights)), log_norm(data))
    for engine in ("native", "xla") if name == "both" else ("native",):
        likelihood = replace(PixelImagingLikelihood.of(*data, width=WIDTH), engine=engine)
        np.testing.assert_allclose(evidence(likelihood, model), expected, rtol=0, atol=1e-8)
    assert likelihood.data_count == len(target)
    np.testing.assert_allclose(likelihood.log_norm, log_norm(data), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, 3])
def test_every_regularisation_and_order(kind, order):
    model = model_of(source_of(kind, order=order))
    rows, target = rows_and_data(model, DATA["ring"])
    expected = dense.log_evidence(rows, target, np.linalg.inv(prior_precision(model, 0)), log_norm(DATA["ring"]))
    likelihood = PixelImagingLikelihood.of(*DATA["ring"], width=WIDTH)
    np.testing.assert_allclose(evidence(likelihood, model), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("lights", [False, True], ids=["source alone", "with light"])
def test_positive_source(lights):
    """ln evidence is that of the pixels that are not held, the others being zero; amplitudes stay in it."""
    solved = Solved()
    model = MODELS["source alone"] if not lights else model_of(light=light_of(solved), sky=Solved(positive=False))
    model = replace(model, source={"pixels": replace(model.source["pixels"], positive=True)})
    likelihood = PixelImagingLikelihood.of(*DATA["ring"], width=WIDTH)
    found = solution(likelihood, model)
    moving = np.asarray(found.moving)
    assert 5 < moving[:36].sum() < 36 and np.all(found.s[:36] >= 0) and np.all(moving[36:])
    rows, target = rows_and_data(model, DATA["ring"])
    prior = np.linalg.inv(prior_precision(model, len(rows) - 36)[np.ix_(moving, moving)])
    expected = dense.log_evidence(rows[moving], target, prior, log_norm(DATA["ring"]))
    np.testing.assert_allclose(found.log_evidence, expected, rtol=0, atol=1e-8)
    slope = rows @ (rows.T @ found.s - target) + prior_precision(model, len(rows) - 36) @ found.s
    assert np.all(np.abs(slope[moving]) < 1e-9) and np.all(slope[~moving] > 0)


def test_amplitudes_that_would_be_negative_are_zero():
    """And ln evidence stays smooth where one of them reaches zero: their determinant stays in it."""
    model = model_of(light=light_of(Solved()), sky=Solved(positive=False))
    data = DATA["ring"][0]
    values, found = [], []
    for shift in np.linspace(-22, 2, 13):
        moved = replace(data, data=data.data + shift * np.exp(-(data.x**2 + data.y**2) / 0.2))
        one = solution(PixelImagingLikelihood.of(moved, width=WIDTH), model)
        values.append(float(one.log_evidence))
        found.append(float(one.s[36]))
    assert min(found) == 0.0 and found[-1] > 0
    assert np.all(np.abs(np.diff(values, 2)) < 0.2 * np.abs(np.diff(values)).max() + 1)


def free_model(**changes):
    light = Gaussian(**GAUSSIAN | {"sigma": Uniform(low=0.2, high=0.5)}, intensity=Solved())
    g1, g2 = Disk(scale=0.05, limit=0.3).parts
    source = {
        "center_x": Normal(mean=0.0, sigma=0.05), "half_width": Uniform(low=0.2, high=0.8),
        "strength": Uniform(low=-2.0, high=2.0),
    }
    mass = dense.MASS | {
        "sie": replace(dense.MASS["sie"], einstein_radius=Uniform(low=0.5, high=0.9)),
        "shear": Shear(gamma1=g1, gamma2=g2),
    }
    pixels = dense.pixel_source(**source | changes)
    return LensModel(light={"bulge": light}, mass=mass, source={"pixels": pixels}, sky=Solved(positive=False))


FREE = {
    "quadratic": {}, "cubic": {"order": 3},
    "matern": {"regularisation": "matern", "length": Uniform(low=0.1, high=0.4)},
    "adaptive": {"regularisation": "adaptive", "contrast": Uniform(low=0.0, high=1.0),
                 "reference": KINDS["adaptive"]["reference"]},
    "positive": {"positive": True},
}


@pytest.mark.parametrize("name", FREE)
def test_gradient(name):
    """By every parameter, against central differences; the quadratic spline has but one smooth derivative."""
    problem = Problem(free_model(**FREE[name]), PixelImagingLikelihood.of(*DATA["ring"]))
    assert problem.names[0] == "light.bulge.sigma" and "source.pixels.strength" in problem.names
    theta, step = problem.draw(np.random.default_rng(3), 4), 1e-6
    moved = theta[:, None, None] + step * np.array([0, 1, -1])[:, None, None] * np.eye(problem.ndim)
    values, gradients = problem.value_and_grad(moved.reshape(-1, problem.ndim))
    values = np.asarray(values).reshape(4, 3, problem.ndim)
    gradients = np.asarray(gradients).reshape(*values.shape, problem.ndim)[:, 0, 0]
    slopes = (values[:, 1] - values[:, 2]) / (2 * step)
    assert np.all(np.isfinite(gradients))
    error = np.abs(gradients - slopes) / np.abs(slopes).max(1, keepdims=True)
    assert np.max(error) < (1e-6 if name == "cubic" else 1e-4), error


def test_engines_agree_on_the_gradient():
    likelihood = PixelImagingLikelihood.of(*DATA["two images"])
    theta = [0.3, 0.65, 0.02, -0.03, 0.04, 0.5, 0.3]
    made = [
        Problem(free_model(), replace(likelihood, engine=engine)).value_and_grad(theta) for engine in ("native", "xla")
    ]
    np.testing.assert_allclose(made[0][0], made[1][0], rtol=1e-12)
    np.testing.assert_allclose(made[0][1], made[1][1], rtol=1e-9)


at = jax.jit(lambda made, x, y: made.at(x, y))


def test_reconstruction():
    """The most probable source and its covariance by dense sums, and images that add up to it."""
    model, data = MODELS["solved"], DATA["two images"]
    likelihood = PixelImagingLikelihood.of(*data, width=WIDTH)
    made = reconstruct(likelihood, model)
    rows, target = rows_and_data(model, data)
    covariance = np.linalg.inv(rows @ rows.T + prior_precision(model, 2))
    s = covariance @ rows @ target
    np.testing.assert_allclose(made.coefficients.ravel(), s[:36], atol=1e-9)
    np.testing.assert_allclose(made.amplitudes, s[36:], atol=1e-9)
    np.testing.assert_allclose(made.amplitude_deviations, np.sqrt(np.diag(covariance)[36:]), rtol=1e-9)
    problem = Problem(model, likelihood)
    np.testing.assert_allclose(problem.amplitudes([]), s[36:], atol=1e-9)
    node = np.arange(6.0)
    nodes = dense.mapping(*(n.reshape(-1, 1) for n in np.meshgrid(node, node)), 6, 2)
    np.testing.assert_allclose(made.brightness.ravel(), nodes @ s[:36], atol=1e-9)
    deviation = np.sqrt(np.diag(nodes @ covariance[:36, :36] @ nodes.T))
    np.testing.assert_allclose(made.deviation.ravel(), deviation, rtol=1e-9)
    np.testing.assert_allclose(at(made, *np.meshgrid(made.x, made.y)), made.brightness, atol=1e-9)
    source = model.source["pixels"]
    assert made.x[0] == pytest.approx(source.center_x - source.half_width) and len(made.y) == 6
    chi2 = np.sum((target - rows.T @ s) ** 2)
    np.testing.assert_allclose(made.solution.chi2, chi2, rtol=1e-9)
    np.testing.assert_allclose(sum(np.sum(np.square(seen.residuals)) for seen in made.seen), chi2, rtol=1e-9)
    np.testing.assert_allclose(made.seen[0].image, made.seen[0].source + made.seen[0].light, atol=1e-12)
    assert made.model.light["bulge"].intensity == made.amplitudes[0] and made.model.sky == made.amplitudes[1]


def test_flux_and_magnification():
    """Without a lens nothing is magnified, and the flux is that of a fine sum over the source."""
    data = dense.observed("none", (31, 31), seed=4)
    model = replace(model_of(dense.pixel_source(strength=0.5)), mass={})
    made = reconstruct(PixelImagingLikelihood.of(data), model)
    fine = np.linspace(-0.8, 0.8, 400)
    flux = np.sum(at(made, *np.meshgrid(fine, fine))) * (fine[1] - fine[0]) ** 2
    np.testing.assert_allclose(made.source_flux, flux, rtol=1e-3)
    np.testing.assert_allclose(made.magnification, 1.0, atol=0.05)


def test_refused():
    data = DATA["ring"][0]
    likelihood = PixelImagingLikelihood.of(data)
    source = dense.pixel_source()
    with pytest.raises(ModelError, match="0 sources on pixels"):
        likelihood(LensModel(light={}, mass=dense.MASS, source={}))
    with pytest.raises(ModelError, match="2 sources on pixels: one, two"):
        likelihood(LensModel(light={}, mass=dense.MASS, source={"one": source, "two": source}))
    with pytest.raises(ModelError, match=r"source\.pixels is on pixels"):
        ImagingLikelihood.of(data)(model_of())
    with pytest.raises(ModelError, match="at least one image"):
        PixelImagingLikelihood.of()


def test_a_system_that_is_not_positive_definite():
    """Outside a compiled program an error names the pixels without data; inside it is NaN, its gradient too."""
    likelihood = PixelImagingLikelihood.of(DATA["ring"][0])
    model = model_of(dense.pixel_source(center_x=1.0, strength=-400.0))
    with pytest.raises(ModelError, match=r"no datum constrains \d+ of its 36 pixels \(row, column\) .*\(0, 5\)"):
        likelihood(model)
    value, slope = jax.jit(jax.value_and_grad(likelihood))(jax.tree.map(jnp.asarray, model))
    assert np.isnan(value) and np.isnan(slope.source["pixels"].center_x)
    broken = replace(model_of(), mass={"sie": replace(dense.MASS["sie"], einstein_radius=np.nan)})
    assert np.isnan(evidence(likelihood, broken))
    with pytest.raises(ModelError, match="a ray of the lens model"):
        likelihood(broken)


@pytest.mark.parametrize("axis", ["center_x", "center_y"])
def test_smooth_where_a_centre_of_mass_passes_a_ray(axis):
    """On a mesh that reaches to the Einstein radius: neighbours of the centre are sent to opposite sides."""
    data = dense.observed("none")
    likelihood = PixelImagingLikelihood.of(data, width=WIDTH)
    place = {"center_x": float(data.x[9, 11]) + 0.025, "center_y": float(data.y[9, 11]) + 0.025}

    def at(step):
        moved = replace(dense.MASS["sie"], **place | {axis: place[axis] + step})
        source = {"pixels": dense.pixel_source(half_width=1.2)}
        return LensModel(light={}, mass=dense.MASS | {"sie": moved}, source=source)

    steps = np.array([-2e-4, -1e-4, 1e-4, 2e-4])  # the ray lies between the second and the third
    values = np.array([float(evidence(likelihood, at(step))) for step in steps])
    slopes = np.diff(values) / np.diff(steps)
    assert abs(values[2] - values[1]) < 0.01 and abs(slopes[1] - (slopes[0] + slopes[2]) / 2) < 1.0
