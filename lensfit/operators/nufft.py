"""Image <-> visibilities by non-uniform FFT: finufft, or nufftax where finufft has no wheel.

Numpy in, numpy out: visibilities are met while data are prepared and while residuals are looked at, never
in a likelihood call. Baselines u, v (K,) in wavelengths, images (H, W) on pixels of `pixel_scale` arcsec with
their centre at `origin` (x, y) arcsec, and V_k = sum_m I_m exp(-2 pi i (u_k x_m + v_k y_m)), x, y in radians.
"""
from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from lensfit.datasets import ARCSEC

EPS = 1e-12
"""Relative tolerance of the transforms."""

Adjoint = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def adjoint(modes: tuple[int, int], pixel_scale: float, count: int = 1, eps: float = EPS) -> Adjoint:
    """The function (u, v, c (count, K)) -> (count, *modes) of sum_k c_k exp(+2 pi i (u_k i + v_k j) p).

    Offsets count from the pixel n // 2 of each axis: [j, i] of the result stands for j - modes[0] // 2 and
    i - modes[1] // 2. One plan serves every call, and the transform is linear in c to rounding.
    """
    turn = 2 * np.pi * pixel_scale * ARCSEC
    if find_spec("finufft") is None:
        back = modes[::-1]
        return lambda u, v, c: _in_jax(
            "nufft2d1", u * turn, v * turn, c.reshape(count, -1).astype(complex), back, eps=eps, isign=1
        )
    finufft = import_module("finufft")
    plan = finufft.Plan(1, modes, n_trans=count, eps=eps, isign=1, upsampfac=2.0)

    def transform(u: np.ndarray, v: np.ndarray, c: np.ndarray) -> np.ndarray:
        plan.setpts(v * turn, u * turn)
        return plan.execute(np.ascontiguousarray(c, complex).reshape(count, -1)).reshape(count, *modes)

    return transform


def to_visibilities(
    u: np.ndarray,
    v: np.ndarray,
    image: np.ndarray,
    pixel_scale: float,
    origin: tuple[float, float] = (0.0, 0.0),
    eps: float = EPS,
) -> np.ndarray:
    """V (K,) of an image (H, W), complex; the pixels count as points (see `pixel_response`)."""
    turn = 2 * np.pi * pixel_scale * ARCSEC
    image = np.ascontiguousarray(image, complex)
    if find_spec("finufft") is None:
        values = _in_jax("nufft2d2", u * turn, v * turn, image, eps=eps, isign=-1)
    else:
        values = import_module("finufft").nufft2d2(v * turn, u * turn, image, eps=eps, isign=-1, upsampfac=2.0)
    return values * phase(u, v, image.shape, pixel_scale, origin, sign=-1)


def to_image(
    u: np.ndarray,
    v: np.ndarray,
    values: np.ndarray,
    shape: tuple[int, int],
    pixel_scale: float,
    origin: tuple[float, float] = (0.0, 0.0),
    eps: float = EPS,
) -> np.ndarray:
    """The adjoint of `to_visibilities`: sum_k values_k exp(+2 pi i (u_k x_m + v_k y_m)), (H, W) complex."""
    turned = values * phase(u, v, shape, pixel_scale, origin, sign=1)
    return adjoint(shape, pixel_scale, eps=eps)(u, v, turned[None])[0]


def phase(
    u: np.ndarray,
    v: np.ndarray,
    shape: tuple[int, ...],
    pixel_scale: float,
    origin: tuple[float, float],
    sign: int,
) -> np.ndarray | complex:
    """exp(sign 2 pi i (u x + v y)) (K,) at the pixel [H // 2, W // 2] from which transforms count."""
    y, x = (n // 2 - (n - 1) / 2 for n in shape)
    x, y = x * pixel_scale + origin[0], y * pixel_scale + origin[1]
    if x == 0 and y == 0:
        return 1.0
    return np.exp((sign * 2j * np.pi * ARCSEC) * (u * x + v * y))


def pixel_response(
    u: np.ndarray, v: np.ndarray, pixel_scale: float, sub_pixels: int | None = None
) -> np.ndarray:
    """sinc(u p) sinc(v p) (K,): what taking the mean over a pixel of p radians does to visibilities.

    Of the mean over sub_pixels x sub_pixels points it is sinc(u p)/sinc(u p/n) along each axis: to divide by
    that takes the error of the midpoint rule out as well, of order (u p/n)^2.
    """
    step = pixel_scale * ARCSEC
    response = np.sinc(u * step) * np.sinc(v * step)
    if sub_pixels is None:
        return response
    return response / (np.sinc(u * (step / sub_pixels)) * np.sinc(v * (step / sub_pixels)))


def _in_jax(name: str, *arguments: Any, **settings: Any) -> np.ndarray:
    """A transform of nufftax, which counts columns first, in double precision whatever JAX is set to."""
    with import_module("jax").enable_x64(True):
        return np.asarray(getattr(import_module("nufftax"), name)(*arguments, **settings))
