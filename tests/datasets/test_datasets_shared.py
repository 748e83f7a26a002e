"""Every published image set of the shared folder is read as its README describes it."""

from pathlib import Path

import numpy as np
import pytest

from lensfit.datasets import read_imaging
from lensfit.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

# folder: shape, arcsec per pixel, PSF side, masked pixels, pixel_scale to give
EXPECTED = {
    "slacs/J0029-0055": ((201, 201), 0.05, 15, 1168, 0.05),
    "slacs/J0330-0020": ((201, 201), 0.05, 15, 564, 0.05),
    "slacs/J0956+5100": ((201, 201), 0.05, 15, 2384, 0.05),
    "slacs/J1023+4230": ((201, 201), 0.05, 15, 398, 0.05),
    "slacs/J1430+4105": ((201, 201), 0.05, 15, 3217, 0.05),
    "slacs/J2341+0000": ((201, 201), 0.05, 15, 2640, 0.05),
    "cosmos_web_ring/F150W": ((419, 419), 0.03, 31, 24296, None),
    "desi/DESIJ0215-2909": ((100, 100), 0.08, 61, 0, None),
    "desi/DESIJ0618+5018": ((140, 140), 0.08, 61, 0, None),
    "desi/DESIJ1624+0129": ((128, 128), 0.08, 61, 0, None),
    "simulated/hst": ((141, 141), 0.05, 21, 0, None),
    "simulated/jwst": ((235, 235), 0.03, 21, 0, None),
    "simulated/euclid": ((71, 71), 0.1, 21, 0, None),
}
IMAGE_FOLDERS = {"slacs", "cosmos_web_ring", "desi", "simulated"}


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
    assert np.hypot(image.x[row, column], image.y[row, column]) < 0.5, "the lens is not in the middle"


def test_no_image_set_is_forgotten():
    found = {str(path.relative_to(SHARED)) for name in IMAGE_FOLDERS for path in shared(name).glob("*/")}
    assert found == set(EXPECTED)


def test_slacs_headers_state_no_pixel_scale():
    with pytest.raises(DataError, match=r"image.fits\[PRIMARY\]: states no pixel scale; give pixel_scale="):
        read_imaging(shared("slacs/J0029-0055"))


def test_ring_follows_info_json_and_not_the_header_of_its_mask():
    image = read_imaging(shared("cosmos_web_ring/F150W"))
    assert image.pixel_scale == 0.03
    assert image.notes == ("PSF divided by its sum 0.944889",)


def test_desi_noise_is_made_from_counts():
    image = read_imaging(shared("desi/DESIJ0215-2909"))
    assert image.noise.min() == pytest.approx(0.013774, abs=1e-4)
    assert "background_rms^2 + max(data, 0) / exposure_time" in image.notes[0]
    assert "PSF divided by its sum 0.987352" in image.notes
