"""An image of a lens with its noise, PSF and mask, checked once at the door."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from astropy.wcs import WCS

from lensfit.datasets import _checks, _rebin
from lensfit.datasets import masks as _masks
from lensfit.datasets._pixels import pixel_centers
from lensfit.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Imaging:
    """One image of a lens, made by `from_arrays`; unmasked data are finite and unmasked noise is > 0.

    Arrays are read-only native float64 `[row, column]`, row 0 at the bottom of the sky.

    Attributes:
        data: (H, W) brightness, in `unit`.
        noise: (H, W) standard deviation of the data, in `unit`.
        psf: (h, w) point-spread function on the same pixels, odd-sided, sum 1.
        mask: (H, W) bool, True = left out.
        pixel_scale: arcsec per pixel.
        origin: (x, y) in arcsec of the centre of the array.
        unit: unit of data and noise as the file names it, None if it names none.
        wcs: celestial coordinates of the array, None if unknown.
        notes: what was done to the input, in plain words.
        sources: (role, path, sha256) of each file read.
    """

    data: np.ndarray
    noise: np.ndarray
    psf: np.ndarray
    mask: np.ndarray
    pixel_scale: float
    origin: tuple[float, float] = (0.0, 0.0)
    unit: str | None = None
    wcs: WCS | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[_checks.Source, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        data: Any,
        noise: Any,
        psf: Any,
        *,
        pixel_scale: float,
        mask: Any = None,
        nan: _checks.NanPolicy = "error",
        origin: tuple[float, float] = (0.0, 0.0),
        unit: str | None = None,
        wcs: WCS | None = None,
        notes: tuple[str, ...] = (),
        sources: tuple[_checks.Source, ...] = (),
    ) -> Self:
        """Check everything and build the dataset.

        Args:
            data, noise: (H, W); noise is a standard deviation, >= 1e8 (also inf) meaning a masked pixel.
            psf: (h, w), odd-sided and centred; it is divided by its sum.
            pixel_scale: arcsec per pixel.
            mask: (H, W), anything but 0 = left out; None leaves out nothing but bad pixels.
            nan: "error" refuses NaN and inf in unmasked pixels, "mask" masks these pixels.
            origin, unit, wcs, notes, sources: see the class.

        Raises:
            DataError: anything that a fit could not trust; the message says what, where and the way on.
        """
        pixel_scale = _checks.checked_scale(pixel_scale)
        arrays, remarks = _checks.checked_arrays(data, noise, psf, mask, nan, sources)
        return cls(
            **{role: _read_only(array) for role, array in arrays.items()},
            pixel_scale=pixel_scale,
            origin=(float(origin[0]), float(origin[1])),
            unit=unit,
            wcs=wcs,
            notes=(*notes, *remarks),
            sources=sources,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.data.shape[0], self.data.shape[1]

    @property
    def x(self) -> np.ndarray:
        """(H, W) pixel centres along the columns in arcsec, rightwards."""
        return pixel_centers(self.shape, self.pixel_scale, self.origin)[0]

    @property
    def y(self) -> np.ndarray:
        """(H, W) pixel centres along the rows in arcsec, upwards from row 0."""
        return pixel_centers(self.shape, self.pixel_scale, self.origin)[1]

    @property
    def hash(self) -> str:
        """sha256 over the arrays, their shapes, the pixel scale and the origin."""
        digest = hashlib.sha256(repr((self.pixel_scale, self.origin)).encode())
        for array in (self.data, self.noise, self.psf, self.mask):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def with_mask(self, extra: Any) -> Self:
        """The same data with the pixels of `extra` ((H, W), anything but 0 = left out) masked as well.

        Raises:
            DataError: the shape differs or no pixel is left.
        """
        mask = self.mask | _checks.checked_mask(extra, self.shape, "extra mask")
        _checks.check_some_used(mask, _checks.place("data", self.sources))
        return replace(self, mask=_read_only(mask))

    def circular_mask(self, radius: float, center: tuple[float, float] = (0.0, 0.0)) -> Self:
        """Keep the disc of `radius` arcsec about `center` (x, y) in arcsec.

        Raises:
            DataError: the radius is not positive or no pixel is left.
        """
        return self.with_mask(_masks.circular_mask(self.x, self.y, radius, center))

    def annular_mask(self, inner: float, outer: float, center: tuple[float, float] = (0.0, 0.0)) -> Self:
        """Keep the ring between the radii `inner` and `outer` in arcsec about `center` (x, y) in arcsec.

        Raises:
            DataError: the radii are not 0 <= inner < outer or no pixel is left.
        """
        return self.with_mask(_masks.annular_mask(self.x, self.y, inner, outer, center))

    def cutout(self, half_width: float, center: tuple[float, float] = (0.0, 0.0)) -> Self:
        """The pixels within `half_width` arcsec of `center` (x, y) along both axes, coordinates unchanged.

        Raises:
            DataError: no pixel is there, all are masked, or the PSF is larger than the cutout.
        """
        near_x = np.abs(self.x[0] - center[0]) <= half_width
        near_y = np.abs(self.y[:, 0] - center[1]) <= half_width
        if not (near_x.any() and near_y.any()):
            raise DataError(
                f"cutout of half width {half_width} arcsec about {center} holds no pixel of the image; "
                f"its x runs from {self.x.min():.3f} to {self.x.max():.3f} and its y from {self.y.min():.3f} "
                f"to {self.y.max():.3f} arcsec"
            )
        rows, columns = _extent(near_y), _extent(near_x)
        part = np.s_[rows, columns]
        return self._regridded(
            part,
            data=self.data[part],
            noise=self.noise[part],
            mask=self.mask[part],
            wcs=None if self.wcs is None else self.wcs.slice(part),
            note=f"cut out rows {rows.start}:{rows.stop} and columns {columns.start}:{columns.stop}",
        )

    def binned(self, factor: int) -> Self:
        """The image on pixels `factor` x `factor` times as large, coordinates unchanged.

        Data are averaged, noise is added in quadrature and divided by factor^2; a coarse pixel is used only
        where all its fine pixels are. Trailing rows and columns that fill no coarse pixel are cut.

        Raises:
            DataError: the factor is no positive integer or leaves no image, no used pixel, or one smaller
                than the PSF.
        """
        if factor not in range(1, min(self.shape) + 1):
            raise DataError(f"binning factor {factor}; give an integer from 1 to {min(self.shape)}")
        if factor == 1:
            return self
        factor = int(factor)
        rows, columns = (side // factor * factor for side in self.shape)
        return self._regridded(
            np.s_[0:rows, 0:columns],
            data=_rebin.blocks(self.data, factor).mean(axis=-1),
            noise=np.sqrt((_rebin.blocks(self.noise, factor) ** 2).sum(axis=-1)) / factor**2,
            mask=_rebin.blocks(self.mask, factor).max(axis=-1),
            psf=_rebin.rebinned_psf(self.psf, factor),
            wcs=None if self.wcs is None else _rebin.rebinned_wcs(self.wcs, factor),
            pixel_scale=self.pixel_scale * factor,
            note=f"binned {factor} x {factor}",
        )

    def _regridded(self, part: tuple[slice, slice], *, note: str, mask: np.ndarray, **fields: Any) -> Self:
        """Replace the arrays by those that cover the pixels `part`, moving the origin along."""
        _checks.check_some_used(mask, f"{_checks.place('data', self.sources)}, {note}")
        _checks.check_psf_fits(fields.get("psf", self.psf), mask.shape, f"psf, {note}")
        middle = [(span.start + span.stop - side) / 2 for span, side in zip(part, self.shape, strict=True)]
        fields = {name: _read_only(v) if isinstance(v, np.ndarray) else v for name, v in fields.items()}
        return replace(
            self,
            mask=_read_only(mask),
            origin=(
                self.origin[0] + middle[1] * self.pixel_scale,
                self.origin[1] + middle[0] * self.pixel_scale,
            ),
            notes=(*self.notes, note),
            **fields,
        )


def _extent(chosen: np.ndarray) -> slice:
    """The slice from the first to the last True."""
    indices = np.flatnonzero(chosen)
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _read_only(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
