"""Sums over visibilities and pixels written out, the reference for everything that is done by FFT."""

import numpy as np

from lensfit.datasets import Visibilities

ARCSEC = np.pi / 180 / 3600


def pixels(shape, pixel_scale, origin=(0.0, 0.0)):
    """x, y (M,) of the pixel centres in radians, row by row upwards."""
    x = ((np.arange(shape[1]) - (shape[1] - 1) / 2) * pixel_scale + origin[0]) * ARCSEC
    y = ((np.arange(shape[0]) - (shape[0] - 1) / 2) * pixel_scale + origin[1]) * ARCSEC
    return tuple(a.ravel() for a in np.meshgrid(x, y))


def sinc(data, pixel_scale):
    return np.sinc(data.u * pixel_scale * ARCSEC) * np.sinc(data.v * pixel_scale * ARCSEC)


def phases(data, shape, pixel_scale, origin=(0.0, 0.0)):
    """phi (K, M)."""
    x, y = pixels(shape, pixel_scale, origin)
    return 2 * np.pi * (np.outer(data.u, x) + np.outer(data.v, y))


def w_tilde(data, shape, pixel_scale, origin=(0.0, 0.0), response=None):
    """(M, M)."""
    phi = phases(data, shape, pixel_scale, origin)
    response = sinc(data, pixel_scale) if response is None else response
    re, im = (data.sigma_re * response) ** -2, (data.sigma_im * response) ** -2
    return (np.cos(phi).T * re) @ np.cos(phi) + (np.sin(phi).T * im) @ np.sin(phi)


def dirty_image(data, shape, pixel_scale, origin=(0.0, 0.0), response=None):
    """(M,)."""
    phi = phases(data, shape, pixel_scale, origin)
    response = sinc(data, pixel_scale) if response is None else response
    re, im = data.values.real / data.sigma_re**2 / response, data.values.imag / data.sigma_im**2 / response
    return re @ np.cos(phi) - im @ np.sin(phi)


def visibilities(data, image, pixel_scale, origin=(0.0, 0.0), response=None):
    """V (K,) of an image (H, W)."""
    response = sinc(data, pixel_scale) if response is None else response
    return np.exp(-1j * phases(data, image.shape, pixel_scale, origin)) @ image.ravel() / response


def chi2(data, model):
    """Of model visibilities (K,)."""
    left = data.values - model
    return np.sum((left.real / data.sigma_re) ** 2 + (left.imag / data.sigma_im) ** 2)


def random_data(count, pixel_scale, seed=0, unequal=False):
    """Baselines up to the Nyquist frequency of the pixels, a cluster of them doubled, weights over decades."""
    rng = np.random.default_rng(seed)
    longest = 0.99 / (2 * pixel_scale * ARCSEC)
    u, v = rng.uniform(-longest, longest, (2, count))
    u[1], v[1] = u[0], v[0]
    u[2] = v[2] = 0.0
    noise = 10 ** rng.uniform(-1, 1, count)
    noise = noise + 1j * 10 ** rng.uniform(-1, 1, count) if unequal else noise
    values = rng.standard_normal(count) + 1j * rng.standard_normal(count)
    return Visibilities.from_arrays(u, v, values, noise, sign=-1, east="right")
