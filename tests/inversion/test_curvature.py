"""F = T^T w_tilde T by every route: against sums over visibilities, finite differences and plain JAX."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.errors import ModelError
from lensfit.inversion import ROUTES, MappingMatrix, curvature, plan
from lensfit.inversion.curvature import bytes_needed
from lensfit.native import door
from lensfit.pytree import replace

SHAPES = {"square": (12, 12), "tall": (19, 7), "wide": (5, 70), "one row": (1, 9), "one column": (9, 1)}
MASKS = ("full", "ring", "empty rows", "scattered")


def mask_of(shape, kind):
    y, x = np.indices(shape)
    y, x = (y - (shape[0] - 1) / 2) / shape[0], (x - (shape[1] - 1) / 2) / shape[1]
    ring = (y**2 + x**2 < 0.25) & (y**2 + x**2 > 0.02)
    scattered = np.random.default_rng(5).random(shape) < 0.4
    chosen = {"full": y == y, "ring": ring, "scattered": scattered, "empty rows": np.abs(y) > 0.2}[kind]
    return chosen if chosen.any() else y == y


@dataclasses.dataclass
class Case:
    """A mapping matrix, tables of w_tilde, and w_tilde and T written out from visibilities and entries."""

    indices: np.ndarray
    weights: np.ndarray
    mask: np.ndarray
    sources: int
    w_compact: np.ndarray
    h_compact: np.ndarray | None
    w_tilde: np.ndarray
    matrix: np.ndarray

    def curvature(self, weights, **options):
        """F; compiled, as it is meant to be called."""

        def value(weights):
            mapping = MappingMatrix.of(self.indices, weights, self.mask, self.sources)
            return curvature(mapping, self.w_compact, self.h_compact, **options)

        return jax.jit(value)(weights)

    def plain(self, weights):
        """F by dense products that JAX can differentiate by itself."""
        rows = jnp.arange(len(self.indices))[:, None]
        matrix = jnp.zeros(self.matrix.shape).at[rows, self.indices].add(weights)
        return matrix.T @ self.w_tilde @ matrix


def case_of(shape, kind="scattered", neighbours=3, sources=21, unequal=False, seed=0):
    """Weights with zeros and both signs; indices repeat, within a pixel too."""
    random = np.random.default_rng(seed)
    mask = mask_of(shape, kind)
    y, x = np.nonzero(mask)
    indices = random.integers(0, sources, (len(y), neighbours))
    weights = random.normal(size=indices.shape) * (random.random(indices.shape) < 0.8)
    u, v = random.normal(size=(2, 40))
    w, dw = random.uniform(0.5, 2, 40), random.normal(size=40)
    j, i = np.arange(1 - shape[0], shape[0])[:, None, None], np.arange(1 - shape[1], shape[1])[:, None]
    table = np.cos(u * i + v * j) @ w
    j, i = j + shape[0] - 1, i + shape[1] - 1
    other = np.cos(u * i + v * j) @ dw if unequal else None
    phase = x[:, None] * u + y[:, None] * v
    w_tilde = np.cos(phase[:, None] - phase[None]) @ w
    if unequal:
        w_tilde = w_tilde + np.cos(phase[:, None] + phase[None]) @ dw
    matrix = np.zeros((len(y), sources))
    np.add.at(matrix, (np.arange(len(y))[:, None], indices), weights)
    return Case(indices, weights, mask, sources, table, other, w_tilde, matrix)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("unequal", [False, True], ids=["equal noise", "unequal noise"])
@pytest.mark.parametrize(("shape", "kind"), [(s, "scattered") for s in SHAPES] + [("tall", m) for m in MASKS[:-1]])
def test_routes_agree_with_the_sum(shape, kind, unequal):
    case = case_of(SHAPES[shape], kind, unequal=unequal)
    for route in ROUTES:
        close(case.curvature(case.weights, route=route), case.matrix.T @ case.w_tilde @ case.matrix)


@pytest.mark.parametrize(("neighbours", "sources"), [(1, 1), (1, 37), (2, 16), (4, 17)])
def test_any_number_of_weights_and_sources(neighbours, sources):
    case = case_of((9, 11), neighbours=neighbours, sources=sources)
    for route in ROUTES:
        close(case.curvature(case.weights, route=route), case.matrix.T @ case.w_tilde @ case.matrix)


@pytest.mark.parametrize("route", [None, "fft", "dense"])
@pytest.mark.parametrize("unequal", [False, True], ids=["equal noise", "unequal noise"])
def test_derivative(route, unequal):
    """Against JAX's own of dense products, and against finite differences along a direction."""
    case = case_of((13, 9), unequal=unequal)
    random = np.random.default_rng(1)
    factor, along = random.normal(size=(21, 21)), random.normal(size=case.weights.shape)

    def value(weights):
        return jnp.sum(factor * case.curvature(weights, route=route))

    gradient = jax.jit(jax.grad(value))(case.weights)
    close(gradient, jax.jit(jax.grad(lambda weights: jnp.sum(factor * case.plain(weights))))(case.weights))
    step, compiled = 1e-4, jax.jit(value)  # F is quadratic: central differences have no error but rounding
    slope = (compiled(case.weights + step * along) - compiled(case.weights - step * along)) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * along), slope, rtol=1e-9)


def test_blocks_of_any_size_agree():
    """A small memory budget means small blocks, in the value and in the derivative."""
    case = case_of((10, 8), sources=37)
    least = bytes_needed(MappingMatrix.of(case.indices, case.weights, case.mask, 37), "fft")
    for memory in (least, 16.2 * least):
        mapping = MappingMatrix.of(case.indices, case.weights, case.mask, 37)
        assert plan(mapping, "fft", memory).block == min(37, int(memory / least))
        close(case.curvature(case.weights, route="fft", memory=memory), case.plain(case.weights))
        one = lambda w, m=memory: case.curvature(w, route="fft", memory=m)[3, 5]  # noqa: E731
        close(jax.jit(jax.grad(one))(case.weights), jax.jit(jax.grad(lambda w: case.plain(w)[3, 5]))(case.weights))


def test_vmap_and_jit_go_through():
    case = case_of((8, 8))
    batch = jnp.stack([case.weights, 2 * case.weights])
    for route in ROUTES:
        both = jax.jit(jax.vmap(lambda w, r=route: case.curvature(w, route=r)))(batch)
        close(both[1], 4 * both[0])


def test_another_route_where_xla_cannot_call_kernels(monkeypatch):
    case = case_of((8, 11))
    monkeypatch.setattr(door, "trouble", lambda: "another version")
    close(case.curvature(case.weights), case.plain(case.weights))
    with pytest.raises(ModelError, match="needs native kernels"):
        case.curvature(case.weights, route="toeplitz")


def test_kernels_can_be_called_here():
    assert door.trouble() == ""


@pytest.mark.parametrize("route", ROUTES)
def test_traced_indices_that_are_no_source_pixel_give_nan(route):
    case = case_of((8, 8))

    @jax.jit
    def both(indices):
        def value(weights):
            mapping = MappingMatrix.of(indices, weights, case.mask, case.sources)
            return curvature(mapping, case.w_compact, route=route)

        return value(case.weights), jax.grad(lambda w: value(w)[0, 0])(case.weights)

    place = tuple(np.argwhere(case.weights != 0)[3])  # with weight 0, index -1 is an entry that is not used
    for wrong in (-1, case.sources):
        value, gradient = both(jnp.asarray(case.indices).at[place].set(wrong))
        assert np.isnan(value).all() and np.isnan(gradient).all()


@pytest.mark.parametrize("route", ROUTES)
def test_entries_that_are_not_used(route):
    case = case_of((8, 8))
    indices = jnp.asarray(np.where(case.weights == 0, -1, case.indices), jnp.int32)
    made = MappingMatrix.of(case.indices, case.weights, case.mask, case.sources)

    def value(weights):
        return curvature(replace(made, indices=indices, weights=weights), case.w_compact, route=route)

    close(jax.jit(value)(case.weights), case.matrix.T @ case.w_tilde @ case.matrix)
    got = jax.jit(jax.grad(lambda w: jnp.sum(jnp.sin(value(w)))))(case.weights)
    expected = jax.jit(jax.grad(lambda w: jnp.sum(jnp.sin(case.plain(w)))))(case.weights)
    close(np.where(case.weights == 0, 0, got), np.where(case.weights == 0, 0, expected))


def test_choice_of_a_route():
    def mapping(n, sources, neighbours):
        mask = np.ones((n, n), bool)
        return MappingMatrix.of(np.zeros((n * n, neighbours), int), np.ones((n * n, neighbours)), mask, sources)

    assert plan(mapping(32, 256, 3)).cpu == "toeplitz"
    assert plan(mapping(128, 16, 40)).cpu == "fft", "many entries, few source pixels"
    assert plan(mapping(32, 256, 3)).elsewhere == "dense"
    assert plan(mapping(128, 256, 3)).elsewhere == "fft", "w_tilde takes 2 GiB"
    assert plan(mapping(128, 256, 3), memory=2.0**32).elsewhere == "dense"


def refusals():
    case = case_of((6, 7))
    right = (case.indices, case.weights, case.mask, case.sources)
    mapping = MappingMatrix.of(*right)
    return {
        "no route 'dft'": lambda: curvature(mapping, case.w_compact, route="dft"),
        "needs .* GiB": lambda: curvature(mapping, case.w_compact, route="dense", memory=100.0),
        r"shape \(11, 12\)": lambda: curvature(mapping, case.w_compact[:, 1:]),
        "float64": lambda: curvature(mapping, case.w_compact.astype(np.float32)),
        "belongs to the data": lambda: jax.grad(lambda w: curvature(mapping, w)[0, 0])(jnp.asarray(case.w_compact)),
        r"must both be \(M, B\)": lambda: MappingMatrix.of(case.indices[1:], *right[1:]),
        "1 indices are no source pixel 0 to 19, the first at": lambda: MappingMatrix.of(
            np.where(np.arange(case.indices.size).reshape(case.indices.shape) == 4, 20, 0), *right[1:3], 20
        ),
    }


@pytest.mark.parametrize("message", refusals())
def test_refuses(message):
    with pytest.raises(ModelError, match=message):
        refusals()[message]()


def test_data_vector_and_image():
    """D = T^T d and T s, and the derivative of D."""
    case = case_of((9, 6))
    random = np.random.default_rng(2)
    dirty, source = random.normal(size=(9, 6)), random.normal(size=case.sources)

    def data_vector(weights):
        return MappingMatrix.of(case.indices, weights, case.mask, case.sources).data_vector(dirty)

    close(data_vector(case.weights), case.matrix.T @ dirty[case.mask])
    gradient = jax.jit(jax.grad(lambda w: data_vector(w) @ source))(case.weights)
    close(gradient, source[case.indices] * dirty[case.mask][:, None])
    image = MappingMatrix.of(case.indices, case.weights, case.mask, case.sources).image(source)
    close(image[case.mask], case.matrix @ source)
    assert not np.any(image[~case.mask])
