"""Files that are missing, ambiguous, broken or hostile: each refused with its name and a way on."""

import gzip
import os
import struct
import zipfile

import h5py
import numpy as np
import pytest
from astropy.io import fits
from file_layouts import hdf5, hdus, multi_extension, npz, tile_compressed, triple, write_triple
from mock_observation import SHAPE, sky_header

from lensfit.datasets import array_files, read_imaging
from lensfit.errors import DataError


def refused(path, message, **options):
    with pytest.raises(DataError, match=message) as caught:
        read_imaging(path, **options)
    return str(caught.value)


def cut(file, number):
    """Keep the first `number` bytes, or all but the last -`number`."""
    file.write_bytes(file.read_bytes()[:number])
    return file


def test_missing_files(tmp_path, arrays):
    refused(tmp_path / "nowhere", "nowhere: no such file or folder")
    folder = triple(tmp_path, arrays)
    refused(folder, r"star.fits: no such file", psf=folder / "star.fits")
    refused(folder, r"no such file", psf=folder)


def test_a_file_of_another_kind(tmp_path):
    file = tmp_path / "data.fits"
    file.write_bytes(b"\x80\x04\x95 a pickle")
    refused(file, r"data.fits: starts with b'\\x80\\x04.*no FITS, npz or HDF5 file")
    file.write_bytes(b"")
    refused(file, "starts with b''")


def test_folder_without_and_with_too_many_candidates(tmp_path, arrays):
    refused(tmp_path, "no file that could be the data.*none of them FITS")
    fits.PrimaryHDU(arrays["psf"]).writeto(tmp_path / "psf.fits")
    message = refused(tmp_path, "no file that could be the data")
    assert "psf.fits" in message
    for name in ("sci", "image"):
        fits.PrimaryHDU(arrays["data"], sky_header()).writeto(tmp_path / f"{name}.fits")
    refused(tmp_path, "several candidates for the data: image.fits, sci.fits; give the file itself")
    (tmp_path / "image.fits").unlink()
    refused(tmp_path, r"sci.fits: no noise found in it or beside it; give a file as noise=")
    fits.PrimaryHDU(arrays["noise"]).writeto(tmp_path / "rms.fits")
    assert read_imaging(tmp_path).shape == SHAPE
    fits.PrimaryHDU(arrays["noise"]).writeto(tmp_path / "noise.fits")
    refused(tmp_path, "several candidates for the noise: noise.fits, rms.fits; say which with noise=")


def test_missing_and_ambiguous_extensions(tmp_path, arrays):
    data = ("SCI", arrays["data"], sky_header())
    hdus(data, ("PSF", arrays["psf"], None)).writeto(tmp_path / "a.fits")
    refused(tmp_path / "a.fits", "no noise found in it")
    hdus(("ERR", arrays["noise"], None), ("PSF", arrays["psf"], None)).writeto(tmp_path / "b.fits")
    refused(tmp_path / "b.fits", r"b.fits: no data among its images \(ERR, PSF\)")
    two = hdus(data, data, ("ERR", arrays["noise"], None), ("PSF", arrays["psf"], None))
    two[2].ver = 2
    two.writeto(tmp_path / "c.fits")
    refused(tmp_path / "c.fits", r"several candidates for the data: SCI, SCI,2; name one as FILE")
    hdus().writeto(tmp_path / "d.fits")
    refused(tmp_path / "d.fits", r"no data among its images \(none\)")
    hdus(("OVERSAMP", arrays["psf"], None), ("DET_SAMP", arrays["psf"], None)).writeto(tmp_path / "e.fits")
    file = multi_extension(tmp_path, arrays)
    refused(file, "candidates for the psf: OVERSAMP, DET_SAMP", psf=tmp_path / "e.fits")


def test_shapes_and_axes_name_the_extension(tmp_path, arrays):
    noise, psf = ("ERR", arrays["noise"][1:], None), ("PSF", arrays["psf"], None)
    hdus(("SCI", arrays["data"], sky_header()), noise, psf).writeto(tmp_path / "a.fits")
    refused(tmp_path / "a.fits", r"noise \(.*a.fits\[ERR\]\): shape \(23, 20\)")
    hdus(("SCI", arrays["data"][0], None), noise, psf).writeto(tmp_path / "b.fits")
    refused(tmp_path / "b.fits", r"b.fits\[SCI\]: 1 axes .*, an image has 2", pixel_scale=0.05)
    parts = [("VAR_A", arrays["noise"], None), ("VAR_B", arrays["noise"][1:], None)]
    hdus(("SCI", arrays["data"], sky_header()), *parts, psf).writeto(tmp_path / "c.fits")
    refused(tmp_path / "c.fits", r"c.fits\[VAR_A\+VAR_B\]: shape \(23, 20\)")


@pytest.mark.parametrize("kept", [1000, 3000, 5000, -2880, -1])
def test_truncated_fits(tmp_path, arrays, kept):
    file = cut(multi_extension(tmp_path, arrays), kept)
    refused(file, "lens.fits.*(cut short|fetch it again)")


@pytest.mark.parametrize("kept", [3000, -5000, -1])
def test_truncated_tile_compressed_fits(tmp_path, arrays, kept):
    refused(cut(tile_compressed(tmp_path, arrays), kept), "lens.fits.fz.*fetch it again")


def test_corrupt_tile(tmp_path, arrays):
    file = tile_compressed(tmp_path, arrays)
    content = bytearray(file.read_bytes())
    start = content.index(b"\x1f\x8b")
    content[start : start + 400] = os.urandom(400)
    file.write_bytes(content)
    refused(file, r"lens.fits.fz: cannot be read as FITS extension SCI")


@pytest.mark.parametrize("damage", ["cut", "flipped", "not gzip"])
def test_broken_gzip(tmp_path, arrays, damage):
    file = tmp_path / "lens.fits.gz"
    content = gzip.compress(multi_extension(tmp_path, arrays).read_bytes())
    middle = len(content) // 2
    file.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "not gzip": b"\x1f\x8b not gzip",
        }[damage]
    )
    refused(file, "lens.fits.gz: cannot be read as gzip .*fetch it again")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NAXIS1  =                   20", "NAXIS1  =            900000000", "promises .* bytes, the file"),
        ("NAXIS1  =                   20", "NAXIS1  =                   -5", "fetch it again"),
        ("BITPIX  =                  -64", "BITPIX  =                  -77", "fetch it again"),
        ("BITPIX  =                  -64", "BITPIX  =                'two'", "fetch it again"),
    ],
)
def test_headers_that_lie(tmp_path, arrays, old, new, message):
    file = triple(tmp_path, arrays) / "data.fits"
    content = file.read_bytes()
    assert old.encode() in content
    file.write_bytes(content.replace(old.encode(), new.encode()))
    refused(tmp_path, f"data.fits.*{message}")


def test_a_wcs_or_scale_that_cannot_be_read(tmp_path, arrays):
    folder = write_triple(tmp_path, arrays, header=fits.Header({"PIXSCALE": "five"}))
    refused(folder, "data.fits: cannot be read as pixel scale of PRIMARY")
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "RA---TAN", "CDELT1": 1e-5, "CDELT2": 1e-5}
    for key, value in header.items():
        fits.setval(folder / "data.fits", key, value=value)
    refused(folder, "data.fits: cannot be read as WCS of PRIMARY")


def test_decompression_bombs_are_not_unpacked(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(array_files, "MAX_BYTES", 50_000)
    message = "promises more than .* GiB, too much for the image of a lens"
    file = tmp_path / "lens.fits.gz"
    file.write_bytes(gzip.compress(multi_extension(tmp_path, arrays).read_bytes() + bytes(10**6)))
    refused(file, f"lens.fits.gz: holds or {message}")
    zeros = np.zeros((300, 300))
    np.savez_compressed(tmp_path / "bomb.npz", data=zeros, noise=zeros, psf=zeros)
    refused(tmp_path / "bomb.npz", rf"bomb.npz\[data\]: holds or {message}")
    with h5py.File(tmp_path / "bomb.h5", "w") as out:
        out.create_dataset("data", shape=(10**6, 10**6), dtype="f8", compression="gzip", chunks=(100, 100))
    refused(tmp_path / "bomb.h5", rf"bomb.h5\[data\]: holds or {message}")
    fits.CompImageHDU(zeros.astype("i2"), name="SCI").writeto(tmp_path / "bomb.fits")
    refused(tmp_path / "bomb.fits", rf"bomb.fits\[SCI\]: holds or {message}")


def test_an_npy_header_that_promises_more_than_the_archive_holds(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4000, 4000), }"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + bytes(800)
    with zipfile.ZipFile(tmp_path / "lens.npz", "w") as archive:
        archive.writestr("data.npy", member)
    refused(tmp_path / "lens.npz", "lens.npz: cannot be read as array data")


def test_pickled_arrays_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "lens.npz", data=np.array([{"a": 1}], dtype=object), noise=1, psf=1)
    refused(tmp_path / "lens.npz", r"lens.npz\[data\]: holds pickled Python objects.*plain array of floats")


def test_broken_npz_and_hdf5(tmp_path, arrays):
    refused(cut(npz(tmp_path, arrays), -200), "lens.npz: cannot be read as npz")
    file = hdf5(tmp_path, arrays) / "lens.h5"
    refused(cut(file, -3000), "lens.h5: cannot be read as HDF5", psf=tmp_path / "psf.h5")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ps", np.ones(2), r"\[ps\]: array\(\[1., 1.\]\) is no pixel scale"),
        ("pixel_scale", "0.05", "is no pixel scale"),
        ("transform_pix2angle", np.ones(4), "give a 2 x 2 matrix"),
        ("transform_pix2angle", [[0.08, 0], [0, 0.09]], "pixels of 0.08 x 0.09 arcsec"),
        ("noise_map", 1.0, "several candidates for the noise: noise, noise_map"),
    ],
)
def test_numbers_in_an_archive_that_make_no_sense(tmp_path, arrays, name, value, message):
    np.savez(tmp_path / "lens.npz", **arrays, **{name: value})
    refused(tmp_path / "lens.npz", message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "info.json: cannot be read as JSON"),
        ("[0.05]", "info.json: no object with numbers"),
        ('{"pixel_scale": "small"}', "info.json: no object with numbers"),
        ('{"pixel_scale": null}', "info.json: no object with numbers"),
        ('{"origin": 3}', "info.json: no object with numbers"),
        ('{"pixel_scale": -1}', "pixel_scale= is -1.0"),
        ('{"pixel_scale": NaN}', "says pixels of nan x nan"),
    ],
)
def test_info_json_that_makes_no_sense(tmp_path, arrays, text, message):
    folder = triple(tmp_path, arrays)
    (folder / "info.json").write_text(text)
    refused(folder, message)
