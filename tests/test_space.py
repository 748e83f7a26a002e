"""From a tree of profiles and priors to vectors and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.priors import Disk, LogUniform, Normal, Solved, Uniform
from lensfit.profiles import SIE, Gaussian, MultiGaussian, Sersic, Shear
from lensfit.pytree import replace
from lensfit.space import Space, solve_amplitudes
from lensfit.standard import STANDARD

to_theta = jax.jit(lambda space, z: space.to_theta(z))
to_z = jax.jit(lambda space, theta: space.to_z(theta))
from_cube = jax.jit(lambda space, u: space.from_unit_cube(u))
log_prior = jax.jit(lambda space, theta: space.log_prior(theta))


def lens(shift=0.0, fixed=0.7, intensity=None, sky=0.1):
    """Light and mass of one centre, a pair in a disk, a conditional source, fixed numbers and a sky."""
    x, y = Normal(mean=shift, sigma=0.1), Uniform(low=-1.0, high=1.0 + shift)
    e, gamma = Disk(scale=0.2, limit=0.8).parts, Disk(scale=0.05, limit=0.5).parts
    return LensModel(
        light={
            "bulge": Gaussian(
                center_x=x,
                center_y=y,
                e1=e[0],
                e2=e[1],
                intensity=intensity or LogUniform(low=0.1, high=10.0),
                sigma=fixed,
            )
        },
        mass={
            "sie": SIE(center_x=x, center_y=y, e1=0.0, e2=e[0], einstein_radius=Uniform(low=0.5, high=2.0)),
            "shear": Shear(gamma1=gamma[0], gamma2=gamma[1]),
        },
        source={
            "s": Sersic(
                center_x=Normal(mean=x, sigma=0.3),
                center_y=0.2,
                e1=0.1,
                e2=0.0,
                intensity=2.0,
                effective_radius=0.3,
                sersic_index=1.0,
            )
        },
        sky=sky,
    )


NAMES = (
    *(f"light.bulge.{number}" for number in ("center_x", "center_y", "e1", "e2", "intensity")),
    *("mass.shear.gamma1", "mass.shear.gamma2", "mass.sie.einstein_radius", "source.s.center_x"),
)


def test_names_follow_the_tree_and_a_shared_prior_is_one_parameter():
    space = Space.of(lens())
    assert space.names == NAMES and space.ndim == len(NAMES)
    assert [p.role for p in space.parameters][:5] == ["center_x", "center_y", "e1", "e2", "amplitude"]
    assert [p.group for p in space.parameters] == ["light"] * 5 + ["mass"] * 3 + ["source"]
    assert space.parameters[7].unit == "arcsec" and space.parameters[7].symbol == r"\theta_\mathrm{E}"


def test_build_puts_numbers_where_their_priors_stood():
    space = Space.of(lens())
    theta = np.arange(1.0, 10.0)
    built = space.build(theta)
    values = lambda profile: list(vars(profile).values())  # noqa: E731
    assert values(built.light["bulge"]) == [1, 2, 3, 4, 5, 0.7]
    assert values(built.mass["sie"]) == [1, 2, 0, 3, 8]
    assert values(built.mass["shear"]) == [6, 7]
    assert values(built.source["s"]) == [9, 0.2, 0.1, 0, 2, 0.3, 1]
    assert built.sky == 0.1


def test_theta_z_and_u_are_one_map():
    space = Space.of(lens())
    z = np.random.default_rng(1).standard_normal((20, space.ndim))
    for point in z:
        theta = to_theta(space, point)
        np.testing.assert_allclose(to_z(space, theta), point, atol=1e-9)
        np.testing.assert_allclose(from_cube(space, stats.norm.cdf(point)), theta, rtol=1e-9)
    moved = jax.jit(jax.vmap(space.to_theta))(z)
    assert moved.shape == z.shape and np.isfinite(moved).all()


def test_log_prior_is_the_sum_of_the_densities():
    space = Space.of(lens())
    theta = np.asarray(to_theta(space, np.linspace(-1.2, 1.4, space.ndim)))

    def disk(pair, scale, limit):  # N(v) times |d v / d e| of v = e / sqrt(1 - |e|^2 / limit^2)
        left = 1 - pair @ pair / limit**2
        return stats.norm.logpdf(pair / np.sqrt(left), 0, scale).sum() - 2 * np.log(left)

    expected = (
        stats.norm.logpdf(theta[0], 0, 0.1)
        + stats.uniform.logpdf(theta[1], -1, 2)
        + disk(theta[2:4], 0.2, 0.8)
        + stats.loguniform.logpdf(theta[4], 0.1, 10)
        + disk(theta[5:7], 0.05, 0.5)
        + stats.uniform.logpdf(theta[7], 0.5, 1.5)
        + stats.norm.logpdf(theta[8], theta[0], 0.3)
    )
    assert float(log_prior(space, theta)) == pytest.approx(expected)
    for index, value in ((1, -1.5), (2, 0.9), (4, 20.0), (7, 0.4), (0, np.nan)):
        outside = theta.copy()
        outside[index] = value
        assert float(log_prior(space, outside)) == -np.inf


def test_other_numbers_compile_nothing_new():
    first, second = Space.of(lens()), Space.of(lens(shift=0.4, fixed=1.3, sky=0.0))
    here = to_theta(first, np.zeros(first.ndim))
    before = to_theta._cache_size()
    there = to_theta(second, np.zeros(second.ndim))
    assert to_theta._cache_size() == before
    assert here[0] == 0.0 and there[0] == 0.4 and there[8] == 0.4
    to_theta(Space.of(replace(lens(), sky=Normal(mean=0.0, sigma=1.0))), np.zeros(10))
    assert to_theta._cache_size() == before + 1, "another structure is another program"


def test_no_free_parameter():
    fixed = LensModel(light={}, mass={}, source={}, sky=0.3)
    space = Space.of(fixed)
    assert space.names == () and space.to_theta(jnp.zeros(0)).shape == (0,)
    assert space.log_prior(jnp.zeros(0)) == 0.0 and space.build(jnp.zeros(0)).sky == 0.3


def test_solved_amplitudes_are_named_and_filled_in_order():
    sigmas = np.array([0.1, 0.5, 1.0])
    shape = {"center_x": 0.0, "center_y": 0.0, "e1": 0.0, "e2": 0.0}
    model = LensModel(
        light={
            "b": MultiGaussian(**shape, intensity=Solved(), sigmas=sigmas),
            "a": Gaussian(**shape, intensity=Solved(positive=False), sigma=0.3),
        },
        mass={},
        source={
            "s": Gaussian(**shape, intensity=2.0, sigma=0.3),
            "t": Gaussian(**shape, intensity=Solved(), sigma=0.3),
        },
        sky=Solved(positive=False),
    )
    space = Space.of(model)
    names = [p.name for p in space.amplitudes]
    several = [f"light.b.intensity[{k}]" for k in range(3)]
    assert names == ["light.a.intensity", *several, "source.t.intensity", "sky"]
    built = space.build(jnp.zeros(0))
    np.testing.assert_array_equal(built.positive(), [False, True, True, True, True, False])
    full = built.filled(np.arange(1.0, 7.0))
    assert full.light["a"].intensity == 1 and full.source["t"].intensity == 5 and full.sky == 6
    np.testing.assert_array_equal(full.light["b"].intensity, [2, 3, 4])
    np.testing.assert_array_equal(full.light["b"].sigmas, sigmas)
    assert full.source["s"].intensity == 2.0
    assert len(built.solved_shapes(0.1, 0.2)) == 5
    only = built.only("source")
    assert only.light == {} and only.sky == 0.0 and list(only.positive()) == [True]


@pytest.mark.parametrize("field", ["center_x", "e1", "sigma"])
def test_only_amplitudes_can_be_solved(field):
    model = lens()
    broken = replace(model.light["bulge"], **{field: Solved()})
    with pytest.raises(ModelError, match=f"light.bulge.{field}: only the amplitude"):
        Space.of(replace(model, light={"bulge": broken}))


def test_solve_amplitudes_leaves_tied_and_fixed_amplitudes_alone():
    tied = LogUniform(low=0.1, high=10.0)
    model = lens(intensity=tied, sky=Normal(mean=0.0, sigma=1.0))
    model = replace(model, light=model.light | {"copy": replace(model.light["bulge"], intensity=tied)})
    free = replace(model.source["s"], intensity=Uniform(low=0.0, high=1.0))
    model = replace(model, source=model.source | {"free": free})
    solved = solve_amplitudes(model)
    assert solved.light["bulge"].intensity is tied and solved.light["copy"].intensity is tied
    assert solved.source["s"].intensity == 2.0
    assert isinstance(solved.source["free"].intensity, Solved) and solved.source["free"].intensity.positive
    assert isinstance(solved.sky, Solved) and not solved.sky.positive
    assert [p.name for p in Space.of(solved).amplitudes] == ["source.free.intensity", "sky"]


@pytest.mark.parametrize("name", STANDARD)
def test_standard_models_are_spaces(name, mock):
    space = Space.of(STANDARD[name](mock.imaging))
    assert len(set(space.names)) == space.ndim and (name != "parametric" or space.ndim == 25)
    theta = jax.jit(space.to_theta)(np.zeros(space.ndim))
    assert np.isfinite(theta).all() and np.isfinite(float(jax.jit(space.log_prior)(theta)))
