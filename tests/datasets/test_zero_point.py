"""AB zero points: of units, of headers, as stated, and on other pixels."""

import numpy as np
import pytest
from astropy.io import fits
from file_layouts import write_triple
from mock_observation import SCALE, sky_header

from lensfit.datasets import Imaging, read_imaging, write_imaging
from lensfit.errors import DataError

JANSKY = 8.90
"""AB magnitude of 1 Jy."""
SR = np.log10((SCALE / 206264.806) ** 2)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({}, None), ({"BUNIT": "electron/s"}, None), ({"BUNIT": "nJy"}, JANSKY + 22.5), ({"BUNIT": "uJy"}, JANSKY + 15),
        ({"BUNIT": "MJy/sr"}, JANSKY - 15 - 2.5 * SR), ({"BUNIT": "Jy/pixel"}, JANSKY),
        ({"BUNIT": "erg/s/cm2/Hz"}, -48.6), ({"BUNIT": "mag(AB)"}, None), ({"BUNIT": "own"}, None),
        ({"BUNIT": "1e999 Jy"}, None), ({"MAGZERO": 23.9}, 23.9), ({"BUNIT": "nJy", "MAGZERO": 30}, 30.0),
        ({"MAGZERO": "none"}, None), ({"MAGZERO": True}, None),
        ({"BUNIT": "ELECTRONS/S", "PHOTFLAM": 7.03e-20, "PHOTPLAM": 8059.8}, 25.943),  # ACS F814W in 2010
        ({"BUNIT": "ELECTRONS", "PHOTFLAM": 7.03e-20, "PHOTPLAM": 8059.8}, None),
        ({"BUNIT": "ELECTRONS/S", "PHOTFLAM": 0.0, "PHOTPLAM": 8059.8}, None),
    ],
)  # fmt: skip
def test_what_a_file_says(cards, expected, tmp_path, arrays):
    found = read_imaging(write_triple(tmp_path, arrays, header=sky_header(**cards))).zero_point
    assert found == (None if expected is None else pytest.approx(expected, abs=2e-3))
    assert read_imaging(tmp_path, zero_point=25).zero_point == 25


def test_it_is_told_written_and_read(tmp_path, arrays):
    made = read_imaging(write_triple(tmp_path, arrays), zero_point=23.9)
    assert ("zero point", "23.9 AB mag") in made.describe() and made.document()["zero_point"] == 23.9
    write_imaging(made, tmp_path / "again")
    assert read_imaging(tmp_path / "again").zero_point == 23.9
    assert fits.getheader(tmp_path / "again" / "noise_map.fits").get("MAGZERO") is None


def test_a_flux_has_one_magnitude_on_any_pixels():
    ones = np.ones((12, 12))
    fine = Imaging.from_arrays(ones, ones, np.ones((3, 3)), pixel_scale=0.1, unit="nJy")
    coarse = fine.binned(2)
    assert fine.zero_point == pytest.approx(JANSKY + 22.5, abs=2e-3)
    magnitudes = [one.zero_point - 2.5 * np.log10(one.data.sum()) for one in (fine, coarse)]
    assert magnitudes[0] == pytest.approx(magnitudes[1])


def test_one_that_is_none_is_told():
    ones = np.ones((12, 12))
    with pytest.raises(DataError, match="zero_point=nan: no finite number"):
        Imaging.from_arrays(ones, ones, np.ones((3, 3)), pixel_scale=0.1, zero_point=float("nan"))
