"""What every kind of data can do: one battery for all, and the one reader of all."""

import json

import file_layouts
import numpy as np
import pytest
import visibility_layouts
from astropy.wcs import WCS

from lensfit.datasets import Dataset, Imaging, Interferometer, read, read_imaging, read_interferometer
from lensfit.errors import DataError
from lensfit.instruments import earth_rotation, spiral

IMAGE, VISIBILITIES = "image", "visibilities"
GRID = {"pixel_scale": 0.1, "shape": (64, 72)}


@pytest.fixture(params=[IMAGE, VISIBILITIES])
def lying(request, tmp_path, arrays):
    """A folder, or a file, that holds data of each kind; and what to give for it."""
    if request.param == IMAGE:
        return file_layouts.triple(tmp_path, arrays), {}
    run = {"latitude": -23.0, "declination": -23.0, "wavelength": 1e-3, "noise": 1e-3}
    table = earth_rotation(spiral(6, 600.0), hour_angles=np.linspace(-2, 2, 3), **run)
    return visibility_layouts.uvfits(tmp_path, table), GRID


@pytest.fixture
def data(lying):
    path, given = lying
    return read(path, **given)


def test_one_reader_reads_every_kind(lying):
    path, given = lying
    reader, kind = (read_interferometer, Interferometer) if given else (read_imaging, Imaging)
    found = read(path, **given, primary_beam=None, psf=None)
    assert isinstance(found, kind) and isinstance(found, Dataset)
    assert found.hash == reader(path, **given).hash


def test_options_of_another_kind_are_refused_by_name(lying):
    path, given = lying
    option, message = ("psf", "holds visibilities, and psf= can be given for images alone") if given else (
        "sign", "holds an image, and sign= can be given for visibilities alone"
    )  # fmt: skip
    with pytest.raises(DataError, match=message):
        read(path, **given, **{option: -1})
    with pytest.raises(DataError, match="and colour= no reader knows"):
        read(path, colour="red")


def test_a_path_that_holds_nothing_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        read(tmp_path / "nowhere")
    (tmp_path / "text.fits").write_text("no data at all")
    with pytest.raises(DataError, match="no FITS, npz or HDF5 file"):
        read(tmp_path / "text.fits")


def test_bad_numbers_are_left_out_of_every_kind(lying, arrays, tmp_path):
    path, given = lying
    if given:
        path = tmp_path / "table.npz"
        u, v = 3e5 * np.cos(np.arange(9.0)), 3e5 * np.sin(np.arange(9.0))
        values = np.where(np.arange(9) == 4, np.nan, 1.0) + 0j
        np.savez(path, u=u, v=v, vis=values, sigma=np.ones(9), sign=-1, east="left")
    else:
        path = tmp_path / "bad"
        path.mkdir()
        bright = np.where(arrays["data"] > 25, np.nan, arrays["data"])
        file_layouts.triple(path, arrays | {"data": bright})
    with pytest.raises(DataError, match="NaN"):
        read(path, **given)
    assert "NaN" in " ".join(read(path, **given, nan="mask").notes)


def test_the_grid_lies_within_its_extent(data):
    left, right, bottom, top = data.extent
    rows, columns = data.shape
    assert data.x.shape == data.y.shape == data.mask.shape == data.shape
    assert (right - left, top - bottom) == pytest.approx((columns * data.pixel_scale, rows * data.pixel_scale))
    assert (left + right, bottom + top) == pytest.approx((2 * data.origin[0], 2 * data.origin[1]))
    assert data.x[0, 0] - left == pytest.approx(data.pixel_scale / 2)


def test_masks_add_up_and_change_the_hash(data):
    half = data.circular_mask(0.4 * min(data.shape) * data.pixel_scale)
    both = half.annular_mask(0.2, 9.0)
    assert both.mask.sum() > half.mask.sum() > data.mask.sum()
    np.testing.assert_array_equal(both.mask, half.mask | (np.hypot(data.x, data.y) < 0.2))
    assert len({data.hash, half.hash, both.hash}) == 3
    assert not both.mask.flags.writeable
    with pytest.raises(DataError, match="pixels are masked"):
        data.with_mask(np.ones(data.shape))


def test_every_kind_says_what_it_is(data):
    rows = data.describe()
    assert all(isinstance(label, str) and isinstance(text, str) for label, text in rows)
    words = " ".join(text for _, text in rows)
    for expected in (f"{data.shape[0]} rows x {data.shape[1]} columns", *data.notes, data.sources[0][1]):
        assert expected in words
    document = json.loads(json.dumps(data.document()))
    assert document["hash"] == data.hash and document["pixel_scale"] == data.pixel_scale
    assert document["shape"] == list(data.shape) and document["unit"] == data.unit
    assert [source["path"] for source in document["sources"]] == [path for _, path, _ in data.sources]


def test_the_header_of_the_frame_gives_the_coordinates_back(data):
    wcs, (rows, columns) = WCS(data.frame_header()), data.shape
    x, y = wcs.wcs_pix2world(*np.meshgrid(np.arange(columns), np.arange(rows)), 0)
    if data.wcs is None:
        np.testing.assert_allclose(x, data.x, atol=1e-9)
        np.testing.assert_allclose(y, data.y, atol=1e-9)
    else:
        np.testing.assert_allclose(data.wcs.wcs_pix2world([[3.0, 4.0]], 0), [[x[4, 3], y[4, 3]]])
