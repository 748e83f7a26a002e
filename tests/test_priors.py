"""Every prior through one battery: one map gives the density, the unit cube and the unconstrained space."""

import copy
import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from lensfit import priors
from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.priors import Disk, LogNormal, LogUniform, Normal, Part, Solved, TruncatedNormal, Uniform
from lensfit.profiles import Gaussian
from lensfit.pytree import replace
from lensfit.space import Space

PRIORS = {
    "normal": Normal(mean=0.3, sigma=0.05),
    "log_normal": LogNormal(median=0.4, sigma=0.7),
    "uniform": Uniform(low=-1.5, high=4.0),
    "log_uniform": LogUniform(low=1e-4, high=30.0),
    "truncated": TruncatedNormal(mean=1.3, sigma=0.8, low=0.4, high=6.0),
    "truncated_tail": TruncatedNormal(mean=-2.0, sigma=1.0, low=0.5, high=3.0),
    "truncated_far": TruncatedNormal(mean=0.0, sigma=1.0, low=9.0, high=10.0),
    "truncated_far_below": TruncatedNormal(mean=1.0, sigma=0.5, low=-4.0, high=-3.5),
    "truncated_at_zero": TruncatedNormal(mean=1.3, sigma=0.8, low=0.0, high=np.inf),
    "truncated_narrow": TruncatedNormal(mean=0.0, sigma=1.0, low=1.0, high=1.001),
    "disk": Disk(scale=0.3, limit=0.8),
    "disk_off_centre": Disk(scale=0.1, limit=0.5, center_1=0.2, center_2=-0.3),
}
SCIPY = {
    "normal": stats.norm(0.3, 0.05),
    "log_normal": stats.lognorm(0.7, scale=0.4),
    "uniform": stats.uniform(-1.5, 5.5),
    "log_uniform": stats.loguniform(1e-4, 30.0),
    "truncated": stats.truncnorm(-0.9 / 0.8, 4.7 / 0.8, loc=1.3, scale=0.8),
    "truncated_tail": stats.truncnorm(2.5, 5.0, loc=-2.0, scale=1.0),
    "truncated_far": stats.truncnorm(9.0, 10.0),
    "truncated_far_below": stats.truncnorm(-10.0, -9.0, loc=1.0, scale=0.5),
    "truncated_narrow": stats.truncnorm(1.0, 1.001),
    "truncated_at_zero": stats.truncnorm(-1.3 / 0.8, np.inf, loc=1.3, scale=0.8),
}
OUTSIDE = {
    "normal": [np.nan, np.inf, -np.inf],
    "log_normal": [0.0, -0.1, np.nan, np.inf],
    "uniform": [-1.5, 4.0, -2.0, 5.0, np.nan, np.inf],
    "log_uniform": [1e-4, 30.0, 0.0, -1.0, np.nan],
    "truncated": [0.4, 6.0, 0.0, 7.0, np.nan],
    "truncated_tail": [0.5, 3.0, -2.0, np.nan],
    "truncated_far": [9.0, 10.0, 0.0, np.nan],
    "truncated_far_below": [-4.0, -3.5, 1.0, np.nan],
    "truncated_at_zero": [0.0, -1.0, np.inf, np.nan],
    "truncated_narrow": [1.0, 1.001, np.nan],
    "disk": [(0.8, 0.0), (0.6, 0.6), (np.nan, 0.0), (np.inf, 0.0)],
    "disk_off_centre": [(0.5, 0.0), (-0.4, 0.31), (0.0, np.nan)],
}


@jax.jit
def _forward(prior, z):
    first = jax.jacfwd(prior.forward)
    return prior.forward(z), first(z), jax.jacfwd(first)(z)


@jax.jit
def _backward(prior, theta):
    return prior.inverse(theta), *jax.value_and_grad(prior.log_density)(theta)


def maps(name):
    """z (size,) -> theta and its derivatives; theta (size,) -> z, ln density and its gradient."""
    prior = jax.tree.map(float, PRIORS[name])
    return (
        lambda z: [np.asarray(part) for part in _forward(prior, z)],
        lambda theta: [np.asarray(part) for part in _backward(prior, theta)],
    )


def normals(name, most):
    return st.lists(st.floats(-most, most), min_size=PRIORS[name].size, max_size=PRIORS[name].size)


@pytest.mark.parametrize("name", PRIORS)
@given(data=st.data())
@settings(max_examples=100)
def test_one_map_gives_all(name, data):
    z = np.array(data.draw(normals(name, 5.0)))
    forward, backward = maps(name)
    theta, slope, bend = forward(z)
    again, density, pull = backward(theta)
    assert np.isfinite(bend).all() and np.isfinite(pull).all()
    np.testing.assert_allclose(again, z, rtol=1e-7, atol=1e-7)
    expected = stats.norm.logpdf(z).sum() - np.linalg.slogdet(slope)[1]
    assert density == pytest.approx(expected, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("name", PRIORS)
@given(data=st.data())
@settings(max_examples=100)
def test_every_z_has_a_parameter_inside_the_support(name, data):
    """And comes back as far as doubles can tell parameters apart."""
    z = np.array(data.draw(normals(name, 30.0)))
    forward, backward = maps(name)
    theta, slope, bend = forward(z)
    assert bool(PRIORS[name].contains(theta)), theta
    assert np.isfinite(slope).all() and np.isfinite(bend).all()
    again, density, pull = backward(theta)
    assert np.isfinite(again).all() and np.isfinite(density) and np.isfinite(pull).all()
    if len(z) == 1:
        with np.errstate(divide="ignore"):
            apart = np.spacing(np.abs(theta)) / np.abs(np.diagonal(slope))
        told = apart < 0.05
        assert (np.abs(again - z) <= 1e-10 + 1e-10 * np.abs(z) + 10 * apart)[told].all(), (z, again, apart)


TROUBLE = {
    "sigma is -1; it must be positive": Normal(mean=0.0, sigma=-1.0),
    "sigma is 0; it must be positive": LogNormal(median=1.0, sigma=0),
    "median is -2; it must be positive": LogNormal(median=-2.0, sigma=1.0),
    "mean is inf; it must be finite": Normal(mean=np.inf, sigma=1.0),
    "mean is nan, which is no number": Normal(mean=np.nan, sigma=1.0),
    "mean is 'three', which is no number": Normal(mean="three", sigma=1.0),
    "mean is None, which is no number": Normal(mean=None, sigma=1.0),
    "mean is (1, 2), which is no number": Normal(mean=(1, 2), sigma=1.0),
    "low is 2 and high 1; low must be below high": Uniform(low=2.0, high=1.0),
    "low is 2 and high 2; low must be below high": TruncatedNormal(mean=0.0, sigma=1.0, low=2.0, high=2.0),
    "high is inf; it must be finite": Uniform(low=2.0, high=np.inf),
    "low is 0; it must be positive": LogUniform(low=0.0, high=1.0),
    "no probability between low and high, 90 sigma": TruncatedNormal(mean=0.0, sigma=1.0, low=90.0, high=99.0),
    "scale is 0; it must be positive": Disk(scale=0.0, limit=1.0),
    "its centre is 0.5 from zero, and limit is 0.5": Disk(scale=0.1, limit=0.5, center_1=0.3, center_2=-0.4),
}


@pytest.mark.parametrize("said", TROUBLE)
def test_hyperparameters_that_make_no_prior(said):
    assert said in TROUBLE[said].trouble()


def test_hyperparameters_that_are_in_order():
    for prior in PRIORS.values():
        assert prior.trouble() == ""
    x = Normal(mean=0.0, sigma=1.0)
    assert Uniform(low=x, high=Disk(scale=1.0, limit=1.0).parts[0]).trouble() == ""
    assert Uniform(low=np.float32(0), high=jnp.asarray(2)).trouble() == ""
    assert Normal(mean=x, sigma=-1.0).trouble() != ""


@pytest.mark.parametrize("name", SCIPY)
def test_equals_scipy(name):
    forward, backward = maps(name)
    z = np.linspace(-5, 5, 41)
    theta = np.array([forward(point)[0][0] for point in z[:, None]])
    density = [backward(point)[1] for point in theta[:, None]]
    np.testing.assert_allclose(theta, SCIPY[name].ppf(stats.norm.cdf(z)), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(density, SCIPY[name].logpdf(theta), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("name", PRIORS)
@given(data=st.data())
@settings(max_examples=40)
def test_derivatives(name, data):
    z = np.array(data.draw(normals(name, 3.5)))
    forward, backward = maps(name)
    theta, slope, bend = forward(z)
    _, _, pull = backward(theta)
    for k, step in enumerate(1e-4 * np.eye(len(z))):
        plus, minus = forward(z + step), forward(z - step)
        np.testing.assert_allclose(slope[:, k], (plus[0] - minus[0]) / 2e-4, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(bend[..., k], (plus[1] - minus[1]) / 2e-4, rtol=1e-5, atol=1e-7)
        chain = (backward(plus[0])[1] - backward(minus[0])[1]) / 2e-4
        assert (pull @ slope)[k] == pytest.approx(chain, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", SCIPY)
def test_density_integrates_to_one(name):
    density = lambda t: np.exp(float(maps(name)[1](np.array([t]))[1]))  # noqa: E731
    edges = SCIPY[name].ppf([0.0, 1e-8, 0.01, 0.5, 0.99, 1 - 1e-8, 1.0])
    edges = edges[np.isfinite(edges)]
    total = sum(integrate.quad(density, a, b, epsabs=1e-10)[0] for a, b in itertools.pairwise(edges))
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["disk", "disk_off_centre"])
def test_density_over_the_disk_integrates_to_one(name):
    limit = PRIORS[name].limit
    nodes, weights = np.polynomial.legendre.leggauss(80)
    radius, angle = limit * (nodes + 1) / 2, 2 * np.pi * np.arange(96) / 96
    pairs = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    density = jax.jit(jax.vmap(jax.vmap(PRIORS[name].log_density)))(pairs)
    total = np.sum(np.exp(density).mean(1) * 2 * np.pi * radius * weights * limit / 2)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", PRIORS)
def test_samples_follow_the_density(name):
    prior = PRIORS[name]
    z = np.random.default_rng(11).standard_normal((4000, prior.size))
    theta = np.asarray(jax.jit(jax.vmap(prior.forward))(z))
    assert np.asarray(jax.vmap(prior.contains)(theta)).all()
    if name in SCIPY:
        assert stats.kstest(theta[:, 0], SCIPY[name].cdf).pvalue > 1e-3
        return
    # The marginal of e1 from the density alone, by quadrature over e2
    edges = np.linspace(-prior.limit, prior.limit, 401)
    e1 = (edges[1:] + edges[:-1]) / 2
    half = np.sqrt(prior.limit**2 - e1**2)
    nodes, weights = np.polynomial.legendre.leggauss(100)
    pairs = np.stack(np.broadcast_arrays(e1[:, None], half[:, None] * nodes), -1)
    density = np.exp(np.asarray(jax.jit(jax.vmap(jax.vmap(prior.log_density)))(pairs)))
    mass = np.concatenate([[0], np.cumsum(density @ weights * half * (edges[1] - edges[0]))])
    assert mass[-1] == pytest.approx(1, abs=1e-4)
    assert stats.kstest(theta[:, 0], lambda x: np.interp(x, edges, mass)).pvalue > 1e-3


@pytest.mark.parametrize("name", PRIORS)
def test_no_density_outside(name):
    _, backward = maps(name)
    for value in OUTSIDE[name]:
        _, density, pull = backward(np.atleast_1d(np.array(value, float)))
        assert density == -np.inf, value
        assert not np.isnan(pull).any(), value


@pytest.mark.parametrize("name", PRIORS)
def test_density_is_never_nan(name):
    """Up to the last representable number inside the support, where z may not be finite any more."""
    forward, backward = maps(name)
    for far in (8.0, 8.3, 12.0, 30.0, -8.0, -12.0, -30.0):
        theta = forward(np.full(PRIORS[name].size, far))[0]
        for near in (theta, np.nextafter(theta, 0), np.nextafter(theta, 10)):
            _, density, pull = backward(near)
            assert not np.isnan(density) and not np.isnan(pull).any(), (far, near)


def test_every_prior_is_tried():
    kinds = {c for c in vars(priors).values() if isinstance(c, type) and issubclass(c, priors.Prior)}
    final = {c for c in kinds if "forward" in vars(c) and c is not priors.Prior}
    assert final == {type(prior) for prior in PRIORS.values()}


def model(**leaves):
    """A model of one Gaussian with the given leaves, all other numbers fixed."""
    numbers = {"center_x": 0.0, "center_y": 0.0, "e1": 0.0, "e2": 0.0, "intensity": 1.0, "sigma": 0.5}
    return LensModel(light={"g": Gaussian(**numbers | leaves)}, mass={}, source={})


def test_conditional_priors():
    """Hyperparameters that are a prior, a part of one, and numbers."""
    x, width = Normal(mean=1.0, sigma=0.5), LogNormal(median=0.1, sigma=0.3)
    pair = Disk(scale=0.2, limit=0.8)
    y, intensity = Uniform(low=pair.parts[1], high=x), Normal(mean=x, sigma=width)
    e1, e2 = pair.parts
    space = Space.of(model(center_x=x, center_y=y, e1=e1, e2=e2, intensity=intensity, sigma=width))
    assert [name.split(".")[-1] for name in space.names] == [
        *("center_x", "center_y", "e1", "e2", "intensity", "sigma")
    ]
    z = np.array([0.3, -0.7, 0.5, -0.2, 0.4, 1.1])
    theta = np.asarray(jax.jit(space.to_theta)(z))
    np.testing.assert_allclose(jax.jit(space.to_z)(theta), z, atol=1e-9)
    conditional = stats.uniform(theta[3], theta[0] - theta[3])
    assert theta[0] == pytest.approx(1.15) and theta[5] == pytest.approx(0.1 * np.exp(0.33))
    assert theta[1] == pytest.approx(conditional.ppf(stats.norm.cdf(-0.7)))
    assert theta[4] == pytest.approx(theta[0] + 0.4 * theta[5])
    expected = stats.norm.logpdf(theta[0], 1, 0.5) + conditional.logpdf(theta[1])
    expected += stats.norm.logpdf(theta[4], theta[0], theta[5]) + stats.lognorm.logpdf(theta[5], 0.3, scale=0.1)
    expected += float(jax.jit(pair.log_density)(theta[2:4]))
    assert float(jax.jit(space.log_prior)(theta)) == pytest.approx(expected)


def test_chain_of_conditions_given_in_any_order():
    last = Normal(mean=5.0, sigma=1.0)
    middle = Normal(mean=last, sigma=0.1)
    x = Normal(mean=middle, sigma=0.01)
    space = Space.of(model(center_x=x, center_y=middle, sigma=last))
    np.testing.assert_allclose(space.to_theta(jnp.ones(3)), [6.11, 6.1, 6.0])


def cycle():
    x = Normal(mean=0.0, sigma=1.0)
    y = Normal(mean=x, sigma=1.0)
    object.__setattr__(x, "mean", y)
    return {"center_x": x, "center_y": y}


BROKEN = {
    "cycle": (cycle, "hyperparameters lead back to itself"),
    "parent at no leaf": (
        lambda: {"center_x": Normal(mean=Normal(mean=0.0, sigma=1.0), sigma=1.0)},
        "part 0 of a Normal prior stands at no leaf",
    ),
    "lost part": (
        lambda: {"e1": Disk(scale=0.1, limit=1.0).parts[0]},
        "part 1 of a Disk prior stands at no leaf",
    ),
    "whole disk at a leaf": (lambda: {"e1": Disk(scale=0.1, limit=1.0)}, "place its .parts at the leaves"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_priors_that_do_not_fit_together(case):
    leaves, message = BROKEN[case]
    with pytest.raises(ModelError, match=message):
        Space.of(model(**leaves()))


def test_parts_of_one_disk_at_two_profiles_are_one_pair():
    disk = Disk(scale=0.2, limit=0.8)
    part = Part(disk, 0)
    one = model(e1=part, e2=disk.parts[1])
    both = replace(one, light={"g": one.light["g"], "h": replace(one.light["g"], center_x=1.0)})
    assert Space.of(both).names == ("light.g.e1", "light.g.e2")


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "replace": lambda value: replace(value, scale=0.3),
    "tree.map": lambda value: jax.tree.map(lambda number: 2 * number, value),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_the_same_parameter(way):
    disk = Disk(scale=Normal(mean=0.2, sigma=0.01), limit=0.8)
    made = COPIES[way](disk)
    assert made is not disk and made.tag == disk.tag
    assert made.parts == disk.parts and hash(made.parts[1]) == hash(disk.parts[1])
    assert way == "replace" or made.scale.tag == disk.scale.tag
    assert "tag" not in repr(disk)


def test_another_parameter_with_the_same_numbers():
    disk = Disk(scale=Normal(mean=0.2, sigma=0.01), limit=0.8)
    other = priors.renewed(disk)
    assert other.scale is disk.scale and other.parts != disk.parts and disk.parts[0] != disk.parts[1]
    leaves = [*disk.parts, *other.parts, disk.scale, Normal(mean=0.2, sigma=0.01), Solved(), Solved()]
    assert len({priors.key(leaf) for leaf in leaves}) == 8
    solved = Solved(positive=False)
    assert priors.key(copy.deepcopy(solved)) == priors.key(solved) == priors.key(Solved(tag=solved.tag))


def test_a_prior_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        priors.Prior()
