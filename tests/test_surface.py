"""Brightness over a grid and its derivatives, against plain numpy sums and ordinary JAX derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from xla_flags import AS_FOR_USERS

from lensfit.grid import BLOCK, make_grid
from lensfit.model import LensModel
from lensfit.profiles import SIE, MultiGaussian, Sersic
from lensfit.surface import split, surface, surfaces

SCALE = 0.11
TABLE = np.array([0.3, 1.1, -0.4])


def grid_of(shape, seed=0, choices=(0, 1, 2, 3, 4)):
    levels = np.random.default_rng(seed).choice(choices, shape)
    x, y = np.meshgrid(SCALE * (np.arange(shape[1]) - 4.3), SCALE * (np.arange(shape[0]) - 3.1))
    return x, y, levels, make_grid(x, y, levels, SCALE)


def sub_pixels(x, y, levels):
    """Every sub-pixel by itself: its x and y (P,), the flat index of its pixel and its share of it."""
    parts = []
    for n in sorted(set(levels.ravel()) - {0}):
        steps = SCALE * ((np.arange(n) + 0.5) / n - 0.5)
        where = np.flatnonzero(levels == n)
        dx, dy = (d.ravel()[:, None] for d in np.meshgrid(steps, steps))
        points = np.broadcast_arrays(x.ravel()[where] + dx, y.ravel()[where] + dy, where, 1 / n**2)
        parts.append([p.ravel() for p in points])
    return [np.concatenate(p) for p in zip(*parts, strict=True)]


def plain(formula, arguments, x, y, levels):
    """Mean over the sub-pixels of each pixel, the formula applied to arrays of numpy."""
    px, py, index, share = sub_pixels(x, y, levels)
    values = np.asarray(formula(arguments, px, py)) * share
    return np.bincount(index, values, x.size).reshape(x.shape)


def plain_jax(formula, x, y, levels):
    """The same as a function of the arguments that JAX derives in its ordinary way."""
    px, py, index, share = sub_pixels(x, y, levels)
    at = jax.vmap(formula, (None, 0, 0))

    def image(arguments):
        return jnp.zeros(x.size).at[index].add(at(arguments, px, py) * share).reshape(x.shape)

    return image


def lens():
    numbers = {"center_x": 0.02, "center_y": -0.03, "e1": 0.1, "e2": -0.2}
    widths = {"intensity": np.array([1.0, 0.3]), "sigmas": np.array([0.2, 0.6])}
    return LensModel(
        light={"s": Sersic(**numbers, intensity=0.7, effective_radius=0.2, sersic_index=1.5)},
        mass={"sie": SIE(**numbers, einstein_radius=0.4)},
        source={"m": MultiGaussian(**numbers, **widths)},
    )


def constants(arguments, x, y):
    """Array constants of its own, a branch and an index that depend on the arguments alone."""
    a, b, _unused = arguments
    sign = jnp.where(a > 0.5, 1.0, -1.0)
    chosen = jnp.asarray(TABLE)[jnp.asarray(b, int)]
    return sign * jnp.exp(-a * x * x - chosen * y) + jnp.dot(jnp.asarray(TABLE), jnp.stack([x, y, a * b]))


FORMULAS = {
    "lens": (LensModel.brightness, lens()),
    "constants": (constants, (0.7, 1.0, {"unused": np.arange(3.0)})),
    "no variation": (lambda arguments, x, y: arguments[0] * 2.0, (1.5,)),
    "no arguments": (lambda arguments, x, y: x * x + 0.3 * y, ()),
    "array leaf": (
        lambda arguments, x, y: jnp.sum(arguments["w"] * jnp.cos(x * arguments["k"] + y)),
        {"w": np.array([1.0, 2.0, -0.5]), "k": np.array([0.5, 1.0, 3.0])},
    ),
}


@pytest.mark.filterwarnings("ignore:a profile of the model goes by XLA alone")
@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_derivatives_of_any_formula(name):
    formula, arguments = FORMULAS[name]
    x, y, levels, grid = grid_of((9, 11))
    arguments = jax.tree.map(jnp.asarray, arguments)
    weights = np.random.default_rng(1).standard_normal(levels.shape)

    @jax.jit
    def ours(arguments, direction):
        image = lambda a: surface(formula, a, grid)  # noqa: E731
        value, push = jax.linearize(image, arguments)
        return value, jax.grad(lambda a: jnp.sum(weights * image(a)))(arguments), push(direction)

    @jax.jit
    def theirs(arguments, direction):
        image = plain_jax(formula, x, y, levels)
        value, pushed = jax.jvp(image, (arguments,), (direction,))
        return value, jax.grad(lambda a: jnp.sum(weights * image(a)))(arguments), pushed

    wave = lambda v: jnp.cos(1.0 + jnp.arange(float(v.size))).reshape(v.shape)  # noqa: E731
    direction = jax.tree.map(wave, arguments)
    mine, others = (jax.tree.leaves(f(arguments, direction)) for f in (ours, theirs))
    for one, other in zip(mine, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12 * max(1.0, np.abs(other).max()))


def test_equals_plain_numpy():
    x, y, levels, grid = grid_of((23, 31))
    image = jax.jit(lambda m, g: surface(LensModel.brightness, m, g))(lens(), grid)
    expected = plain(jax.jit(LensModel.brightness), lens(), x, y, levels)
    np.testing.assert_allclose(image, expected, rtol=1e-12, atol=1e-15)


def gaussian(arguments, x, y):
    width, slope = arguments
    return jnp.exp(-width * (x * x + y * y)) + slope * x


@pytest.mark.parametrize("shape", [(1, 1), (BLOCK // 16, 16), (1, BLOCK + 1), (129, 131)])
def test_jit_vmap_and_eager_agree_at_every_size(shape):
    """Sizes around the blocks' and beyond 2^14 pixels: a compiler that sums wrongly shows here."""
    x, y, levels, grid = grid_of(shape, choices=(1, 2, 3))
    arguments = np.array([[0.7, 0.2], [1.3, -0.1]])
    expected = [
        plain(lambda a, x, y: np.exp(-a[0] * (x * x + y * y)) + a[1] * x, a, x, y, levels) for a in arguments
    ]

    def total(a, grid):
        image = surface(gaussian, (a[0], a[1]), grid)
        return jnp.sum(image * image), image

    both = jax.jit(jax.vmap(jax.grad(total, has_aux=True), (0, None)))(arguments, grid)
    single = jax.jit(total)(arguments[0], grid)
    np.testing.assert_allclose(both[1], expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(single[1], expected[0], rtol=1e-13, atol=1e-14)
    assert float(single[0]) == pytest.approx(np.sum(expected[0] ** 2), rel=1e-12)
    step = 1e-5
    for k in range(2):
        moved = [plain_square(arguments[0] + s * np.eye(2)[k], x, y, levels) for s in (step, -step)]
        assert float(both[0][0, k]) == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-6, abs=1e-6)


def plain_square(a, x, y, levels):
    image = plain(lambda a, x, y: np.exp(-a[0] * (x * x + y * y)) + a[1] * x, a, x, y, levels)
    return np.sum(image * image)


def test_eager_equals_compiled():
    *_, grid = grid_of((5, 6))
    eager = surface(gaussian, (0.7, 0.2), grid)
    np.testing.assert_allclose(eager, jax.jit(lambda g: surface(gaussian, (0.7, 0.2), g))(grid), rtol=1e-14)


@pytest.mark.parametrize("rows", [16_383, 16_385, 32_769, 40_001])
@pytest.mark.parametrize("options", [AS_FOR_USERS, {}], ids=["as for users", "as in tests"])
def test_this_jax_sums_rightly(rows, options):
    """jax 0.10.2 does not (jax#39103): rows times a small matrix, squared and summed under jit."""
    jit = functools.partial(jax.jit, compiler_options=options)
    points = np.random.default_rng(rows).standard_normal((rows, 3))
    matrix = np.array([[1.0, 0.2, 0.0], [-0.3, 1.0, 0.1], [0.0, 0.5, 2.0]])
    squares = jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(points)
    np.testing.assert_allclose(squares, np.sum((points @ matrix.T) ** 2, 1), rtol=1e-12)
    assert float(jit(jnp.sum)(squares)) == pytest.approx(np.sum((points @ matrix.T) ** 2), rel=1e-12)


def test_jacobian_and_second_derivative():
    x, y, levels, grid = grid_of((6, 7), choices=(1, 2))
    theirs = plain_jax(gaussian, x, y, levels)
    ours = lambda v: surface(gaussian, (v[0], v[1]), grid)  # noqa: E731
    v = jnp.array([0.7, 0.2])
    for way in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(way(ours))(v), jax.jit(way(theirs))(v), rtol=1e-12, atol=1e-14)
    square = lambda image: lambda v: jnp.sum(image(v) ** 2)  # noqa: E731
    hessian = jax.jit(jax.jacfwd(jax.grad(square(ours))))(v)
    np.testing.assert_allclose(hessian, jax.jit(jax.hessian(square(theirs)))(v), rtol=1e-11)


def test_several_values_at_once():
    x, y, levels, grid = grid_of((9, 11))
    formula = lambda a, x, y: (jnp.exp(-a * x * x), a * y, 3.0 * x)  # noqa: E731
    images = jax.jit(lambda a, g: surfaces(formula, a, g))(0.4, grid)
    for k, image in enumerate(images):
        expected = plain(lambda a, x, y, k=k: formula(a, x, y)[k], 0.4, x, y, levels)
        np.testing.assert_allclose(image, expected, rtol=1e-13, atol=1e-15)
    assert surfaces(lambda a, x, y: (), 0.4, grid).shape == (0, 9, 11)
    slope = jax.jit(jax.grad(lambda a: jnp.sum(surfaces(formula, a, grid))))(0.4)
    assert slope == 0.0, "carries no derivative"


def test_only_what_varies_is_left_to_the_points():
    coefficients, local = split(LensModel.brightness, jax.tree.map(jnp.asarray, lens()), jnp.float64)
    assert all(c.shape in ((), (2,)) for c in coefficients)
    (value,) = jax.jit(local)(coefficients, 0.3, -0.2)
    assert float(value) == pytest.approx(float(jax.jit(LensModel.brightness)(lens(), 0.3, -0.2)), rel=1e-12)
    traced = jax.make_jaxpr(lambda c, x, y: local(c, x, y))(coefficients, 0.1, 0.2)
    whole = jax.make_jaxpr(lambda m, x, y: m.brightness(x, y))(lens(), 0.1, 0.2)
    assert len(traced.eqns) < len(whole.eqns)
