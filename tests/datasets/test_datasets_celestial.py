"""Which cards of a header wcslib is shown, and what it makes of them."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lensfit.datasets import read_imaging
from lensfit.datasets.celestial import celestial_wcs, coordinate_cards
from lensfit.errors import DataError

TANGENT = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": 10.0, "CRPIX2": 9.0,
    "CD1_1": -1.4e-5, "CD1_2": 1e-7, "CD2_1": 1e-7, "CD2_2": 1.4e-5, "RADESYS": "FK5", "EQUINOX": 2000.0,
}  # fmt: skip
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "A_0_2": 3e-5, "B_1_1": -2e-4, "AP_ORDER": 1, "BP_ORDER": 1}
KINDS = {
    "tangent": TANGENT,
    "SIP": {**TANGENT, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", **SIP},
    "TPV": {**TANGENT, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.01, "PV1_4": 3.0, "PV2_1": 0.99},
    "galactic": {**TANGENT, "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
    "turned": {**TANGENT, "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.2, "CRVAL2": 150.1},
    "old": {key: value for key, value in TANGENT.items() if key[:2] != "CD"}
    | {"CDELT1": -1.4e-5, "CDELT2": 1.4e-5, "CROTA2": 30.0},
    "matrix": {key: value for key, value in TANGENT.items() if key[:2] != "CD"}
    | {"CDELT1": -1.4e-5, "CDELT2": 1.4e-5, "PC1_2": 0.3, "PC2_1": -0.3, "LONPOLE": 170.0},
    "a cube": {
        **TANGENT, "WCSAXES": 4, "CTYPE3": "FREQ", "CRVAL3": 3.4e11, "CD3_3": 1e9, "CUNIT3": "Hz", "CTYPE4": "STOKES",
    },
}  # fmt: skip


def header(cards):
    return fits.Header(cards)


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_coordinates_are_those_of_the_whole_header(kind):
    given = header(KINDS[kind] | {"DATE-OBS": "2020-01-01", "OBSGEO-X": 1.0, "CTYPE1A": "LINEAR", "VELREF": 1})
    made, whole = celestial_wcs(given, fits.HDUList(), "x"), WCS(given).celestial
    assert made is not None
    pixels = np.array([[0.0, 0.0], [19.0, 3.0], [-7.0, 40.0]])
    np.testing.assert_array_equal(made.all_pix2world(pixels, 0), whole.all_pix2world(pixels, 0))
    assert made.wcs.radesys == whole.wcs.radesys


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("CRVAL2  = INF", "CRVAL2 = 'INF"),
        ("CRVAL2  = 'text'", "CRVAL2 = text; write a finite number"),
        ("CD1_1   = T", "CD1_1 = True; write a finite number"),
        ("CRPIX1  = 1E400", "CRPIX1 = inf"),
        ("CTYPE1  = 7", "CTYPE1 = 7; write a word"),
        ("CPDIS1  = 'TPD'", "CPDIS1 = TPD; write LOOKUP, the one kind that is read"),
        ("DP1     = 'NAXES: 99999999'", "DP1.NAXES = 99999999.0; write a number from 0 to 10000"),
    ],
)
def test_coordinates_that_are_none_are_refused(card, message):
    text = header(TANGENT).tostring(sep="\n", endcard=False, padding=False)
    lines = [line for line in text.split("\n") if not line.startswith(card[:8])]
    with pytest.raises(DataError, match=rf"x: its header says {message}"):
        celestial_wcs(fits.Header.fromstring("\n".join([*lines, card]), sep="\n"), fits.HDUList(), "x")


def test_a_card_that_stands_there_often_is_shown_once(tmp_path):
    """wcslib writes beyond its buffer where it rejects many cards."""
    many = header(TANGENT)
    for _ in range(3000):
        many.append(("PC1_1", 1.0))
        many.append(("CRVAL2", 5.0))
    shown = coordinate_cards(many, "x")
    assert len(shown) == len(TANGENT) + 1 and shown["CRVAL2"] == 2.2


def test_deprecated_keywords_are_shown_without_comments():
    """wcslib reports each of them, with its comment in more characters than it makes room for."""
    many = header(KINDS["old"])
    for k in range(81):
        many[f"PC00{k // 9 + 1}00{k % 9 + 1}"] = (float(k % 10 == 0), "c" * 47)
    shown = coordinate_cards(many, "x")
    assert shown["PC009009"] == 1.0 and max(len(card.image.rstrip()) for card in shown.cards) <= 40


def test_a_blank_value_says_nothing():
    assert "LONPOLE" not in coordinate_cards(header({**TANGENT, "LONPOLE": None}), "x")


def test_a_broken_coordinate_names_its_extension(tmp_path):
    image = fits.PrimaryHDU(np.ones((20, 20)), header(TANGENT | {"CRVAL2": "x"}))
    fits.HDUList([image, fits.ImageHDU(np.ones((20, 20)), name="ERR")]).writeto(tmp_path / "lens.fits")
    with pytest.raises(DataError, match=r"lens.fits\[PRIMARY\]: its header says CRVAL2 = x"):
        read_imaging(tmp_path / "lens.fits", psf=tmp_path / "lens.fits")
