"""Formats that lensfit does not read are told by name, with the command that exports them."""

import gzip

import h5py
import numpy as np
import pytest
from astropy.io import fits

from lensfit.datasets import holds_visibilities, read, read_imaging, read_interferometer
from lensfit.errors import DataError


def casa(kind):
    def made(folder, name="obs.ms"):
        path = folder / name
        path.mkdir()
        (path / "table.dat").write_bytes(b"\xbe\xbe\xbe\xbe\0\0\0\x35\0\0\0\x05Table")
        (path / "table.info").write_text(f"Type = {kind}\nSubType = \n")
        return path

    return made


def measurement_set_of_another_name(folder):
    path = casa("Measurement Set")(folder, "obs.split")
    (path / "SPECTRAL_WINDOW").mkdir()
    return path


def image_of_casa(folder):
    return casa("Image")(folder, "obs.image")


def table_of_casa(folder):
    return casa("Calibration")(folder, "obs.gcal")


def asdm(folder):
    path = folder / "uid___A002"
    path.mkdir()
    (path / "ASDM.xml").write_text("<ASDM/>")
    return path


def miriad(folder):
    path = folder / "obs.mir"
    path.mkdir()
    for name in ("visdata", "vartable", "header", "flags"):
        (path / name).write_bytes(b"")
    return path


def idi(folder):
    """Its first header announces random groups, of which there are none."""
    first = fits.PrimaryHDU()
    first.header.update({"GROUPS": True, "PCOUNT": 0, "GCOUNT": 0})
    tables = [
        fits.BinTableHDU.from_columns([fits.Column(name="X", format="E", array=np.zeros(3))], name=name)
        for name in ("ARRAY_GEOMETRY", "SOURCE", "UV_DATA")
    ]
    path = folder / "obs.idifits"
    fits.HDUList([first, *tables]).writeto(path)
    return path


def idi_packed(folder):
    path = idi(folder)
    packed = folder / "obs.idifits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def uvh5(folder):
    path = folder / "obs.uvh5"
    with h5py.File(path, "w") as file:
        file["Data/visdata"] = np.zeros((3, 1, 4), complex)
        file.create_group("Header")
    return path


FOREIGN = {
    "measurement set": (casa("Measurement Set"), r"set, which is not read: export it in CASA .*\(vis='obs.ms', fits"),
    "renamed set": (measurement_set_of_another_name, r"a CASA measurement set, .* exportuvfits\(vis='obs.split'"),
    "image": (image_of_casa, r"a CASA image, .* exportfits\(imagename='obs.image', fitsimage='obs.fits'\)"),
    "table": (table_of_casa, r"a CASA table without visibilities, .* of its measurement set"),
    "asdm": (asdm, r"an ALMA archive's ASDM, .* importasdm\(asdm='uid___A002'"),
    "miriad": (miriad, r"a MIRIAD dataset, .* fits in=obs.mir op=uvout out=obs.mir.uvfits"),
    "idi": (idi, r"FITS-IDI, .* importfitsidi\(fitsidifile='obs.idifits'"),
    "packed idi": (idi_packed, r"FITS-IDI, .* importfitsidi\(fitsidifile='obs.idifits.gz'"),
    "uvh5": (uvh5, r"UVH5, .* UVData.from_file\('obs.uvh5'\).write_uvfits"),
}


@pytest.mark.parametrize(("write", "message"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("reader", [read, read_imaging, read_interferometer])
def test_a_foreign_format_is_named(write, message, reader, tmp_path):
    path = write(tmp_path)
    with pytest.raises(DataError, match=message):
        reader(path)


def test_options_of_visibilities_do_not_hide_it(tmp_path):
    path = idi(tmp_path)
    assert holds_visibilities(path)
    with pytest.raises(DataError, match="FITS-IDI"):
        read(path, sign=1, east="left")


def test_an_image_is_none_of_them(tmp_path):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.ones((8, 8))).writeto(path)
    assert not holds_visibilities(path)
    path = tmp_path / "image.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.ones((8, 8))
    assert not holds_visibilities(path)
