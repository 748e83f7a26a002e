"""Visibilities of a lens with the image grid on which they are modelled, checked once at the door."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from astropy.wcs import WCS

from lensfit.datasets.dataset import (
    Dataset,
    Source,
    as_shown,
    check_some_used,
    checked_mask,
    checked_number,
    checked_origin,
    checked_scale,
    place,
    read_only,
    source_rows,
)
from lensfit.datasets.visibilities import ARCSEC, FIELD, Visibilities, check_field, check_pixel, check_units
from lensfit.datasets.zero_point import of_unit
from lensfit.errors import DataError

UNIT = "Jy / pixel"
MOST_PIXELS = 2**24
"""Pixels of the largest image grid."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Interferometer(Dataset):
    """Visibilities and the pixels of the sky that may emit, made by `of` or `from_arrays`.

    The phase centre is the origin (0, 0) of x and y, and the pointing centre.

    Attributes:
        visibilities: the data, K rows.
        mask: (H, W) bool of the image, True = no emission is modelled there.
        pixel_scale: arcsec per pixel.
        origin: (x, y) in arcsec of the centre of the image.
        primary_beam: full width at half maximum of the antennas' Gaussian response in arcsec, None = flat.
        emission: (x, y, radius) in arcsec of the smallest circle about the emission that one lens may show, None = it
            was not looked for.
        taken_out: (x, y, width [arcsec], flux, its error [Jy]) of each round Gaussian that was taken out of the data.
        notes: what was done to the input, in plain words.
        sources: (role, path, sha256) of each file read.
        unit, zero_point: of the images that are modelled.
        wcs: none; x and y count from the phase centre.
    """

    visibilities: Visibilities
    mask: np.ndarray
    pixel_scale: float
    origin: tuple[float, float] = (0.0, 0.0)
    primary_beam: float | None = None
    emission: tuple[float, float, float] | None = None
    taken_out: tuple[tuple[float, float, float, float, float], ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    unit: str | None = field(default=UNIT, init=False)
    zero_point: float | None = field(default=of_unit(UNIT, 1.0), init=False)
    wcs: WCS | None = field(default=None, init=False)

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

        Args:
            visibilities: made by `Visibilities.from_arrays`.
            pixel_scale: arcsec per pixel of the image.
            shape: (H, W) of the image.
            mask: (H, W), anything but 0 = no emission is modelled there.
            origin: (x, y) in arcsec of the centre of the image from the phase centre.
            primary_beam: full width at half maximum in arcsec, None = flat.

        Raises:
            DataError: u and v are not in wavelengths, the pixels are too coarse for the longest baseline or the
                field too small for the shortest, the beam is not positive, or the mask leaves no pixel.
        """
        pixel_scale = checked_scale(pixel_scale)
        shape = _checked_shape(shape)
        lengths = np.hypot(visibilities.u, visibilities.v)
        check_units(float(lengths.max()), place("u", visibilities.sources))
        check_pixel(visibilities.u, visibilities.v, pixel_scale)
        check_field(float(lengths[lengths > 0].min()), shape, pixel_scale)
        if primary_beam is not None:
            primary_beam = checked_number(primary_beam, "primary_beam", "its full width at half maximum in arcsec")
        mask = checked_mask(mask, shape, "mask")
        check_some_used(mask, "mask")
        return cls(
            visibilities=visibilities,
            mask=read_only(mask),
            pixel_scale=pixel_scale,
            origin=checked_origin(origin),
            primary_beam=primary_beam,
            notes=visibilities.notes,
            sources=visibilities.sources,
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

        Args:
            u, v, values, noise: see `Visibilities.from_arrays`.
            pixel_scale, shape, mask, origin, primary_beam: see `of`.
            table: the other arguments of `Visibilities.from_arrays`, as sign=-1, east="left".

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
    def beam(self) -> np.ndarray:
        """(H, W) response of the primary beam at the pixel centres, 1 at the phase centre."""
        if self.primary_beam is None:
            return np.ones(self.shape)
        return np.exp(-4 * np.log(2) * (self.x**2 + self.y**2) / self.primary_beam**2)

    @property
    def nyquist(self) -> float:
        """The largest pixel in arcsec that the longest baseline allows."""
        return 1 / (2 * max(np.abs(self.visibilities.u).max(), np.abs(self.visibilities.v).max()) * ARCSEC)

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
        made = self.of(
            self.visibilities,
            pixel_scale=pixel_scale,
            shape=shape,
            origin=self.origin if origin is None else origin,
            primary_beam=self.primary_beam,
        )
        return replace(made, emission=self.emission, taken_out=self.taken_out)

    def describe(self) -> list[tuple[str, str]]:
        """(label, text) of everything that is understood of the visibilities and of their image grid."""
        table = self.visibilities
        length = np.hypot(table.u, table.v)
        known = "unknown" if table.antenna1 is None else "known"
        beam = "flat" if self.primary_beam is None else f"{self.primary_beam:.4g} arcsec wide at half maximum"
        rows = [
            *((role, path) for role, path, _ in self.sources),
            ("visibilities", f"{len(table)}, antennas {known}"),
            ("baselines", f"{length.min():.4g} to {length.max():.4g} wavelengths"),
            ("noise", f"{1e3 * table.sigma_re.min():.4g} to {1e3 * table.sigma_re.max():.4g} mJy per real part"),
            *(("note", note) for note in self.notes),
            ("primary beam", beam),
            ("image", f"{self.shape[0]} rows x {self.shape[1]} columns of {self.pixel_scale:.4g} arcsec"),
            ("centre", f"x = {self.origin[0]:.4g}, y = {self.origin[1]:.4g} arcsec from the phase centre"),
        ]
        return as_shown(rows)

    def document(self) -> dict[str, Any]:
        """What result.json says of the visibilities."""
        return {
            "visibilities": len(self.visibilities),
            "shape": self.shape,
            "pixel_scale": self.pixel_scale,
            "origin": self.origin,
            "unit": self.unit,
            "primary_beam": self.primary_beam,
            "emission": self.emission,
            "taken_out": self.taken_out,
            "hash": self.hash,
            "sources": source_rows(self.sources),
            "notes": self.notes,
        }


def _checked_shape(shape: Any) -> tuple[int, int]:
    sides = np.asarray(shape)
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or (sides < 1).any():
        raise DataError(f"shape={shape!r}: give (H, W), the rows and columns of the image, two positive integers")
    rows, columns = int(sides[0]), int(sides[1])
    if rows * columns > MOST_PIXELS:
        raise DataError(f"shape={rows, columns}: more than {MOST_PIXELS} pixels; give a smaller field or larger pixels")
    return rows, columns


def least_field(visibilities: Visibilities) -> float:
    """Side in arcsec of the smallest field that the shortest baseline allows."""
    shortest = float(np.hypot(visibilities.u, visibilities.v).min())
    return FIELD / max(shortest, 1e-300) / ARCSEC if shortest > 0 else 0.0


def wide_grid(visibilities: Visibilities, primary_beam: float | None) -> tuple[float, tuple[int, int]]:
    """Pixel [arcsec] and shape of an image of all that may emit: the primary beam, or 128 pixels where it is flat."""
    pixel = 0.5 / (2 * max(np.abs(visibilities.u).max(), np.abs(visibilities.v).max()) * ARCSEC)
    side = max(1.01 * least_field(visibilities), 1.2 * primary_beam if primary_beam else 128 * pixel)
    count = 2 * int(np.ceil(min(side / pixel, np.sqrt(MOST_PIXELS)) / 2))
    return float(pixel), (count, count)
