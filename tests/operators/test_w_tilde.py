"""w_tilde, the dirty image and their products against sums written out."""

import itertools

import direct_sums as direct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lensfit.datasets import Visibilities
from lensfit.errors import DataError, ModelError
from lensfit.operators.nufft import pixel_response, to_image, to_visibilities
from lensfit.operators.toeplitz import WTilde, quadratic_form
from lensfit.operators.w_tilde import BATCH, Sums, batches, dirty_image, w_compact

PIXEL = 0.11
GRIDS = {
    "square even": ((12, 12), (0.0, 0.0)),
    "square odd": ((11, 11), (0.0, 0.0)),
    "wide": ((7, 16), (0.0, 0.0)),
    "tall, off the phase centre": ((15, 8), (0.3, -0.7)),
    "one row": ((1, 9), (0.0, 0.2)),
}


def dense(sums):
    """w_tilde (M, M) by gathering, the definition of the two layouts."""
    h, w = sums.shape
    row, column = np.divmod(np.arange(h * w), w)
    made = sums.w_compact[row[:, None] - row + h - 1, column[:, None] - column + w - 1]
    if sums.h_compact is not None:
        made = made + sums.h_compact[row[:, None] + row, column[:, None] + column]
    return made


@pytest.mark.parametrize("unequal", [False, True], ids=["equal noise", "unequal noise"])
@pytest.mark.parametrize(("shape", "origin"), GRIDS.values(), ids=GRIDS)
def test_sums_products_and_derivatives(shape, origin, unequal):
    data = direct.random_data(700, PIXEL, unequal=unequal)
    sums = Sums.of([data], shape, PIXEL, origin)
    matrix = direct.w_tilde(data, shape, PIXEL, origin)
    dirty = direct.dirty_image(data, shape, PIXEL, origin).reshape(shape)
    assert (sums.h_compact is not None) == unequal and sums.shape == shape and sums.count == 700
    close(dense(sums), matrix)
    close(sums.diagonal.ravel(), np.diag(matrix))
    np.testing.assert_array_equal(sums.w_compact.shape, (2 * shape[0] - 1, 2 * shape[1] - 1))
    # of the dirty image, the error is to be small beside the sum of the moduli that could have added up
    moduli = np.abs(data.values / np.minimum(data.sigma_re, data.sigma_im) ** 2).sum()
    for ours in (sums.dirty, dirty_image(data, shape, PIXEL, origin)):
        assert np.abs(ours - dirty).max() <= 1e-12 * moduli

    images = np.random.default_rng(1).standard_normal((3, *shape))
    flat = images.reshape(3, -1)
    applied, gram, value, slope, bent = products(WTilde.of(sums.w_compact, sums.h_compact), images)
    close(applied.reshape(3, -1), flat @ matrix)
    close(gram, flat @ matrix @ flat.T)
    close(value, flat[0] @ matrix @ flat[0])
    close(slope.ravel(), 2 * matrix @ flat[0])
    close(bent, 2 * flat @ matrix @ flat.T)


@jax.jit
def products(operator, images):
    """Of images (3, H, W): w_tilde s, s^T w_tilde s of all pairs, of the first with its slope, and of sums bent."""
    value, slope = quadratic_form(images[0], operator), jax.grad(quadratic_form)(images[0], operator)
    bent = jax.hessian(lambda a: quadratic_form(jnp.tensordot(a, images, 1), operator))(jnp.ones(3))
    return operator.apply(images), operator.gram(images), value, slope, bent


def close(ours, expected, tolerance=1e-12):
    assert np.abs(np.asarray(ours) - expected).max() <= tolerance * np.abs(expected).max()


def test_masked_pixels_are_images_of_zero():
    """A mask takes rows and columns out of w_tilde; the same from an image that is zero there."""
    shape, data = (9, 10), direct.random_data(300, PIXEL, unequal=True)
    sums = Sums.of([data], shape, PIXEL)
    used = np.hypot(*direct.pixels(shape, PIXEL)) < 4 * PIXEL * direct.ARCSEC
    image = np.where(used, np.random.default_rng(2).standard_normal(used.size), 0)
    small = direct.w_tilde(data, shape, PIXEL)[np.ix_(used, used)]
    ours = WTilde.of(sums.w_compact, sums.h_compact).apply(jnp.asarray(image.reshape(shape))).ravel()
    close(ours[used], small @ image[used])


def test_duplicates_add_up_and_zero_weights_change_nothing():
    data = direct.random_data(50, PIXEL)
    table = (data.u, data.v, data.values)
    twice = Visibilities.from_arrays(
        *[np.tile(column, 2) for column in table], np.tile(data.sigma_re, 2), sign=-1, east="right"
    )
    padded = Visibilities.from_arrays(
        *[np.append(column, column[:5]) for column in table],
        weights=np.append(data.sigma_re**-2, np.zeros(5)),
        sign=-1,
        east="right",
    )
    once, double, same = (Sums.of([d], (8, 8), PIXEL) for d in (data, twice, padded))
    close(double.w_compact, 2 * once.w_compact)
    close(double.dirty, 2 * once.dirty)
    close(same.w_compact, once.w_compact, 1e-14)
    weights = np.append(data.sigma_re**-2, np.zeros(5))
    zero = w_compact(np.append(data.u, data.u[:5]), np.append(data.v, data.v[:5]), weights, (8, 8), PIXEL)
    close(zero, w_compact(data.u, data.v, weights[:50], (8, 8), PIXEL), 1e-14)


def test_w_compact_of_given_weights():
    """The layout that is shared: entry [j + H-1, i + W-1] for an offset of i columns and j rows."""
    data, shape = direct.random_data(40, PIXEL), (4, 6)
    weights = np.random.default_rng(3).uniform(0, 2, 40)
    ours = w_compact(data.u, data.v, weights, shape, PIXEL)
    step = 2 * np.pi * PIXEL * direct.ARCSEC
    for j in range(-3, 4):
        for i in range(-5, 6):
            expected = weights @ np.cos(step * (data.u * i + data.v * j))
            assert abs(ours[j + 3, i + 5] - expected) <= 1e-12 * weights.sum()
    np.testing.assert_allclose(ours, ours[::-1, ::-1], atol=1e-12 * weights.sum())


@settings(max_examples=15)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=8), st.booleans())
def test_streaming_does_not_depend_on_the_cuts(sizes, unequal):
    data = direct.random_data(sum(sizes) + 3, PIXEL, unequal=unequal)
    edges = np.cumsum([0, *sizes, 3])
    chunks = (part(data, slice(a, b)) for a, b in itertools.pairwise(edges))
    whole, streamed = Sums.of([data], (6, 5), PIXEL), Sums.of(chunks, (6, 5), PIXEL)
    for name in ("w_compact", "dirty"):  # threads of the transform add up in an order of their own
        close(getattr(streamed, name), getattr(whole, name), 1e-14)
    for name in ("constant", "log_norm"):
        assert getattr(streamed, name) == getattr(whole, name)


def part(data, rows):
    return Visibilities.from_arrays(
        data.u[rows], data.v[rows], data.values[rows], data.sigma_re[rows] + 1j * data.sigma_im[rows],
        sign=-1, east="right",
    )  # fmt: skip


@pytest.mark.parametrize("size", [64, 100, 1000])
def test_batches_add_up_to_one_pass(size, monkeypatch):
    """More than one batch, full and not: equal to one pass to 1e-14 of the largest value."""
    data = direct.random_data(700, PIXEL, unequal=True)
    whole = Sums.of([data], (6, 5), PIXEL)
    assert [len(batch[0]) for batch in batches([data, data], 600)] == [600, 600, 200] and BATCH >= 700
    monkeypatch.setattr(batches, "__defaults__", (size,))
    cut = Sums.of([data], (6, 5), PIXEL)
    for name in ("w_compact", "h_compact", "dirty"):
        close(getattr(cut, name), getattr(whole, name), 1e-14)


def test_nothing_to_sum_and_too_coarse_pixels():
    with pytest.raises(DataError, match="no visibility in any chunk"):
        Sums.of([], (4, 4), PIXEL)
    with pytest.raises(DataError, match="too coarse"):
        Sums.of([direct.random_data(10, PIXEL)], (4, 4), 1.1 * PIXEL)


def test_w_tilde_is_data():
    operator = WTilde.of(np.eye(5))
    with pytest.raises(ModelError, match="w_tilde is data"):
        jax.grad(quadratic_form, argnums=1)(jnp.ones((3, 3)), operator)


@pytest.mark.parametrize(("shape", "origin"), GRIDS.values(), ids=GRIDS)
def test_images_to_visibilities_and_back(shape, origin):
    data = direct.random_data(60, PIXEL)
    rng = np.random.default_rng(4)
    image, values = rng.standard_normal(shape), rng.standard_normal(60) + 1j * rng.standard_normal(60)
    ours = to_visibilities(data.u, data.v, image, PIXEL, origin)
    expected = direct.visibilities(data, image, PIXEL, origin, 1.0)
    np.testing.assert_allclose(ours, expected, atol=1e-12 * np.abs(image).sum())
    back = to_image(data.u, data.v, values, shape, PIXEL, origin)
    assert np.vdot(values, ours).real == pytest.approx(np.vdot(back, image).real, abs=1e-10 * np.abs(ours).sum())


def test_response_of_the_mean_over_points():
    """Of n x n points over a pixel, written out; with many points it is the sinc of the true mean."""
    u, v = np.array([0.0, 1e5, -3e5]), np.array([2e5, 0.0, 1e5])
    for n in (1, 2, 4):
        offsets = ((np.arange(n) + 0.5) / n - 0.5) * PIXEL * direct.ARCSEC
        wave = lambda k: np.exp(-2j * np.pi * np.outer(k, offsets)).mean(1)  # noqa: B023, E731
        np.testing.assert_allclose(pixel_response(u, v, PIXEL, n), (wave(u) * wave(v)).real, atol=1e-14)
    np.testing.assert_allclose(pixel_response(u, v, PIXEL, 10**5), pixel_response(u, v, PIXEL), atol=1e-9)


def test_the_same_without_finufft(monkeypatch):
    """nufftax takes its place where it is not installed."""
    pytest.importorskip("nufftax", reason="nufftax, which stands in for finufft, is not installed")
    data, shape = direct.random_data(200, PIXEL), (5, 8)
    expected, image = Sums.of([data], shape, PIXEL), np.random.default_rng(6).standard_normal(shape)
    visible = to_visibilities(data.u, data.v, image, PIXEL)
    monkeypatch.setattr("lensfit.operators.nufft.find_spec", lambda name: None)
    ours = Sums.of([data], shape, PIXEL)
    close(ours.w_compact, expected.w_compact, 1e-11)
    assert np.abs(ours.dirty - expected.dirty).max() <= 1e-12 * np.abs(data.values / data.sigma_re**2).sum()
    assert np.abs(to_visibilities(data.u, data.v, image, PIXEL) - visible).max() <= 1e-12 * np.abs(image).sum()
