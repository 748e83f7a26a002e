"""Visibilities of a lens with the image grid on which they are modelled, checked once at the door."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from lensfit.datasets import _checks
from lensfit.datasets import _visibility_checks as _rows
from lensfit.datasets._pixels import pixel_centers
from lensfit.datasets.visibilities import Visibilities
from lensfit.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Interferometer:
    """Visibilities and the pixels of the sky that may emit, made by `of` or `from_arrays`.

    The phase centre is the origin (0, 0) of x and y, and the pointing centre.

    Attributes:
        visibilities: the data, K rows.
        pixel_scale: arcsec per pixel.
        shape: (H, W) of the image.
        mask: (H, W) bool, True = no emission is modelled there.
        origin: (x, y) in arcsec of the centre of the image.
        primary_beam: full width at half maximum of the antennas' Gaussian response in arcsec, None = flat.
        notes: what was done to the input, in plain words.
    """

    visibilities: Visibilities
    pixel_scale: float
    shape: tuple[int, int]
    mask: np.ndarray
    origin: tuple[float, float] = (0.0, 0.0)
    primary_beam: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        visibilities: Visibilities,
        *,
        pixel_scale: float,
        shape: tuple[int, int],
        mask: Any = None,
        origin: tuple[float, float] = (0.0, 0.0),
        primary_beam: float | None = None,
    ) -> Self:
        """Put checked visibilities on an image grid.

        Raises:
            DataError: u and v are not in wavelengths, the pixels are too coarse for the longest baseline or the
                field too small for the shortest, the beam is not positive, or the mask leaves no pixel.
        """
        pixel_scale = _checks.checked_scale(pixel_scale)
        shape = _checked_shape(shape)
        lengths = np.hypot(visibilities.u, visibilities.v)
        _rows.check_units(float(lengths.max()), _checks.place("u", visibilities.sources))
        _rows.check_pixel(visibilities.u, visibilities.v, pixel_scale)
        _rows.check_field(float(lengths[lengths > 0].min()), shape, pixel_scale)
        if primary_beam is not None and not (np.isfinite(primary_beam) and primary_beam > 0):
            raise DataError(f"primary_beam is {primary_beam}; give its full width at half maximum in arcsec")
        mask = _checks.checked_mask(mask, shape, "mask")
        _checks.check_some_used(mask, "mask")
        mask.flags.writeable = False
        return cls(
            visibilities=visibilities,
            pixel_scale=pixel_scale,
            shape=shape,
            mask=mask,
            origin=(float(origin[0]), float(origin[1])),
            primary_beam=None if primary_beam is None else float(primary_beam),
            notes=visibilities.notes,
        )

    @classmethod
    def from_arrays(
        cls,
        u: Any,
        v: Any,
        values: Any,
        noise: Any = None,
        *,
        pixel_scale: float,
        shape: tuple[int, int],
        mask: Any = None,
        origin: tuple[float, float] = (0.0, 0.0),
        primary_beam: float | None = None,
        **table: Any,
    ) -> Self:
        """`Visibilities.from_arrays(u, v, values, noise, **table)` (sign= and east= among them), put on a grid.

        Raises:
            DataError: see there and `of`.
        """
        return cls.of(
            Visibilities.from_arrays(u, v, values, noise, **table),
            pixel_scale=pixel_scale,
            shape=shape,
            mask=mask,
            origin=origin,
            primary_beam=primary_beam,
        )

    @property
    def x(self) -> np.ndarray:
        """(H, W) pixel centres along the columns in arcsec, rightwards."""
        return pixel_centers(self.shape, self.pixel_scale, self.origin)[0]

    @property
    def y(self) -> np.ndarray:
        """(H, W) pixel centres along the rows in arcsec, upwards from row 0."""
        return pixel_centers(self.shape, self.pixel_scale, self.origin)[1]

    @property
    def beam(self) -> np.ndarray:
        """(H, W) response of the primary beam at the pixel centres, 1 at the phase centre."""
        if self.primary_beam is None:
            return np.ones(self.shape)
        return np.exp(-4 * np.log(2) * (self.x**2 + self.y**2) / self.primary_beam**2)

    @property
    def wcs(self) -> None:
        """Visibilities carry no celestial coordinates; x and y count from the phase centre."""
        return None

    @property
    def unit(self) -> str:
        """Unit of the images that are modelled."""
        return "Jy / pixel"

    @property
    def nyquist(self) -> float:
        """The largest pixel in arcsec that the longest baseline allows."""
        return 1 / (2 * max(np.abs(self.visibilities.u).max(), np.abs(self.visibilities.v).max()) * _rows.ARCSEC)

    @property
    def hash(self) -> str:
        """sha256 over the visibilities, the mask and the numbers of the grid."""
        numbers = (self.pixel_scale, self.shape, self.origin, self.primary_beam)
        digest = hashlib.sha256(repr(numbers).encode())
        digest.update(self.visibilities.hash.encode())
        digest.update(self.mask.tobytes())
        return digest.hexdigest()

    def regridded(
        self, *, pixel_scale: float, shape: tuple[int, int], origin: tuple[float, float] | None = None
    ) -> Self:
        """The same visibilities on another image grid, without mask; the origin stays unless given.

        Raises:
            DataError: the grid does not suit the baselines.
        """
        return self.of(
            self.visibilities,
            pixel_scale=pixel_scale,
            shape=shape,
            origin=self.origin if origin is None else origin,
            primary_beam=self.primary_beam,
        )

    def with_mask(self, extra: Any) -> Self:
        """The same data with the pixels of `extra` ((H, W), anything but 0 = no emission) masked as well.

        Raises:
            DataError: the shape differs or no pixel is left.
        """
        mask = self.mask | _checks.checked_mask(extra, self.shape, "extra mask")
        _checks.check_some_used(mask, "mask")
        mask.flags.writeable = False
        return replace(self, mask=mask)


def _checked_shape(shape: Any) -> tuple[int, int]:
    sides = np.asarray(shape)
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or (sides < 1).any():
        raise DataError(f"shape={shape!r}: give (H, W), the rows and columns of the image, two positive integers")
    return int(sides[0]), int(sides[1])


def least_field(visibilities: Visibilities) -> float:
    """Side in arcsec of the smallest field that the shortest baseline allows."""
    shortest = float(np.hypot(visibilities.u, visibilities.v).min())
    return _rows.FIELD / max(shortest, 1e-300) / _rows.ARCSEC if shortest > 0 else 0.0


def wide_grid(visibilities: Visibilities, primary_beam: float | None) -> tuple[float, tuple[int, int]]:
    """Pixel [arcsec] and shape of an image of all that may emit: the primary beam, or 128 pixels where it is flat."""
    pixel = 0.5 / (2 * max(np.abs(visibilities.u).max(), np.abs(visibilities.v).max()) * _rows.ARCSEC)
    side = max(1.01 * least_field(visibilities), 1.2 * primary_beam if primary_beam else 128 * pixel)
    count = 2 * int(np.ceil(side / pixel / 2))
    return float(pixel), (count, count)
