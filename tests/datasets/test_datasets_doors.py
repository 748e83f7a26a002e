"""Files that lie, and paths that are no files: refused before anything is opened, allocated or counted."""

import json
import os
import socket
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from astropy.io import fits
from file_layouts import hdus, multi_extension, triple, write_triple
from mock_observation import SCALE
from visibility_layouts import npz as visibility_npz
from visibility_layouts import uvfits

from lensfit.datasets import Imaging, Visibilities, array_files, decoder_process, read, read_imaging
from lensfit.errors import DataError


@pytest.fixture
def table():
    """Visibilities of 30 baselines with their antennas."""
    random, pairs = np.random.default_rng(5), np.array(np.triu_indices(9, 1))[:, :30]
    u, v, re, im = random.uniform(-4e5, 4e5, (4, 30))
    rows = {"noise": np.full(30, 0.1), "antenna1": pairs[0] + 1, "antenna2": pairs[1] + 1}
    return Visibilities.from_arrays(u, v, re + 1j * im, sign=-1, east="right", **rows)


def refused(path, message, **options):
    with pytest.raises(DataError, match=message) as caught:
        read(path, **options)
    assert str(caught.value).isprintable()


def pipe(path):
    os.mkfifo(path)


def loop(path):
    path.symlink_to(path.name)


def device(path):
    path.symlink_to("/dev/zero")


def bound_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


SPECIAL = {
    pipe: "no such file, but a pipe",
    loop: "no such file, but links that lead back to themselves",
    device: "no such file, but a device",
    bound_socket: "no such file, but a socket",
}


@pytest.mark.parametrize("name", ["data.fits", "psf.fits", "info.json"])
@pytest.mark.parametrize("special", SPECIAL)
def test_what_is_no_file_is_not_opened(special, name, tmp_path, arrays, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    triple(tmp_path, arrays)
    (tmp_path / name).unlink(missing_ok=True)
    special(tmp_path / name)
    refused(tmp_path, f"{name}: {SPECIAL[special]}")


def test_names_that_no_file_can_have(tmp_path, arrays):
    refused(triple(tmp_path, arrays), "no such file, for no file can have this name", noise="a\0b.fits")
    refused(tmp_path / "a\0b.fits", r"a\\x00b.fits: no such file or folder")
    refused(tmp_path / "a\x1b[2J.fits", r"a\\x1b\[2J.fits: no such file or folder")
    refused(tmp_path / ("a" * 3000), "aaa: no such file or folder")


def test_files_larger_than_any_of_a_lens(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(array_files, "MAX_FILE", 10_000)
    refused(multi_extension(tmp_path, arrays), "lens.fits: larger than .* GiB; cut out the lens first")


HEADERS = {
    "axes without end": ({"NAXIS": 2**31}, "NAXIS = 2147483648, and 999 is the most"),
    "axes below zero": ({"NAXIS": -1}, "NAXIS = -1"),
    "axis below zero": ({"NAXIS2": -7}, "counts axes, groups or bytes below zero"),
    "more than there is": ({"NAXIS2": 2**40}, "the header promises .* bytes, the file holds"),
    "groups": ({"GCOUNT": 2**62}, "the header promises .* bytes, the file holds"),
    "fields": ({"TFIELDS": 2**31}, "TFIELDS = 2147483648"),
    "coordinates": ({"WCSAXES": 10**9}, "WCSAXES = 1000000000"),
    "distortion": ({"A_ORDER": 30000}, "A_ORDER = 30000, and 9 is the most"),
    "a word for a side": ({"NAXIS2": "'TEXT'"}, "its header says NAXIS2 = 'TEXT', no number; fetch it again"),
    "no standard": ({"SIMPLE": False}, r"\[0\]: its header is corrupt, or denies to be standard FITS"),
    "no scale": ({"CD1_1": 0.0, "CD2_2": 0.0, "CD1_2": 0.0, "CD2_1": 0.0}, "states no pixel scale"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_count_what_cannot_be(case, tmp_path, arrays):
    cards, message = HEADERS[case]
    file = triple(tmp_path, arrays) / "data.fits"
    header = bytearray(file.read_bytes())
    for key, value in cards.items():
        text = f"{key:8}= {'F' if value is False else value:>20}".ljust(80).encode()
        start = header.find(f"{key:8}=".encode())
        if start < 0:
            start = header.index(b"END" + b" " * 77)
            header[start + 80 : start + 160] = b"END" + b" " * 77
        header[start : start + 80] = text
    file.write_bytes(header)
    refused(tmp_path, message)


def test_a_header_that_says_two_things(tmp_path, arrays):
    file = triple(tmp_path, arrays) / "data.fits"
    content, end = bytearray(file.read_bytes()), b"END" + b" " * 77
    place = content.index(end)
    content[place : place + 160] = f"{'NAXIS':8}= {2**31:>20}".ljust(80).encode() + end
    file.write_bytes(content)
    refused(tmp_path, "its header says NAXIS = 2 and NAXIS = 2147483648")


def test_extensions_that_are_no_images(tmp_path, arrays, table):
    rows = fits.BinTableHDU.from_columns([fits.Column(name="SCI", format="D", array=np.ones(5))], name="SCI")
    made = hdus(("ERR", arrays["noise"], None), ("PSF", arrays["psf"], None))
    made.insert(1, rows)
    made.writeto(tmp_path / "table.fits")
    refused(tmp_path / "table.fits", r"no data among its images \(ERR, PSF\)")
    with pytest.raises(DataError, match=r"no data among its images \(none\)"):
        read_imaging(uvfits(tmp_path, table))


def subarray(file, array):
    file.create_dataset("data", (20, 20), np.dtype(("f8", (1000, 1000))), chunks=(1, 1))


def unwritten(file, array):
    file.create_dataset("data", (20000, 20000), "f8", chunks=(100, 100))


def wide_chunk(file, array):
    file.create_dataset("data", (20, 20), "f8", chunks=(8000, 8000), maxshape=(None, None))


def external(file, array):
    file.create_dataset("data", (20, 20), "f8", external=[("/dev/zero", 0, 2**40)])


def virtual(file, array):
    layout = h5py.VirtualLayout((20, 20), "f8")
    layout[:] = h5py.VirtualSource("/dev/stdin", "x", (20, 20))
    file.create_virtual_dataset("data", layout)


def deep(file, array):
    file["/".join(["group"] * 30 + ["data"])] = array


def circle(file, array):
    for number in range(3):
        file[f"again{number}"] = file["/"]


def texts(file, array):
    file.create_dataset("data", array.shape, h5py.string_dtype())


STORED = {
    subarray: "promises more than .* GiB",
    unwritten: "promises more than .* GiB",
    wide_chunk: "promises more than .* GiB",
    external: "its numbers are in other files",
    virtual: "its numbers are in other files",
    deep: "groups within groups, more than 20 deep",
    circle: "groups within groups, more than 20 deep",
    texts: "are not real numbers",
}


@pytest.mark.parametrize("store", STORED)
def test_hdf5_that_lies(store, tmp_path, arrays):
    with h5py.File(tmp_path / "lens.h5", "w") as file:
        file["noise"], file["psf"], file["ps"] = arrays["noise"], arrays["psf"], SCALE
        store(file, arrays["data"])
    refused(tmp_path / "lens.h5", STORED[store])


def test_archives_of_too_many_members(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr("lensfit.datasets.archives.MOST_MEMBERS", 2)
    np.savez(tmp_path / "lens.npz", **arrays, ps=SCALE)
    refused(tmp_path / "lens.npz", "more than 2 arrays and groups; keep those of the lens")


def test_links_in_hdf5_are_not_followed(tmp_path, arrays):
    with h5py.File(tmp_path / "lens.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file["ps"] = SCALE
        file["psf_again"], file["image"] = h5py.SoftLink("/psf_again"), h5py.ExternalLink("/dev/zero", "x")
    assert read(tmp_path / "lens.h5").shape == arrays["data"].shape


STATED = {
    "pixel_scale": ['"0.05"', "null", "[0.05]", "1" + "0" * 400],
    "origin": ["5", '["a", 0]', "[0, 0, 0]", "[1e300, NaN]", "[0, Infinity]", "[0, 1" + "0" * 400 + "]"],
    "shape": ["64", "[64.5, 64]", '["64", 64]', "[true, 64]"],
    "sign": ["0", '"-1"', "true"],
    "east": ["1", "null"],
    "wavelength": ['"x"', "{}"],
    "primary_beam": ['"x"', "[18]"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, every in STATED.items() for value in every])
def test_info_json_of_the_wrong_kind(name, value, tmp_path, table):
    visibility_npz(tmp_path, table)
    (tmp_path / "info.json").write_text(f'{{"{name}": {value}}}')
    refused(tmp_path, f"info.json: no object with numbers where they belong: {name} is")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"pixel_scale": 0.05, "pixel_scale": 0.06}', "it says 'pixel_scale' twice"),
        ("[" * 100_000, "it is nested too deep"),
        ('{"pixel_scale": ' + "9" * 5000 + "}", "cannot be read as JSON"),
        (" " * (2**22 + 1), "longer than 4 MiB"),
    ],
)
def test_info_json_that_is_hostile(text, message, tmp_path, arrays):
    (triple(tmp_path, arrays) / "info.json").write_text(text)
    refused(tmp_path, message)


@pytest.mark.parametrize("shape", [(200_000, 200_000), (2**40, 1)])
def test_image_grids_beyond_memory(shape, tmp_path, table):
    (tmp_path / "info.json").write_text(json.dumps({"pixel_scale": 0.1, "shape": shape}))
    visibility_npz(tmp_path, table)
    refused(tmp_path, r"shape=.*: more than 16777216 pixels; give a smaller field")


def test_baselines_longer_than_any(tmp_path, table):
    np.savez(tmp_path / "t.npz", u=1e8 * table.u, v=table.v, data=table.values, sigma=table.sigma_re)
    refused(tmp_path / "t.npz", "longer than any on Earth or in orbit", sign=-1, east="left")


@pytest.mark.parametrize("scale", [1e-5, 5e-8, 150.0])
def test_a_pixel_scale_that_no_image_has_is_said_twice(scale, tmp_path, arrays):
    once = "outside of 0.0001 to 100, as if it were in degrees or radians"
    folder = write_triple(tmp_path, arrays, header=fits.Header())
    refused(folder, rf"from pixel_scale=: {once}", pixel_scale=scale)
    (folder / "info.json").write_text(json.dumps({"pixel_scale": scale}))
    refused(folder, rf"info.json: {once}")
    made = read(folder, pixel_scale=scale)
    assert made.pixel_scale == scale and made.scale_from == f"pixel_scale= and {folder / 'info.json'}"
    refused(folder, once, pixel_scale=2 * scale)
    parts = (arrays["data"], arrays["noise"], arrays["psf"])
    with pytest.raises(DataError, match=once):
        Imaging.from_arrays(*parts, pixel_scale=scale)
    assert Imaging.from_arrays(*parts, pixel_scale=scale, scale_from="the calibration").pixel_scale == scale


@pytest.mark.parametrize("origin", [(1e300, 0.0), (0.0, np.nan), (0.0,), "ab", None])
def test_origins_that_are_no_place(origin, arrays):
    with pytest.raises(DataError, match=r"origin is .*; give"):
        Imaging.from_arrays(arrays["data"], arrays["noise"], arrays["psf"], pixel_scale=SCALE, origin=origin)


@pytest.mark.parametrize(
    ("role", "value", "message"),
    [
        ("data", 1e200, "data: beyond 1e.75 or its inverse in 1 pixel, the first at row 9, column 4"),
        ("noise", 1e-200, "noise: beyond 1e.75 or its inverse in 1 pixel"),
        ("psf", 1e308, "psf: its sum is inf"),
    ],
)
def test_numbers_whose_squares_are_none(role, value, message, arrays):
    changed = {name: array.copy() for name, array in arrays.items() if name != "mask"}
    changed[role][... if role == "psf" else (9, 4)] = value
    with pytest.raises(DataError, match=message):
        Imaging.from_arrays(**changed, pixel_scale=SCALE)


def test_masked_pixels_may_hold_anything(arrays):
    arrays["data"][arrays["mask"]], arrays["noise"][arrays["mask"]] = 1e200, 1e-300
    made = Imaging.from_arrays(**arrays, pixel_scale=SCALE)
    assert (made.data[made.mask] == 0).all() and (made.noise[made.mask] == 1e8).all()


def test_what_a_file_says_is_made_visible(tmp_path, arrays):
    file = tmp_path / "lens\x1b[2J.npz"
    named = {"psf\n\x1b[31m" if name == "psf" else name: array for name, array in arrays.items()}
    np.savez(file, **named, ps=SCALE)
    said = [text for row in read(file).describe() for text in row]
    assert all(text.isprintable() for text in said)
    assert any(r"psf\n\x1b[31m" in text for text in said)


@contextmanager
def helper_that_runs(monkeypatch, program):
    """Another helper than the one that serves now."""
    with monkeypatch.context() as patch:
        patch.setattr(decoder_process, "PROGRAM", program)
        decoder_process.HELPER.end()
        yield
        decoder_process.HELPER.end()


def test_a_decoder_that_ends_its_process_does_not_end_ours(tmp_path, arrays, monkeypatch):
    """astropy's decoder of HCOMPRESS overwrites memory where the stream is corrupt."""
    made = [fits.PrimaryHDU(), *(
        fits.CompImageHDU(arrays[role], name=role, compression_type="HCOMPRESS_1", quantize_level=-0.01)
        for role in ("data", "noise", "psf")
    )]  # fmt: skip
    fits.HDUList(made).writeto(tmp_path / "lens.fits.fz")
    image = read(tmp_path / "lens.fits.fz", pixel_scale=SCALE)
    np.testing.assert_allclose(image.data, arrays["data"], atol=0.05)
    decoding, broken = "numpy.asarray(hdus[number].data)", {"os.abort()": "ended with -6", "None[0]": "ended with -1"}
    monkeypatch.setattr(decoder_process, "LONGEST", 20.0)
    for wrong, told in broken.items():
        with helper_that_runs(monkeypatch, decoder_process.PROGRAM.replace(decoding, wrong)):
            refused(tmp_path / "lens.fits.fz", f"its decoder {told}", pixel_scale=SCALE)
    monkeypatch.setattr(decoder_process, "LONGEST", 0.3)
    with helper_that_runs(monkeypatch, "import time; time.sleep(9)"):
        refused(tmp_path / "lens.fits.fz", "its decoder did not end in time", pixel_scale=SCALE)
    monkeypatch.undo()
    np.testing.assert_array_equal(read(tmp_path / "lens.fits.fz", pixel_scale=SCALE).data, image.data)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [("ZVAL1", 1 << 30, "BLOCKSIZE = 1073741824"), ("ZVAL2", 2147483647, "BYTEPIX"), ("ZTILE1", 0, "ZTILE1 = 0 of")],
)
def test_what_no_decoder_can_do_with_a_tile_is_refused(key, value, told, tmp_path, arrays):
    path = tmp_path / "lens.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(arrays["data"], name="data")]).writeto(path)
    raw = path.read_bytes()
    start = raw.index(f"{key:8}=".encode())
    path.write_bytes(raw[:start] + f"{key:8}= {value:20}".ljust(80).encode() + raw[start + 80 :])
    refused(path, told, pixel_scale=SCALE)
