"""Readers and writer: every layout gives the same dataset, what the files state is obeyed, real images are read."""

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from file_layouts import LAYOUTS, hdus, multi_extension, npz, triple, write_triple
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_observation import SCALE, SHARED, gaussian_psf, sky_header, sky_wcs

from lensfit.datasets import Imaging, read_imaging, write_imaging
from lensfit.errors import DataError

# folder: shape, arcsec per pixel, PSF side, masked pixels, pixel_scale to give
EXPECTED = {
    "slacs/J0029-0055": ((201, 201), 0.05, 15, 1168, 0.05),
    "slacs/J0330-0020": ((201, 201), 0.05, 15, 564, 0.05),
    "slacs/J0956+5100": ((201, 201), 0.05, 15, 2384, 0.05),
    "slacs/J1023+4230": ((201, 201), 0.05, 15, 398, 0.05),
    "slacs/J1430+4105": ((201, 201), 0.05, 15, 3217, 0.05),
    "slacs/J2341+0000": ((201, 201), 0.05, 15, 2640, 0.05),
    "slacs/J0037-0942": ((201, 201), 0.05, 15, 1591, 0.05),
    "slacs/J0044+0113": ((201, 201), 0.05, 15, 1686, 0.05),
    "slacs/J0216-0813": ((201, 201), 0.05, 15, 5233, 0.05),
    "slacs/J0728+3835": ((201, 201), 0.05, 15, 233, 0.05),
    "slacs/J0912+0029": ((201, 201), 0.05, 15, 2164, 0.05),
    "slacs/J0959+0410": ((201, 201), 0.05, 15, 187, 0.05),
    "slacs/J1029+0420": ((201, 201), 0.05, 15, 282, 0.05),
    "slacs/J1032+5322": ((201, 201), 0.05, 15, 101, 0.05),
    "slacs/J1106+5228": ((201, 201), 0.05, 15, 2040, 0.05),
    "slacs/J1112+0826": ((201, 201), 0.05, 15, 2327, 0.05),
    "slacs/J1134+6027": ((201, 201), 0.05, 15, 3602, 0.05),
    "slacs/J1204+0358": ((201, 201), 0.05, 15, 1948, 0.05),
    "cosmos_web_ring/F150W": ((419, 419), 0.03, 31, 24296, None),
    "cosmos_web_ring/F277W": ((209, 209), 0.06, 31, 6023, None),
    "desi/DESIJ0132-1600": ((180, 180), 0.08, 61, 0, None),
    "desi/DESIJ0136-0008": ((250, 250), 0.08, 61, 0, None),
    "desi/DESIJ0201-2739": ((94, 94), 0.08, 61, 0, None),
    "desi/DESIJ0923+1829": ((150, 150), 0.08, 61, 0, None),
    "desi/DESIJ0215-2909": ((100, 100), 0.08, 61, 0, None),
    "desi/DESIJ0618+5018": ((140, 140), 0.08, 61, 0, None),
    "desi/DESIJ1624+0129": ((128, 128), 0.08, 61, 0, None),
    "simulated/hst": ((141, 141), 0.05, 21, 0, None),
    "simulated/jwst": ((235, 235), 0.03, 21, 0, None),
    "simulated/euclid": ((71, 71), 0.1, 21, 0, None),
}
OFF_CENTRE = {"desi/DESIJ0136-0008", "desi/DESIJ0923+1829"}
"""Brightest 0.8 arcsec from the middle of the cutout."""
IMAGE_FOLDERS = {"slacs", "cosmos_web_ring", "desi", "simulated"}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_gives_the_same_imaging(layout, tmp_path, arrays):
    image = read_imaging(layout(tmp_path, arrays))
    used = ~arrays["mask"]
    np.testing.assert_array_equal(image.mask, arrays["mask"])
    np.testing.assert_array_equal(image.data[used], arrays["data"][used])
    np.testing.assert_allclose(image.noise[used], arrays["noise"][used], rtol=1e-14)
    np.testing.assert_array_equal(image.psf, arrays["psf"])
    assert image.pixel_scale == pytest.approx(SCALE, rel=1e-12)
    for _, path, digest in image.sources:
        assert hashlib.sha256(Path(path.split("[")[0]).read_bytes()).hexdigest() == digest
    assert {"data", "noise", "psf"} <= {role for role, _, _ in image.sources}


def test_units_and_wcs_are_kept(tmp_path, arrays):
    image = read_imaging(multi_extension(tmp_path, arrays))
    assert image.unit == "e-/s" and image.wcs is not None
    assert image.wcs.pixel_to_world(3, 4).separation(sky_wcs().pixel_to_world(3, 4)).arcsec < 1e-8
    assert image.notes == ()


def test_given_files_take_precedence(tmp_path, arrays):
    file = multi_extension(tmp_path, arrays)
    np.savez(tmp_path / "other.npz", noise=2 * arrays["noise"])
    fits.PrimaryHDU(gaussian_psf(7)).writeto(tmp_path / "star.fits")
    fits.PrimaryHDU(np.eye(24, 20)).writeto(tmp_path / "region.fits")
    names = {"noise": "other.npz", "psf": "star.fits", "mask": "region.fits"}
    given_files = {role: tmp_path / name for role, name in names.items()}
    for path in (file, tmp_path):
        image = read_imaging(path, **given_files)
        np.testing.assert_array_equal(image.noise, 2 * arrays["noise"])
        assert image.psf.shape == (7, 7)
        np.testing.assert_array_equal(image.mask, np.eye(24, 20, dtype=bool))


def test_a_given_file_settles_an_ambiguous_folder(tmp_path, arrays):
    folder = triple(tmp_path, arrays)
    fits.PrimaryHDU(gaussian_psf(7)).writeto(folder / "psf_star2.fits")
    with pytest.raises(DataError, match=r"several candidates for the psf: psf.fits, psf_star2.fits.*psf="):
        read_imaging(folder)
    assert read_imaging(folder, psf=folder / "psf_star2.fits").psf.shape == (7, 7)


def test_pixel_scale_given_beats_info_beats_header(tmp_path, arrays):
    folder = write_triple(tmp_path, arrays, header=sky_header(PIXSCALE=0.0502))
    assert read_imaging(folder).notes == ()
    (folder / "info.json").write_text('{"pixel_scale": 0.03}')
    image = read_imaging(folder)
    assert image.pixel_scale == 0.03
    assert any("0.03 from" in note and "the WCS of" in note and "says 0.05" in note for note in image.notes)
    image = read_imaging(folder, pixel_scale=0.04)
    assert image.pixel_scale == 0.04
    assert any("0.04 from pixel_scale=" in note and "info.json says 0.03" in note for note in image.notes)


@pytest.mark.parametrize(
    "cards",
    [
        {"PIXSCALE": SCALE},
        {"PIXSCAX": SCALE, "PIXSCAY": SCALE},
        {"PIXAR_A2": SCALE**2},
        {"CDELT1": -SCALE / 60, "CDELT2": SCALE / 60, "CUNIT1": "arcmin", "CUNIT2": "arcmin"},
    ],
)
def test_pixel_scale_from_a_header_without_sky(tmp_path, arrays, cards):
    image = read_imaging(write_triple(tmp_path, arrays, header=fits.Header(cards)))
    assert image.pixel_scale == pytest.approx(SCALE) and image.wcs is None


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 2.0},
        {"CDELT1": 1.0, "CDELT2": 1.0},
        {"CDELT1": 1.0, "CDELT2": 1.0, "CUNIT1": "nm", "CUNIT2": "nm"},
    ],
)
def test_no_pixel_scale_is_an_error_and_not_3600_arcsec(tmp_path, arrays, cards):
    with pytest.raises(DataError, match="states no pixel scale; give pixel_scale="):
        read_imaging(write_triple(tmp_path, arrays, header=fits.Header(cards)))


@pytest.mark.parametrize(
    "header", [sky_wcs(side=(0.05, 0.06)).to_header(), {"PIXSCAX": 0.05, "PIXSCAY": 0.06}]
)
def test_pixels_must_be_square(tmp_path, arrays, header):
    folder = write_triple(tmp_path, arrays, header=fits.Header(header))
    with pytest.raises(DataError, match=r"says pixels of 0.05 x 0.06 arcsec"):
        read_imaging(folder)
    assert read_imaging(folder, pixel_scale=0.055).pixel_scale == 0.055


@pytest.mark.parametrize(
    ("unit", "same"), [("MJy / sr", True), ("MJy sr-1", True), ("mJy/sr", False), ("counts", False)]
)
def test_units_of_data_and_noise_must_agree(tmp_path, arrays, unit, same):
    folder = write_triple(tmp_path, arrays, header=sky_header(BUNIT="MJy/sr"))
    fits.setval(folder / "noise_map.fits", "BUNIT", value=unit)
    if same:
        assert read_imaging(folder).unit == "MJy/sr"
        return
    with pytest.raises(DataError, match=r"noise_map.fits\[PRIMARY\]: BUNIT is .*that of .*data.fits"):
        read_imaging(folder)


@pytest.mark.parametrize("cards", [{"BUNIT": "s"}, {"WHTTYPE": "EXPTIME"}, {"D001WGTT": "exp"}])
def test_exposure_time_is_no_inverse_variance(tmp_path, arrays, cards):
    extensions = [("SCI", arrays["data"], sky_header()), ("PSF", arrays["psf"], None)]
    weight = ("WHT", arrays["noise"], fits.Header(cards))
    hdus(*extensions, weight).writeto(tmp_path / "drz.fits")
    with pytest.raises(DataError, match=r"\[WHT\]: the header says that the weight is an exposure time.*IVM"):
        read_imaging(tmp_path / "drz.fits")


def test_weight_and_variance_files_are_told_by_their_names(tmp_path, arrays):
    file = write_triple(tmp_path, arrays, ("sci", "noise", "psf", "mask")) / "sci.fits"
    fits.PrimaryHDU(arrays["noise"] ** -2).writeto(tmp_path / "lens_wht.fits")
    fits.PrimaryHDU(arrays["noise"] ** 2).writeto(tmp_path / "lens_variance.fits")
    for name in ("lens_wht", "lens_variance"):
        image = read_imaging(file, noise=tmp_path / f"{name}.fits", psf=tmp_path / "psf.fits")
        np.testing.assert_allclose(image.noise, arrays["noise"], rtol=1e-14)
        assert any(note.startswith("noise = ") and name in note for note in image.notes)


def test_negative_variance_is_refused(tmp_path, arrays):
    variance = arrays["noise"] ** 2
    variance[3, 4] = -0.1
    parts = [("SCI", arrays["data"], sky_header()), ("PSF", arrays["psf"], None), ("VAR", variance, None)]
    hdus(*parts).writeto(tmp_path / "lens.fits")
    with pytest.raises(DataError, match=r"\[VAR\]\): zero or negative in 1 pixel, the first at row 3"):
        read_imaging(tmp_path / "lens.fits")


def test_count_noise(tmp_path, arrays):
    exposure = np.full(arrays["data"].shape, 600.0, ">f4")
    with h5py.File(tmp_path / "lens.h5", "w") as out:
        out.update({"image_data": arrays["data"], "exposure_time": exposure, "background_rms": 0.02})
        out["psf"] = arrays["psf"]
    image = read_imaging(tmp_path / "lens.h5", pixel_scale=0.08)
    np.testing.assert_allclose(image.noise**2, 0.02**2 + np.maximum(arrays["data"], 0) / 600)
    assert "background_rms^2 + max(data, 0) / exposure_time" in image.notes[0]
    with h5py.File(tmp_path / "lens.h5", "r+") as out:
        out["exposure_time"][5, 6] = 0
    with pytest.raises(DataError, match=r"exposure_time\]: not positive in 1 pixel, the first at row 5, col"):
        read_imaging(tmp_path / "lens.h5", pixel_scale=0.08)


def test_nan_is_an_error_unless_masking_is_asked_for(tmp_path, arrays):
    arrays["data"][0, 7] = np.nan
    folder = triple(tmp_path, arrays)
    with pytest.raises(DataError, match=r"data \(.*data.fits\[PRIMARY\]\): NaN.*1 pixel.*row 0, column 7"):
        read_imaging(folder)
    assert read_imaging(folder, nan="mask").mask[0, 7]


def test_odd_header_cards_are_noted_and_do_not_warn(tmp_path, arrays):
    file = npz(tmp_path, arrays)
    fits.PrimaryHDU(arrays["data"], sky_header()).writeto(tmp_path / "data.fits")
    content = (tmp_path / "data.fits").read_bytes()
    (tmp_path / "data.fits").write_bytes(content + b"\0" * 100)
    image = read_imaging(tmp_path / "data.fits", noise=file, psf=file)
    assert any("astropy warns" in note for note in image.notes)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(5, 12),
    columns=st.integers(5, 12),
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 2.0),
    origin=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    unit=st.sampled_from([None, "e-/s", "MJy/sr"]),
    sky=st.booleans(),
)
def test_what_is_written_is_read_back(tmp_path_factory, rows, columns, seed, scale, origin, unit, sky):
    random, shape = np.random.default_rng(seed), (rows, columns)
    mask = random.uniform(size=shape) > 0.8
    mask[0, 0] = False
    image = Imaging.from_arrays(
        random.normal(size=shape) * 10.0 ** random.integers(-20, 20),
        random.uniform(0.1, 1, shape),
        gaussian_psf(5) * random.uniform(0.9, 1.1, (5, 5)),
        pixel_scale=scale,
        mask=mask,
        origin=origin,
        unit=unit,
        wcs=sky_wcs(shape, (scale, scale)) if sky else None,
    )
    folder = tmp_path_factory.mktemp("written") / "lens"
    write_imaging(image, folder)
    again = read_imaging(folder)
    assert again.hash == image.hash
    assert (again.unit, again.pixel_scale, again.origin) == (unit, scale, origin)
    assert again.notes == ()
    if not sky:
        assert again.wcs is None
        return
    assert image.wcs is not None and again.wcs is not None
    assert image.wcs.pixel_to_world(1, 2).separation(again.wcs.pixel_to_world(1, 2)).arcsec < 1e-6


def test_written_files_stand_alone_and_are_never_overwritten(tmp_path, arrays):
    image = read_imaging(npz(tmp_path, arrays))
    folder = tmp_path / "new" / "lens"
    write_imaging(image, folder)
    files = {name: folder / f"{name}.fits" for name in ("noise_map", "psf", "mask")}
    alone = read_imaging(
        folder / "data.fits", noise=files["noise_map"], psf=files["psf"], mask=files["mask"]
    )
    assert alone.hash == image.hash
    assert json.loads((folder / "info.json").read_text())["pixel_scale"] == SCALE
    with pytest.raises(DataError, match=r"data.fits: is there already"):
        write_imaging(image, folder)


def shared(folder):
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"{path} is not on this machine; it holds third-party data that is never copied here")
    return path


@pytest.mark.parametrize("folder", EXPECTED)
def test_published_image(folder):
    shape, scale, psf_side, masked, given = EXPECTED[folder]
    image = read_imaging(shared(folder), pixel_scale=given)
    assert image.shape == shape and image.psf.shape == (psf_side, psf_side)
    assert image.pixel_scale == pytest.approx(scale, rel=1e-6)
    assert image.mask.sum() == masked
    used = ~image.mask
    assert np.isfinite(image.data).all() and (image.noise > 0).all() and (image.noise[used] < 1e3).all()
    assert image.psf.sum() == pytest.approx(1, abs=1e-12)
    assert image.data.dtype.isnative and image.wcs is None
    row, column = np.unravel_index(np.where(np.hypot(image.x, image.y) < 1, image.data, 0).argmax(), shape)
    off = 0.8 if folder in OFF_CENTRE else 0.5
    assert np.hypot(image.x[row, column], image.y[row, column]) < off, "the lens is not in the middle"


def test_no_image_set_is_forgotten():
    found = {str(path.relative_to(SHARED)) for name in IMAGE_FOLDERS for path in shared(name).glob("*/")}
    assert found == set(EXPECTED)


def test_slacs_headers_state_no_pixel_scale():
    with pytest.raises(DataError, match=r"image.fits\[PRIMARY\]: states no pixel scale; give pixel_scale="):
        read_imaging(shared("slacs/J0029-0055"))


def test_ring_follows_info_json_and_not_the_header_of_its_mask():
    image = read_imaging(shared("cosmos_web_ring/F150W"))
    assert image.pixel_scale == 0.03
    assert image.notes[0] == "PSF divided by its sum 0.944889" and not any("scale" in n for n in image.notes)
    assert "centroid is 0.101 pixels" in image.notes[1]


def test_desi_noise_is_made_from_counts():
    image = read_imaging(shared("desi/DESIJ0215-2909"))
    assert image.noise.min() == pytest.approx(0.013774, abs=1e-4)
    assert "background_rms^2 + max(data, 0) / exposure_time" in image.notes[0]
    assert "PSF divided by its sum 0.987352" in image.notes
