"""The dataset itself: its door, coordinates, masks and cutouts."""

import dataclasses

import numpy as np
import pytest
from mock_observation import SCALE, SHAPE, gaussian_psf, observed_arrays, sky_wcs

from lensfit.datasets import Imaging, annular_mask, circular_mask
from lensfit.errors import DataError


def imaging(**changes):
    values = {**observed_arrays(), "pixel_scale": SCALE} | changes
    return Imaging.from_arrays(values.pop("data"), values.pop("noise"), values.pop("psf"), **values)


def put(name, value, where=(3, 5)):
    array = observed_arrays()[name]
    array[where] = value
    return {name: array}


def lopsided_psf():
    psf = gaussian_psf(9)
    psf[:, 0] += 0.05
    return psf


def shifted_psf(rows, columns):
    return np.roll(np.pad(gaussian_psf(), 4), (rows, columns), (0, 1))


BAD = {
    "nan in the data": (put("data", np.nan), r"data: NaN or infinite in 1 pixel, the first at row 3"),
    "inf in the data": (put("data", -np.inf, np.s_[7, 2:4]), "2 pixels, the first at row 7, column 2"),
    "nan in the noise": (put("noise", np.nan), "noise: NaN or infinite in 1 pixel.*nan='mask'"),
    "zero noise": (put("noise", 0.0), "noise: zero or negative in 1 pixel, the first at row 3, column 5"),
    "negative noise": (put("noise", -1.0), "zero or negative"),
    "noise of minus infinity": (put("noise", -np.inf), "NaN or infinite"),
    "all masked": ({"mask": np.ones(SHAPE)}, "all 480 pixels are masked"),
    "all masked by noise": ({"noise": np.full(SHAPE, 1e8)}, "all 480 pixels are masked"),
    "nan in the mask": ({"mask": np.full(SHAPE, np.nan)}, "mask: NaN in 480 pixels"),
    "noise of another shape": ({"noise": np.ones((20, 24))}, r"noise: shape \(20, 24\).*\(24, 20\)"),
    "mask of another shape": ({"mask": np.ones((3, 3))}, r"mask: shape \(3, 3\)"),
    "cube": ({"data": np.ones((1, *SHAPE))}, r"data: 3 axes of shape \(1, 24, 20\)"),
    "spectrum": ({"data": np.ones(5)}, "1 axes"),
    "no pixel": ({"data": np.ones((0, 5))}, "holds no pixel"),
    "complex": ({"data": np.ones(SHAPE, complex)}, "complex128 are not real"),
    "text": ({"data": np.full(SHAPE, "a")}, "not real numbers"),
    "masked array": ({"data": np.ma.masked_less(observed_arrays()["data"], 0)}, r"give its \.data"),
    "empty psf": ({"psf": np.zeros((5, 5))}, "its sum is 0"),
    "nan in the psf": (put("psf", np.nan, (1, 2)), "psf: NaN or infinite in 1 pixel, the first at row 1"),
    "psf too large": ({"psf": gaussian_psf(25)}, r"larger than the image.*swapped"),
    "negative psf": (put("psf", -0.1, (0, 1)), r"below -0.1 of its peak in 1 pixel, the first at row 0"),
    "psf peak off": ({"psf": shifted_psf(0, 2)}, "peak is at row 6, column 8"),
    "psf centroid off": ({"psf": lopsided_psf()}, "centroid is at row 4, column 2.759"),
    "no pixel scale": ({"pixel_scale": 0.0}, "pixel_scale= is 0.0"),
    "nan pixel scale": ({"pixel_scale": np.nan}, "pixel_scale= is nan"),
    "unknown policy": ({"nan": "ignore"}, "'error' or 'mask'"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_with_what_and_where(changes, message):
    with pytest.raises(DataError, match=message):
        imaging(**changes)


def test_errors_name_the_file():
    sources = (("noise", "/data/lens.fits[ERR]", "0" * 64),)
    with pytest.raises(DataError, match=r"noise \(/data/lens.fits\[ERR\]\): zero or negative"):
        imaging(**put("noise", 0.0), sources=sources)


def test_arrays_are_native_read_only_copies(arrays):
    data = arrays["data"].astype(">f4")
    image = imaging(data=data)
    assert image.data.dtype == np.dtype("=f8") and image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, data)
    for array in (image.data, image.noise, image.psf, image.mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    data[0, 0] = 99
    assert image.data[0, 0] != 99


def test_without_a_mask_only_bad_pixels_are_masked():
    noise = put("noise", 1e8)["noise"]
    noise[4, 4] = np.inf
    image = imaging(noise=noise, mask=None)
    assert np.argwhere(image.mask).tolist() == [[3, 5], [4, 4]]
    assert "2 pixels masked: noise >= 1e+08" in image.notes
    assert np.isfinite(image.noise).all()


def test_nan_can_be_masked_on_request():
    data, noise = put("data", np.nan)["data"], put("noise", np.nan, (8, 8))["noise"]
    image = imaging(data=data, noise=noise, mask=None, nan="mask")
    assert np.argwhere(image.mask).tolist() == [[3, 5], [8, 8]]
    assert image.data[3, 5] == 0 and image.noise[8, 8] == 1e8
    assert "1 pixel masked: data NaN or infinite" in image.notes
    assert "1 pixel masked: noise NaN or infinite" in image.notes


def test_masked_pixels_may_be_bad_and_become_safe(arrays):
    data, noise = arrays["data"], arrays["noise"]
    data[arrays["mask"]], noise[arrays["mask"]] = np.inf, 0.0
    image = imaging(data=data, noise=noise)
    np.testing.assert_array_equal(image.mask, arrays["mask"])
    assert (image.data[image.mask] == 0).all() and (image.noise[image.mask] == 1e8).all()
    assert any("4 masked pixels without a number filled" in note for note in image.notes)


def test_psf_is_divided_by_its_sum():
    image = imaging(psf=gaussian_psf() * 0.9452)
    assert image.psf.sum() == pytest.approx(1, abs=1e-14)
    assert "PSF divided by its sum 0.9452" in image.notes
    assert imaging().notes == ()


def test_coordinates_start_at_the_bottom_left_and_count_from_the_centre():
    image = imaging(origin=(0.3, -0.2))
    assert image.shape == image.x.shape == image.y.shape == SHAPE
    assert image.x[5, 0] == pytest.approx(0.3 - 9.5 * SCALE)
    assert image.y[0, 5] == pytest.approx(-0.2 - 11.5 * SCALE)
    assert (np.diff(image.x, axis=1) > 0).all() and (np.diff(image.y, axis=0) > 0).all()


def test_hash_sees_every_array_and_number():
    changes = [
        {},
        put("data", 1.0),
        put("noise", 2.0),
        {"psf": gaussian_psf(sigma=1.3)},
        {"mask": None},
        {"pixel_scale": 0.06},
        {"origin": (0.1, 0.0)},
    ]
    assert len({imaging(**change).hash for change in changes}) == len(changes)
    assert imaging().hash == imaging(unit="e-/s", notes=("a note",)).hash


def test_masks_keep_disc_and_ring(arrays):
    image = imaging()
    disc, ring = image.circular_mask(0.3, (0.1, 0.05)), image.annular_mask(0.2, 0.5)
    radius = np.hypot(image.x - 0.1, image.y - 0.05)
    np.testing.assert_array_equal(disc.mask, arrays["mask"] | (radius > 0.3))
    np.testing.assert_array_equal(ring.mask, arrays["mask"] | annular_mask(image.x, image.y, 0.2, 0.5))
    np.testing.assert_array_equal(circular_mask(image.x, image.y, 0.3, (0.1, 0.05)), radius > 0.3)
    assert not annular_mask(image.x, image.y, 0.2, 0.5).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda image: image.with_mask(np.ones((2, 2))), "extra mask: shape"),
        (lambda image: image.with_mask(np.ones(SHAPE)), "all 480 pixels are masked"),
        (lambda image: image.circular_mask(0.1, (9.0, 9.0)), "all 480 pixels are masked"),
        (lambda image: image.circular_mask(-1), "0 <= inner < outer"),
        (lambda image: image.annular_mask(0.5, 0.2), "0 <= inner < outer"),
        (lambda image: image.cutout(0.2, (5.0, 0.0)), "holds no pixel.*its x runs from -0.500 to 0.500"),
        (lambda image: image.cutout(0.06), r"psf, cut out rows 11:13.*larger than the image"),
        (lambda image: image.binned(0), "binning factor 0; give an integer from 1 to 20"),
        (lambda image: image.binned(2.5), "binning factor 2.5"),
        (lambda image: image.binned(7), "psf, binned 7 x 7: PSF of shape"),
    ],
)
def test_impossible_changes_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call(imaging())


def test_cutout_keeps_values_coordinates_and_sky():
    image = imaging(wcs=sky_wcs(), origin=(0.2, 0.1))
    part = image.cutout(0.26, (0.35, -0.05))
    column = int(np.argmin(np.abs(image.x[0] - part.x[0, 0])))
    row = int(np.argmin(np.abs(image.y[:, 0] - part.y[0, 0])))
    rows, columns = part.shape
    np.testing.assert_array_equal(part.data, image.data[row : row + rows, column : column + columns])
    np.testing.assert_array_equal(part.mask, image.mask[row : row + rows, column : column + columns])
    np.testing.assert_allclose(part.x, image.x[row : row + rows, column : column + columns], atol=1e-14)
    assert np.abs(part.x - 0.35).max() <= 0.26 and np.abs(part.y + 0.05).max() <= 0.26
    assert part.wcs is not None and image.wcs is not None
    there = image.wcs.pixel_to_world(column + 2, row + 3)
    assert there.separation(part.wcs.pixel_to_world(2, 3)).arcsec < 1e-8
    assert "cut out rows" in part.notes[-1]


def test_a_dataset_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        imaging().pixel_scale = 1.0
