"""The points at which a model is evaluated: blocks of pixels, the box around the mask, cutting to it."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lensfit.grid import BLOCK, LEVELS, box_size, cut, evaluation_box, make_grid


def coordinates(shape, scale=0.1):
    return np.meshgrid(scale * np.arange(shape[1]) - 1.0, scale * np.arange(shape[0]) + 0.5)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(shape=shapes, data=st.data())
@settings(max_examples=60)
def test_every_pixel_stands_where_gather_says(shape, data):
    levels = data.draw(hnp.arrays(int, shape, elements=st.sampled_from([0, *LEVELS])))
    levels[0, 0] = max(levels[0, 0], 1)
    x, y = coordinates(shape)
    grid = make_grid(x, y, levels, 0.1)
    gather, used = np.asarray(grid.gather), levels > 0
    np.testing.assert_array_equal(gather >= 0, used)
    assert len(set(gather[used])) == used.sum(), "one place for each pixel"
    assert gather.max() < int(grid.used) * BLOCK, "and none in a block that is not evaluated"
    np.testing.assert_array_equal(np.asarray(grid.x).ravel()[gather[used]], x[used])
    np.testing.assert_array_equal(np.asarray(grid.y).ravel()[gather[used]], y[used])
    np.testing.assert_array_equal(np.asarray(grid.oversampling)[gather[used] // BLOCK], levels[used])
    blocks = grid.x.shape[0]
    assert blocks == -(-levels.size // BLOCK) + len(LEVELS), "every tiering of one shape has one structure"


def test_to_image_puts_pixels_back_and_zero_elsewhere():
    levels = np.random.default_rng(0).choice([0, 1, 2, 8], (33, 47))
    grid = make_grid(*coordinates(levels.shape), levels, 0.1)
    image = np.asarray(grid.to_image(grid.x))
    np.testing.assert_array_equal(image, np.where(levels > 0, coordinates(levels.shape)[0], 0))
    both = np.asarray(grid.to_image(np.stack([grid.x, 3 * grid.y])))
    np.testing.assert_array_equal(both[0], image)
    np.testing.assert_array_equal(both[1], np.where(levels > 0, 3 * coordinates(levels.shape)[1], 0))


def test_more_tiers_than_levels():
    levels = np.arange(1, 13).reshape(3, 4)
    grid = make_grid(*coordinates(levels.shape), levels, 0.1)
    gather = np.asarray(grid.gather)
    np.testing.assert_array_equal(np.asarray(grid.oversampling)[gather // BLOCK], levels)


def test_other_tierings_compile_nothing_new():
    image = jax.jit(lambda grid: grid.to_image(grid.x * grid.oversampling[:, None]))
    for levels in (np.ones((20, 30), int), np.random.default_rng(0).choice([0, 1, 2, 4, 8], (20, 30))):
        made = image(make_grid(*coordinates(levels.shape), levels, 0.1))
        np.testing.assert_allclose(made, coordinates(levels.shape)[0] * levels)
    assert image._cache_size() == 1


@given(mask=hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), reach=st.integers(0, 6))
@settings(max_examples=80)
def test_box_holds_all_that_the_psf_reaches(mask, reach):
    mask[mask.shape[0] // 2, mask.shape[1] // 2] = False
    rows, columns, needed = evaluation_box(mask, reach)
    used = ~cut(mask, (rows, columns), True)
    assert used.sum() == (~mask).sum() and needed.shape == used.shape
    inside = np.argwhere(used)
    every = np.argwhere(np.ones_like(used))
    distance = np.abs(every[:, None] - inside).max(2).min(1).reshape(used.shape)
    np.testing.assert_array_equal(needed, distance <= reach)
    # a periodic convolution must not carry light around the box into a used pixel
    for axis, size in enumerate(needed.shape):
        assert inside[:, axis].min() >= reach and inside[:, axis].max() + reach < size
    for size in needed.shape:
        for prime in (2, 3, 5):
            while size % prime == 0:
                size //= prime
        assert size == 1, "a size that FFTs like"


BOXES = [(slice(-2, 3), slice(1, 9)), (slice(2, 4), slice(-3, 1)), (slice(-1, 7), slice(-1, 8))]


@pytest.mark.parametrize("box", BOXES)
def test_cut(box):
    array = np.arange(30.0).reshape(5, 6)
    out = cut(array, box, -1.0)
    for (i, j), value in np.ndenumerate(out):
        row, column = i + box[0].start, j + box[1].start
        inside = 0 <= row < 5 and 0 <= column < 6
        assert value == (array[row, column] if inside else -1.0)
    assert cut(array > 3, box, True).dtype == bool


@pytest.mark.parametrize(
    ("needed", "box"),
    [((17, 24), (24, 24)), ((24, 25), (32, 32)), ((9, 90), (16, 96)), ((900, 30), (960, 64))],
)
def test_boxes_have_few_sides(needed, box):
    """One side for both axes where they are about as long."""
    assert box_size(*needed) == box
