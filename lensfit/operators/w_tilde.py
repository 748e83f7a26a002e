"""All that a likelihood needs of visibilities: sums of fixed size, made in one pass over any number of them.

With phi_km = 2 pi (u_k x_m + v_k y_m), w = (sigma_re^-2 + sigma_im^-2)/2, dw = (sigma_re^-2 - sigma_im^-2)/2:
    w_tilde_mn = sum_k w_k cos(phi_km - phi_kn) + sum_k dw_k cos(phi_km + phi_kn)
    d_m        = sum_k [Re d_k/sigma_re^2 cos phi_km - Im d_k/sigma_im^2 sin phi_km]
The first term depends on the offset of two pixels alone (Toeplitz): `w_compact` holds it; the second on the
sum of their positions (Hankel): `h_compact`. Pixel values are means over the pixel, hence w is divided by
the square of the pixel's response and the weighted visibilities by the response itself.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lensfit.datasets import ARCSEC, Visibilities, check_pixel
from lensfit.errors import DataError
from lensfit.operators.nufft import EPS, Adjoint, adjoint, phase, pixel_response

BATCH = 2**20
"""Visibilities that are transformed at once: memory stays constant, and results do not depend on chunks."""
BLOCK = 2**15
"""Visibilities that are weighted at once: few enough for a processor's cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """What a likelihood keeps of K visibilities, for images of `shape` on pixels of `pixel_scale` arcsec.

    Attributes:
        w_compact: (2H-1, 2W-1), [j + H-1, i + W-1] = sum_k w_k cos(2 pi (u_k i + v_k j) p) [1/Jy^2].
        h_compact: (2H-1, 2W-1), [j, i] = sum_k dw_k cos(phi_km + phi_kn) of the pixels whose rows add up to j
            and whose columns add up to i; None where the noise is equal [1/Jy^2].
        dirty: (H, W) noise-weighted dirty image d [1/Jy].
        constant: sum_k Re d_k^2/sigma_re^2 + Im d_k^2/sigma_im^2.
        log_norm: -1/2 sum_k ln(2 pi sigma_re^2) + ln(2 pi sigma_im^2).
        count: K.
        pixel_scale: arcsec per pixel.
        origin: (x, y) of the centre of the image [arcsec].
        sub_pixels: points per axis whose mean is the value of a pixel, None = the true mean.
    """

    w_compact: np.ndarray
    h_compact: np.ndarray | None
    dirty: np.ndarray
    constant: float
    log_norm: float
    count: int
    pixel_scale: float
    origin: tuple[float, float]
    sub_pixels: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the images."""
        return self.dirty.shape[0], self.dirty.shape[1]

    @property
    def diagonal(self) -> np.ndarray:
        """(H, W) w_tilde of each pixel with itself, the variance of the dirty image [1/Jy^2]."""
        same = self.w_compact[self.shape[0] - 1, self.shape[1] - 1]
        return np.full(self.shape, same) if self.h_compact is None else same + self.h_compact[::2, ::2]

    @classmethod
    def of(
        cls,
        chunks: Iterable[Visibilities],
        shape: tuple[int, int],
        pixel_scale: float,
        origin: tuple[float, float] = (0.0, 0.0),
        sub_pixels: int | None = None,
        eps: float = EPS,
    ) -> Sums:
        """One pass over chunks of any sizes; memory depends on `shape` alone, the result not on the cuts.

        Raises:
            DataError: there is no visibility, or a baseline is too long for the pixels.
        """
        totals = _Totals(shape, pixel_scale, origin, sub_pixels, eps)
        for batch in batches(chunks):
            totals.add(*batch)
        return totals.sums()


def w_compact(
    u: np.ndarray,
    v: np.ndarray,
    weights: np.ndarray,
    shape: tuple[int, int],
    pixel_scale: float,
    eps: float = EPS,
) -> np.ndarray:
    """sum_k weights_k cos(2 pi (u_k i + v_k j) p) for all offsets of two pixels: (2H-1, 2W-1).

    Entry [j + H-1, i + W-1] is that of the offset (i in x, j in y); opposite offsets are equal.
    u, v (K,) in wavelengths, pixel_scale in arcsec. The response of the pixels is left to the weights.
    """
    return adjoint(_offsets(shape), pixel_scale, eps=eps)(u, v, np.asarray(weights)[None])[0].real


def dirty_image(
    data: Visibilities,
    shape: tuple[int, int],
    pixel_scale: float,
    origin: tuple[float, float] = (0.0, 0.0),
    sub_pixels: int | None = None,
    eps: float = EPS,
) -> np.ndarray:
    """Noise-weighted dirty image d (H, W) alone [1/Jy], for visibilities that changed while w did not."""
    u, v = data.u, data.v
    weighted = np.real(data.values) / data.sigma_re**2 + 1j * (np.imag(data.values) / data.sigma_im**2)
    weighted = weighted / pixel_response(u, v, pixel_scale, sub_pixels)
    turned = weighted * phase(u, v, shape, pixel_scale, origin, sign=1)
    return adjoint(shape, pixel_scale, eps=eps)(u, v, turned[None])[0].real


def batches(chunks: Iterable[Visibilities], size: int = BATCH) -> Iterator[tuple[np.ndarray, ...]]:
    """(u, v, values, sigma_re, sigma_im) of `size` visibilities each, the last with what is left."""
    held: list[tuple[np.ndarray, ...]] = []
    count = 0
    for chunk in chunks:
        columns = (chunk.u, chunk.v, chunk.values, chunk.sigma_re, chunk.sigma_im)
        start = 0
        while start < len(chunk.u):
            stop = min(start + size - count, len(chunk.u))
            held.append(tuple(column[start:stop] for column in columns))
            count += stop - start
            start = stop
            if count == size:
                yield _joined(held)
                held, count = [], 0
    if held:
        yield _joined(held)


def _joined(parts: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(some) for some in zip(*parts, strict=True))


def _offsets(shape: tuple[int, int]) -> tuple[int, int]:
    return 2 * shape[0] - 1, 2 * shape[1] - 1


class _Totals:
    """The sums while they grow."""

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_scale: float,
        origin: tuple[float, float],
        sub_pixels: int | None,
        eps: float,
    ) -> None:
        self._shape, self._pixel_scale, self._origin = shape, pixel_scale, origin
        self._sub_pixels, self._eps = sub_pixels, eps
        self._transforms: dict[tuple[tuple[int, int], int], Adjoint] = {}
        self._compact, self._dirty = np.zeros((2, *_offsets(shape))), np.zeros(shape)
        self._constant = self._log_norm = 0.0
        self._count = 0
        self._unequal = False

    def add(
        self, u: np.ndarray, v: np.ndarray, values: np.ndarray, sigma_re: np.ndarray, sigma_im: np.ndarray
    ) -> None:
        """One batch: transforms of the weighted visibilities, of w and, where the noise is unequal, of dw."""
        check_pixel(u, v, self._pixel_scale)
        unequal = not np.array_equal(sigma_re, sigma_im)
        weighted, rows = np.empty((1, len(u)), complex), np.empty((1 + unequal, len(u)), complex)
        for start in range(0, len(u), BLOCK):
            part = slice(start, start + BLOCK)
            columns = [column[part] for column in (u, v, values, sigma_re, sigma_im)]
            self._weigh(columns, weighted[0, part], rows[:, part])
        self._dirty += np.real(self._transform(self._shape, 1)(u, v, weighted)[0])
        self._compact[: len(rows)] += np.real(self._transform(_offsets(self._shape), len(rows))(u, v, rows))
        self._count += len(u)
        self._unequal |= unequal

    def _weigh(self, columns: list[np.ndarray], weighted: np.ndarray, rows: np.ndarray) -> None:
        """One block: what is transformed, into `weighted` (K,) and `rows` (1 or 2, K); the scalars are added up."""
        u, v, values, sigma_re, sigma_im = columns
        inverse = 1 / pixel_response(u, v, self._pixel_scale, self._sub_pixels)
        re, im = 1 / sigma_re**2, 1 / sigma_im**2  # numpy's power of -2 is slow
        weighted[:] = np.real(values) * re + 1j * (np.imag(values) * im)
        self._constant += float(np.vdot(values, weighted).real)
        self._log_norm += float(0.5 * np.sum(np.log(re * im)) - len(u) * np.log(2 * np.pi))
        weighted *= phase(u, v, self._shape, self._pixel_scale, self._origin, sign=1) * inverse
        rows[0] = 0.5 * (re + im) * inverse**2
        if len(rows) > 1:
            x, y = (4j * np.pi * ARCSEC * o for o in self._origin)  # pixels n - 1 - k and k add up to 2 origin
            rows[1] = 0.5 * (re - im) * inverse**2 * np.exp(u * x + v * y)

    def _transform(self, modes: tuple[int, int], count: int) -> Adjoint:
        if (modes, count) not in self._transforms:
            self._transforms[modes, count] = adjoint(modes, self._pixel_scale, count, self._eps)
        return self._transforms[modes, count]

    def sums(self) -> Sums:
        """What has been added up."""
        if not self._count:
            raise DataError("no visibility in any chunk; give at least one, or check what was flagged")
        return Sums(
            w_compact=self._compact[0],
            h_compact=self._compact[1] if self._unequal else None,
            dirty=self._dirty,
            constant=self._constant,
            log_norm=self._log_norm,
            count=self._count,
            pixel_scale=self._pixel_scale,
            origin=self._origin,
            sub_pixels=self._sub_pixels,
        )
