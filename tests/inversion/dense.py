"""Pixelised sources by dense matrices written plainly: the reference for everything that is done by tiles."""

import jax
import numpy as np
from scipy.interpolate import BSpline
from scipy.signal import convolve2d

from lensfit.datasets import Imaging
from lensfit.profiles import SIE, PixelSource, Shear

MASS = {
    "sie": SIE(center_x=0.02, center_y=-0.01, e1=0.1, e2=-0.08, einstein_radius=0.7),
    "shear": Shear(gamma1=0.03, gamma2=-0.02),
}
PIXEL = 0.1


deflection = jax.jit(lambda mass, x, y: mass.deflection(x, y))


def pixel_source(**changes):
    settings = {"center_x": 0.03, "center_y": -0.04, "half_width": 0.45, "strength": -0.3, "pixels": 6}
    return PixelSource(**settings | changes)


def observed(kind="ring", shape=(19, 23), seed=0, psf=(5, 3), **changes):
    """Noise with a bright spot, unequal errors, an asymmetric PSF and a mask."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape) - np.array([(n - 1) / 2 for n in shape])[:, None, None]
    radius = np.hypot(x, y)
    mask = {
        "none": radius < 0, "ring": (radius > 8.5) | (radius < 3), "scattered": rng.random(shape) < 0.4,
        "corner": (x < 3) | (y < 2),
    }[kind]
    kernel = rng.uniform(0.1, 1.0, psf)
    kernel[psf[0] // 2, psf[1] // 2] = 2.0
    arrays = {
        "data": rng.standard_normal(shape) + 5 * np.exp(-((x - 5) ** 2 + y**2) / 6),
        "noise": rng.uniform(0.5, 2.0, shape),
        "psf": kernel,
        "mask": mask,
    }
    return Imaging.from_arrays(**arrays | changes, pixel_scale=PIXEL, origin=(0.05, -0.02))


def basis(u, order):
    """Cardinal B-spline of an order, by SciPy."""
    spline = BSpline.basis_element(np.arange(order + 2) - (order + 1) / 2, extrapolate=False)
    return np.nan_to_num(spline(u))


def mapping(u, v, pixels, order):
    """T (M, S) of rays at mesh positions u, v (M, Q)."""
    node = np.arange(pixels)
    rays = basis(v[..., None, None] - node[:, None], order) * basis(u[..., None, None] - node, order)
    return rays.mean(1).reshape(len(u), -1)


def positions(model, x, y):
    """Mesh positions of rays from the image at x, y."""
    source = model.pixels()["pixels"]
    beta = np.array([x, y])
    for mass in model.mass.values():
        alpha = np.array(deflection(mass, x, y))
        if mass.center is not None:  # rays that pass a centre closely are led away
            away = np.hypot(x - mass.center[0], y - mass.center[1])
            alpha *= 1 + (np.hypot(*alpha) / away / 12) ** 8
        beta -= alpha
    half, center = (source.pixels - 1) / 2, (source.center_x, source.center_y)
    return tuple(half + half * (np.asarray(b) - c) / source.half_width for b, c in zip(beta, center, strict=True))


def rays(data, sub_pixels=2):
    """x, y (all pixels of an image grown by the PSF's reach, Q), and how far it was grown."""
    grown = max(data.psf.shape)
    offsets = ((np.arange(sub_pixels) + 0.5) / sub_pixels - 0.5) * data.pixel_scale
    x = data.x[0, 0] + data.pixel_scale * np.arange(-grown, data.shape[1] + grown)
    y = data.y[0, 0] + data.pixel_scale * np.arange(-grown, data.shape[0] + grown)
    down, right = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
    x, y = np.meshgrid(x, y)
    return x.ravel()[:, None] + right, y.ravel()[:, None] + down, grown


def blurred(images, data, grown):
    """Images (K, all pixels of the grown image) convolved, over the noise, at the pixels with data: (K, M)."""
    h, w = data.shape
    whole = images.reshape(-1, h + 2 * grown, w + 2 * grown)
    seen = np.array([convolve2d(image, data.psf, "same") for image in whole]).reshape(whole.shape)
    return (seen[:, grown:-grown, grown:-grown] / data.noise)[:, ~data.mask]


def images(model, data, sub_pixels=2):
    """B (S, M): whitened images of unit coefficients of the source."""
    source = model.pixels()["pixels"]
    x, y, grown = rays(data, sub_pixels)
    return blurred(mapping(*positions(model, x, y), source.pixels, source.order).T, data, grown)


def gradient_matrix(pixels, weights=None):
    """(S, S) of the sum of squared differences between neighbours, and between the border and zero."""
    matrix = np.zeros((pixels**2, pixels**2))
    grid = np.full((pixels + 2, pixels + 2), -1)
    grid[1:-1, 1:-1] = np.arange(pixels**2).reshape(pixels, pixels)
    for a in range(pixels + 2):
        for b in range(pixels + 2):
            for c, d in ((a + 1, b), (a, b + 1)):
                if c > pixels + 1 or d > pixels + 1 or (grid[a, b] < 0 and grid[c, d] < 0):
                    continue
                row = np.zeros(pixels**2)
                if grid[a, b] >= 0:
                    row[grid[a, b]] = 1.0
                if grid[c, d] >= 0:
                    row[grid[c, d]] = -1.0
                matrix += (1.0 if weights is None else weights(a - 1, b - 1, c - 1, d - 1)) * np.outer(row, row)
    return matrix


def log_evidence(rows, data, prior, log_norm):
    """ln N(d; 0, 1 + B^T prior B) + log_norm + M/2 ln 2 pi, for whitened data d (M,) and rows B (N, M)."""
    covariance = np.eye(len(data)) + rows.T @ prior @ rows
    sign, log_det = np.linalg.slogdet(covariance)
    assert sign == 1
    return -0.5 * (data @ np.linalg.solve(covariance, data) + log_det) + log_norm
