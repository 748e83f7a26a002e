"""Native kernels and XLA give the same brightness, gradient and Jacobian; finite differences agree.

Of each profile alone: tests/profiles/test_profiles_engines.py.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import derivatives, equal, grid_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from lensfit import native
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.profiles import SIE, Gaussian, Sersic
from lensfit.pytree import replace
from lensfit.standard import STANDARD
from lensfit.surface import surface, surfaces

sys.path.insert(0, str(Path(__file__).parents[1] / "profiles"))
import family


def test_kernels_are_used_here():
    assert native.trouble() == ""


def agree(model, **grid):
    model = jax.tree.map(jnp.asarray, model)
    native, xla = (derivatives(model, grid_of(engine=engine, **grid)) for engine in ("native", "xla"))
    equal(native[:2], xla[:2])
    equal(native[2], xla[2], 1e-9)  # where a square root of the SIE nearly vanishes, rounding shows in one pixel


def profile(name, **more):
    cls, numbers = family.FAMILY[name]
    light = {"intensity": np.array([1.0, 0.3, 0.7]) if name == "multi_gaussian" else 1.3}
    shape = {"e1": 0.1, "e2": -0.15} if "e1" in family.fields(name) else {}
    values = {key: np.asarray(value) if isinstance(value, tuple) else value for key, value in numbers.items()}
    return cls(**values, **shape, **(light if name in family.LIGHTS else {}))


profiles = st.sampled_from(["sersic", "exponential", "gaussian"])
masses = st.sampled_from(["sie", "shear"])


@given(
    light=st.lists(profiles, max_size=3),
    mass=st.lists(masses, max_size=2),
    source=st.lists(st.sampled_from(["sersic", "gaussian"]), max_size=2),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=5)
def test_any_tree_of_profiles(light, mass, source, seed):
    random = np.random.default_rng(seed)
    named = lambda names: {f"p{k}": profile(name) for k, name in enumerate(names)}  # noqa: E731
    model = LensModel(light=named(light), mass=named(mass), source=named(source))
    agree(jax.tree.map(lambda v: v * random.uniform(0.7, 1.3), model))


leaf = st.sampled_from(["x", "y", "a", "b", "0.5", "-1.25"])
OPERATIONS = {
    "x + y": jnp.add, "x - y": jnp.subtract, "x * y": jnp.multiply,
    "max": jnp.maximum, "where": lambda p, q: jnp.where(p > q, p, 2 * q),
    "divided": lambda p, q: p / (1 + q * q), "exp": lambda p, q: jnp.exp(-p * p) * q,
    "root": lambda p, q: jnp.sqrt(1 + p * p) - q, "log": lambda p, q: jnp.log(2 + q * q) * p,
    "arctan2": lambda p, q: jnp.arctan2(p, 2 + q * q), "logistic": lambda p, q: jax.nn.sigmoid(p) + q,
}
trees = st.recursive(leaf, lambda below: st.tuples(st.sampled_from(sorted(OPERATIONS)), below, below), max_leaves=9)


def evaluate(tree, names):
    if isinstance(tree, str):
        return names[tree] if tree in names else float(tree)
    return OPERATIONS[tree[0]](*(evaluate(branch, names) for branch in tree[1:]))


@given(tree=trees)
@settings(max_examples=8)
def test_any_tree_of_operations(tree):
    formula = lambda v, x, y: jnp.asarray(evaluate(tree, {"x": x, "y": y, "a": v[0], "b": v[1]}), float)  # noqa: E731

    def run(engine):
        grid = grid_of(shape=(5, 7), engine=engine)
        image = lambda v: surface(formula, (v[0], v[1]), grid)  # noqa: E731
        return jax.jit(lambda v: (image(v), jax.jacfwd(image)(v)))(jnp.array([0.7, -0.4]))

    equal(run("native"), run("xla"))


def on(problem, engine):
    return Problem(problem.model, replace(problem.likelihood, grid=replace(problem.likelihood.grid, engine=engine)))


@pytest.mark.parametrize("standard", STANDARD)
def test_standard_models(standard, mock):
    problem = Problem(STANDARD[standard](mock.imaging), ImagingLikelihood.of(mock.imaging, 2))
    theta = problem.to_theta(0.3 * np.random.default_rng(2).standard_normal(problem.ndim))
    both = on(problem, "native"), on(problem, "xla")
    tolerance = 1e-9 if problem.space.amplitudes else 1e-11  # two dozen Gaussians that nearly are each other's sum
    equal(*[(p.log_likelihood(theta), p.residuals(theta)) for p in both], tolerance=tolerance)
    if standard == "parametric":
        equal(*[p.jacobian(theta) for p in both])


def test_gradient_equals_finite_differences(problem, truth):
    p = on(problem, "native")
    z = np.asarray(p.to_z(truth)) + 0.05
    gradient = np.asarray(jax.jit(jax.grad(lambda z: p.log_likelihood(p.to_theta(z))))(z))
    step = 1e-5
    moved = np.concatenate([z + s * np.eye(z.size) for s in (step, -step)])
    values = np.asarray(p.log_likelihood(p.to_theta(moved))).reshape(2, -1)
    np.testing.assert_allclose(gradient, (values[0] - values[1]) / (2 * step), rtol=2e-4, atol=1e-3)


def lens():
    numbers = {"center_x": 0.02, "center_y": -0.03, "e1": 0.1, "e2": -0.2}
    return LensModel(
        light={"s": Sersic(**numbers, intensity=0.7, effective_radius=0.2, sersic_index=1.5)},
        mass={"sie": SIE(**numbers, einstein_radius=0.4)},
        source={"g": Gaussian(**numbers, intensity=1.0, sigma=0.3)},
    )


def test_eager_jit_vmap_and_numpy_agree():
    grid = grid_of()
    model = jax.tree.map(jnp.asarray, lens())
    image = lambda m: surface(LensModel.brightness, m, grid)  # noqa: E731
    two = jax.tree.map(lambda v: jnp.stack([v, 1.1 * v]), model)
    batch = jax.jit(jax.vmap(image))(two)
    slopes = jax.jit(jax.vmap(jax.grad(lambda m: jnp.sum(image(m) ** 2))))(two)
    mapped = jax.jit(lambda t: jax.lax.map(image, t))(two)
    for k in range(2):
        one = jax.tree.map(lambda v, k=k: v[k], two)
        equal([batch[k], mapped[k]], [jax.jit(image)(one), image(one)], 1e-14)
        own = jax.tree.map(lambda v, k=k: v[k], slopes)
        single = jax.jit(jax.grad(lambda m: jnp.sum(image(m) ** 2)))(one)
        equal(ravel_pytree(own)[0], ravel_pytree(single)[0], 1e-13)


def calls(jaxpr, inside=""):
    """(name of the loop or map around it, target) of every call of a kernel."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name == "ffi_call":
            yield inside, equation.params["target_name"]
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from calls(inner, name if name in ("scan", "while") else inside)


def test_a_jacobian_calls_each_kernel_once(problem, truth):
    found = list(calls(jax.make_jaxpr(lambda t: on(problem, "native").jacobian(t))(truth).jaxpr))
    assert len(found) == 3, "bulge, disk, lensed source"
    assert all(loop == "" for loop, _ in found)


def test_several_values(problem):
    formula = lambda a, x, y: (a[0] * jnp.exp(-a[1] * x * x), 2.0 * y - a[0], jnp.sin(x), 3.0)  # noqa: E731
    results = [
        jax.jit(lambda a, g: surfaces(formula, a, g))((0.7, 0.4), grid_of(engine=e)) for e in ("native", "xla")
    ]
    equal(*results)
    assert results[0].shape == (4, 17, 19)
