"""Point-spread functions against optics on paper, and the noise of an instrument."""

import numpy as np
import pytest
from scipy.special import j1

from lensfit.errors import DataError
from lensfit.instruments import (
    FWHM,
    SAMPLES,
    SEGMENT,
    Aperture,
    Instrument,
    diffraction_psf,
    gaussian_psf,
    jwst_f150w,
    segmented_aperture,
)

WAVELENGTH, DIAMETER = 1.5e-6, 6.5
RESOLUTION = np.rad2deg(WAVELENGTH / DIAMETER) * 3600
"""lambda / D in arcsec."""


def circular_aperture(diameter):
    """A clear disc; samples on its edge count by how far they are inside."""
    step = diameter / (SAMPLES - 2)
    x, y = np.meshgrid(*2 * [(np.arange(SAMPLES) - (SAMPLES - 1) / 2) * step])
    return Aperture(transmission=np.clip((diameter / 2 - np.hypot(x, y)) / step + 0.5, 0, 1), step=step)


def radii(size, pixel_scale):
    side = (np.arange(size) - size // 2) * pixel_scale
    return np.hypot(*np.meshgrid(side, side))


def test_circular_aperture_gives_the_airy_pattern():
    scale = RESOLUTION / 10
    psf = diffraction_psf(circular_aperture(DIAMETER), [WAVELENGTH], scale, 101)
    v = np.pi * radii(101, scale) / RESOLUTION
    airy = np.where(v == 0, 1.0, (2 * j1(v) / np.where(v == 0, 1, v)) ** 2)
    np.testing.assert_allclose(psf / psf.max(), airy, atol=0.01)  # a pixel's mean is not its middle
    profile = psf[50, 50:]
    assert np.argmin(profile[:20]) * scale / RESOLUTION == pytest.approx(1.22, abs=0.05)
    ring = slice(13, 20)
    assert profile[ring].max() / profile[0] == pytest.approx(0.0175, abs=5e-4)


def test_energy_inside_the_first_dark_ring():
    scale = 1.22 * RESOLUTION / 10.5
    psf = diffraction_psf(circular_aperture(DIAMETER), [WAVELENGTH], scale, 201)
    inside = psf[radii(201, scale) <= 1.22 * RESOLUTION].sum()
    v = np.pi * 100 * scale / RESOLUTION
    assert inside == pytest.approx(0.838 / (1 - 2 / (np.pi * v)), abs=0.004)  # the frame cuts the wings


def test_segmented_aperture_has_the_area_of_its_segments():
    aperture = segmented_aperture(struts=())
    area = aperture.transmission.sum() * aperture.step**2
    assert area == pytest.approx(18 * np.sqrt(0.75) * SEGMENT**2, rel=1e-4)
    assert aperture.transmission[SAMPLES // 2, SAMPLES // 2] == 0
    assert aperture.transmission.min() == 0
    assert aperture.transmission.max() == 1


def turned(psf, angle):
    """The PSF at the points of its grid turned about its centre, by the spectrum of its samples."""
    n = len(psf)
    side = np.arange(n) - n // 2
    x, y = np.meshgrid(side, side)
    c, s = np.cos(angle), np.sin(angle)
    phases = [np.exp(2j * np.pi / n * np.multiply.outer(p, side)) for p in (c * x - s * y, s * x + c * y)]
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(psf))) / n**2
    return np.einsum("ijk,lk,ijl->ij", phases[0], spectrum, phases[1], optimize=True).real


def test_hexagons_have_six_spikes():
    scale = RESOLUTION / 4
    psf = diffraction_psf(segmented_aperture(struts=()), [WAVELENGTH], scale, 65)
    inner = radii(65, 1) < 24
    difference = np.abs(turned(psf, np.pi / 3) - psf)[inner].max() / psf.max()
    assert difference < 0.002
    assert np.abs(turned(psf, np.pi / 6) - psf)[inner].max() / psf.max() > 5 * difference


@pytest.mark.parametrize("psf", [jwst_f150w().psf, gaussian_psf(0.07, 0.031, 15)], ids=["jwst", "gaussian"])
def test_psf_is_normalised_and_centred(psf):
    assert abs(psf.sum() - 1) < 1e-15
    assert psf.min() >= 0
    assert np.unravel_index(psf.argmax(), psf.shape) == (len(psf) // 2, len(psf) // 2)
    np.testing.assert_allclose(psf, psf[::-1, ::-1], rtol=1e-6)
    np.testing.assert_allclose(psf, psf[:, ::-1], rtol=1e-6)


def test_strut_throws_a_spike_across_itself():
    bare, held = (
        diffraction_psf(segmented_aperture(struts), [WAVELENGTH], 0.031, 81) for struts in ((), (90.0,))
    )
    across, up = np.s_[38:43, 65:], np.s_[65:, 38:43]
    assert held[across].sum() > 10 * bare[across].sum()
    assert held[up].sum() == pytest.approx(bare[up].sum(), rel=0.1)


def variance(psf, scale):
    """Of a PSF's core [arcsec^2], from its spectrum at low frequency: the far wings have no finite one."""
    frequency = 4.0  # cycles per arcsec
    x = (np.arange(len(psf)) - len(psf) // 2) * scale
    transfer = np.abs(psf.sum(0) @ np.exp(-2j * np.pi * frequency * x))
    return -np.log(transfer) / (2 * np.pi**2 * frequency**2)


def test_jitter_widens_by_its_variance():
    disc = circular_aperture(DIAMETER)
    sharp, blurred = (diffraction_psf(disc, [WAVELENGTH], 0.01, 101, jitter=blur) for blur in (0.0, 0.02))
    assert variance(blurred, 0.01) - variance(sharp, 0.01) == pytest.approx(0.02**2, rel=0.05)


def test_gaussian_psf_has_its_width():
    scale, fwhm = 0.05, 0.12
    x = (np.arange(21) - 10) * scale
    variance = (gaussian_psf(fwhm, scale, 21).sum(0) * x**2).sum()
    assert variance == pytest.approx((fwhm / FWHM) ** 2 + scale**2 / 12, rel=1e-4)


@pytest.mark.parametrize("size", [0, 20])
def test_even_psf_is_refused(size):
    with pytest.raises(DataError, match="odd size"):
        gaussian_psf(0.1, 0.05, size)
    with pytest.raises(DataError, match="odd size"):
        diffraction_psf(circular_aperture(1.0), [WAVELENGTH], 0.05, size)


def test_noise_adds_counts_and_read_noise():
    instrument = Instrument(
        pixel_scale=0.05,
        psf=gaussian_psf(0.1, 0.05, 5),
        exposure_time=100.0,
        gain=2.0,
        sky=1.0,
        read_noise=3.0,
        unit="adu/s",
    )
    assert instrument.noise(0.5) == pytest.approx(np.sqrt(1.5 * 200 + 9) / 200)
