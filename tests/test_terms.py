"""Sums of terms: an image and visibilities of one lens, each with a model of its own that shares the mass."""

import copy
import pickle

import jax
import jax.numpy as jnp
import mock_lens
import numpy as np
import pytest

from lensfit.datasets import Interferometer
from lensfit.errors import FitError, ModelError
from lensfit.fitters.laplace import laplace
from lensfit.fitters.lm import descend
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.model import LensModel, Models
from lensfit.priors import Disk, LogNormal, Normal, Solved
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential
from lensfit.pytree import replace
from lensfit.registry import fit
from lensfit.simulate import simulate_interferometer
from lensfit.space import Space
from lensfit.terms import LeastSquares, Residuals, Sum

DUST = {"center_x": 0.14, "center_y": 0.03, "e1": 0.05, "e2": 0.1, "effective_radius": 0.15}


def dusty(model):
    """The model of the visibilities: the mass of an image's model, and a source of its own."""
    sie, source = model.mass["sie"], Disk(scale=0.2, limit=0.8).parts
    arc = Exponential(
        center_x=Normal(mean=sie.center_x, sigma=0.2), center_y=Normal(mean=sie.center_y, sigma=0.2),
        e1=source[0], e2=source[1], intensity=Solved(), effective_radius=LogNormal(median=0.2, sigma=0.5),
    )  # fmt: skip
    return LensModel(light={}, mass=model.mass, source={"dust": arc})


@pytest.fixture(scope="module")
def terms(small):
    truth = LensModel(
        light={}, mass={"sie": SIE(**mock_lens.SMALL["mass.sie"])},
        source={"dust": Exponential(**DUST, intensity=2e-3)},
    )  # fmt: skip
    rows = earth_rotation(
        spiral(10, 700.0), latitude=-23.0, declination=-40.0, hour_angles=np.linspace(-2, 2, 8), wavelength=1e-3,
        noise=0.004,
    )  # fmt: skip
    wide = Interferometer.of(rows, pixel_scale=0.1, shape=(32, 32))
    data = simulate_interferometer(truth, wide, seed=4)
    return {"hst": small.problem.likelihood, "alma": InterferometerLikelihood.of(data)}


@pytest.fixture(scope="module")
def problem(terms):
    model = mock_lens.small_model()
    return Problem({"hst": model, "alma": dusty(model)}, Sum.of(terms))


@pytest.fixture(scope="module")
def truth(problem, small):
    own = dict(zip(small.problem.names, small.truth, strict=True)) | {f"source.dust.{k}": v for k, v in DUST.items()}
    own["mass.sie.center_x"], own["mass.sie.center_y"] = (own[f"light.disk.center_{axis}"] for axis in "xy")
    return np.array([own[name.removeprefix("hst.").removeprefix("alma.")] for name in problem.names])


def test_names_say_what_is_shared(problem):
    shared = {f"mass.sie.{name}" for name in ("center_x", "center_y", "e1", "e2", "einstein_radius")}
    own = set(problem.names) - shared
    assert shared < set(problem.names) and problem.ndim == len(shared) + len(own)
    assert {name.partition(".")[0] for name in own} == {"hst", "alma"}
    amplitudes = [p.name for p in problem.space.amplitudes]
    assert amplitudes == ["alma.source.dust.intensity", "hst.light.disk.intensity", "hst.source.arc.intensity",
                          "hst.sky"]


def test_ln_l_and_gradient_are_those_of_the_parts(problem, terms, truth):
    total, slope = problem.value_and_grad(truth)
    parts = problem.parts(problem.solved_model(truth))
    expected = sum(float(jax.jit(lambda t, m: t(m))(term, model)) for _, term, model in parts)
    assert float(total) == pytest.approx(expected, rel=1e-12)
    step = 1e-5
    moved = np.asarray(problem.log_likelihood(truth + step * np.array([[1], [-1]]) * np.eye(problem.ndim)[3]))
    assert float(slope[3]) == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-4)
    assert [name for name, _, _ in parts] == ["alma", "hst"]
    assert problem.likelihood.data_count == sum(term.data_count for term in terms.values())


def test_the_curvature_of_a_sum_is_the_sum_of_the_curvatures(problem, terms, truth):
    """The precision of the shared parameters, the others integrated out, adds up but for the prior counted twice."""
    both = laplace(problem.space, problem.likelihood, truth)
    mass = [name for name in problem.names if name.startswith("mass.")]
    places = [problem.names.index(name) for name in mass]
    joint = np.linalg.inv(both.covariance[np.ix_(places, places)])
    single = []
    for name, term in terms.items():
        alone = Problem(problem.model[name], term)
        tied = [m.replace("light.disk.center", "mass.sie.center") for m in alone.names]
        place = [tied.index(n) for n in mass]
        theta = np.array([truth[problem.names.index(m if m in problem.names else f"{name}.{m}")] for m in tied])
        found = laplace(alone.space, term, theta).covariance
        single.append(np.linalg.inv(found[np.ix_(place, place)]))
    z = jnp.asarray(problem.to_z(truth))
    slopes = np.asarray(jax.jit(jax.jacfwd(problem.space.to_theta))(z))[np.ix_(places, places)]
    prior = np.linalg.inv(slopes @ slopes.T)
    np.testing.assert_allclose(joint, sum(single) - prior, rtol=1e-5, atol=1e-6 * np.abs(joint).max())


def test_one_amplitude_in_two_models_is_solved_on_both_data(small):
    """Two images with the same amplitude: as one image with the noise of both."""
    image, likelihood = small.problem, small.problem.likelihood
    twice = Problem(image.model, Sum.of({"a": likelihood, "b": likelihood}))
    assert twice.names == image.names and twice.space.amplitudes == image.space.amplitudes
    np.testing.assert_allclose(twice.amplitudes(small.truth), image.amplitudes(small.truth), rtol=1e-8)
    assert float(twice.log_likelihood(small.truth)) == pytest.approx(2 * float(image.log_likelihood(small.truth)))
    point = descend(twice.space, twice.likelihood, small.truth, np.ones(twice.ndim, bool), 2, 1e-3).point
    assert np.isfinite(float(point.objective))


def test_visibilities_of_one_sky_are_pooled(terms):
    alma = terms["alma"]
    half = replace(alma, dirty=0.3 * alma.dirty)
    pooled = InterferometerLikelihood.pooled([alma, half])
    image = jnp.abs(jnp.sin(jnp.arange(32.0)))[:, None] * jnp.ones(32) * 1e-3
    assert float(pooled.chi2(image)) == pytest.approx(float(alma.chi2(image) + half.chi2(image)), rel=1e-10)
    with pytest.raises(ModelError, match="not pooled"):
        InterferometerLikelihood.pooled([alma, alma.coarser()])


@pytest.mark.slow
def test_staged_fits_the_sum(problem, truth):
    result = fit(problem, seed=0)
    k = problem.names.index("mass.sie.einstein_radius")
    assert abs(result.theta[k] - truth[k]) < 5 * result.errors[k] < 0.05
    assert np.all(np.abs(result.theta - truth) < 6 * result.errors + 1e-3)
    assert isinstance(result.model, Models) and set(result.model) == {"hst", "alma"}


@pytest.mark.parametrize("change", [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m)),
                                    lambda m: jax.tree.map(lambda leaf: leaf, m)])
def test_ties_hold(problem, change):
    changed = {name: change(model) for name, model in problem.model.items()}
    assert Space.of(Models(terms=changed)).names == problem.names


def test_what_is_no_sum_of_squares_is_refused(terms, problem, small):
    with pytest.raises(ModelError, match="at least one term"):
        Sum.of({})
    with pytest.raises(ModelError, match="is no name"):
        Sum.of({"F150W-a": terms["hst"]})
    with pytest.raises(ModelError, match="a sum is of terms of one image"):
        Sum.of({"both": problem.likelihood})
    with pytest.raises(ModelError, match="the terms of the sum are alma, hst, the models are of hst"):
        Problem({"hst": small.problem.model}, Sum.of(terms))
    with pytest.raises(ModelError, match="takes a LensModel"):
        Problem({"hst": small.problem.model}, terms["hst"])
    with pytest.raises(ModelError, match="has no residuals"):
        problem.residuals(np.zeros(problem.ndim))
    with pytest.raises(FitError, match="JaxoptLM needs a residual for each datum"):
        fit(problem, "jaxopt-lm")
    assert isinstance(terms["hst"], Residuals) and not isinstance(terms["alma"], Residuals)
    assert isinstance(problem.likelihood, LeastSquares)


def test_a_leaf_is_a_number_or_a_prior(small):
    model = small.problem.model
    for leaf in ((0.1, 0.2), None, "0.3", [0.1]):
        broken = replace(model, mass={"sie": replace(model.mass["sie"], e1=leaf)})
        with pytest.raises(ModelError, match=r"mass\.sie\.e1: .* is no number"):
            Problem(broken, small.problem.likelihood)
    same = Solved()
    disk, arc = (replace(p, intensity=same) for p in (model.light["disk"], model.source["arc"]))
    with pytest.raises(ModelError, match=r"the Solved of light\.disk\.intensity stands here too"):
        Problem(replace(model, light={"disk": disk}, source={"arc": arc}), small.problem.likelihood)


def test_a_problem_can_be_pickled(small):
    for backend in ("jax", "numba"):
        problem = Problem(small.problem.model, small.problem.likelihood, backend)
        again = pickle.loads(pickle.dumps(problem))
        assert again.names == problem.names and again.backend == backend
        assert float(again.log_likelihood(small.truth)) == float(problem.log_likelihood(small.truth))


def test_the_likelihood_of_an_image_is_a_term(small):
    with pytest.raises(ModelError, match="is no likelihood of lensfit"):
        Problem(small.problem.model, "image")  # pyright: ignore
    assert isinstance(small.problem.likelihood, ImagingLikelihood)
