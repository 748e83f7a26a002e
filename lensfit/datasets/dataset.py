"""What every kind of data has: the image grid on which a lens is modelled, its mask, and words about itself."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from lensfit.errors import MOST_SHOWN, DataError
from lensfit.outside import visible

Source: TypeAlias = tuple[str, str, str]
"""What came from where: (role, path, sha256 of the file)."""

SMALLEST_SCALE, LARGEST_SCALE = 1e-4, 100.0
"""Arcsec per pixel of the images that are taken for lenses on the word of one statement alone."""
ARGUMENT = "pixel_scale="
"""Who states the pixel scale where the caller alone does."""
LARGEST_ORIGIN = 1e5
"""Arcsec from zero to the farthest centre of an image."""
LARGEST = 1e75
"""The largest magnitude of data, and one over it the smallest of noise, for which chi2 is sure to be a number."""
MASKING_NOISE = 1e8
"""Noise from which on a pixel or a visibility counts as masked, a habit of published noise maps."""


class Dataset(ABC):
    """What was observed, checked at the door, with an image grid `[row, column]`, row 0 at the bottom.

    Attributes:
        mask: (H, W) bool, True = left out; read-only.
        pixel_scale: arcsec per pixel.
        origin: (x, y) in arcsec of the centre of the grid.
        unit: unit of the images that are modelled, None if unknown.
        zero_point: AB magnitude of 1 of it in one pixel, None if unknown.
        wcs: celestial coordinates of the grid, None if unknown.
        notes: what was done to the input, in plain words.
        sources: (role, path, sha256) of each file read.
    """

    mask: np.ndarray
    pixel_scale: float
    origin: tuple[float, float]
    unit: str | None
    zero_point: float | None
    wcs: WCS | None
    notes: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    @abstractmethod
    def hash(self) -> str:
        """sha256 over all numbers that a fit depends on."""

    @abstractmethod
    def describe(self) -> list[tuple[str, str]]:
        """(label, text) of everything that is understood of the data."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """What result.json says of the data: numbers, strings, lists, tuples and dicts alone."""

    def __repr__(self) -> str:
        rows, columns = self.shape
        said = f"{rows} x {columns} pixels of {self.pixel_scale:.6g} arcsec, {np.count_nonzero(~self.mask)} used"
        return f"<{type(self).__name__}: {said}, {self.unit_label}; .describe() says more>"

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.mask.shape[0], self.mask.shape[1]

    @property
    def x(self) -> np.ndarray:
        """(H, W) pixel centres along the columns in arcsec, rightwards."""
        return pixel_centers(self.shape, self.pixel_scale, self.origin)[0]

    @property
    def y(self) -> np.ndarray:
        """(H, W) pixel centres along the rows in arcsec, upwards from row 0."""
        return pixel_centers(self.shape, self.pixel_scale, self.origin)[1]

    @property
    def unit_label(self) -> str:
        """The unit as figures and tables write it."""
        return self.unit or "data unit"

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """x of the left and right edge, y of the lower and upper one, in arcsec."""
        half, x, y = self.pixel_scale / 2, self.x, self.y
        return x[0, 0] - half, x[0, -1] + half, y[0, 0] - half, y[-1, 0] + half

    def with_mask(self, extra: Any) -> Self:
        """The same data with the pixels of `extra` ((H, W), anything but 0 = left out) masked as well.

        Raises:
            DataError: the shape differs or no pixel is left.
        """
        mask = self.mask | checked_mask(extra, self.shape, "extra mask")
        check_some_used(mask, place("data", self.sources))
        return replace(self, mask=read_only(mask))  # pyright: ignore[reportArgumentType, reportCallIssue]

    def circular_mask(self, radius: float, center: tuple[float, float] = (0.0, 0.0)) -> Self:
        """Keep the disc of `radius` arcsec about `center` (x, y) in arcsec.

        Raises:
            DataError: the radius is not positive or no pixel is left.
        """
        return self.with_mask(circular_mask(self.x, self.y, radius, center))

    def annular_mask(self, inner: float, outer: float, center: tuple[float, float] = (0.0, 0.0)) -> Self:
        """Keep the ring between the radii `inner` and `outer` in arcsec about `center` (x, y) in arcsec.

        Raises:
            DataError: the radii are not 0 <= inner < outer or no pixel is left.
        """
        return self.with_mask(annular_mask(self.x, self.y, inner, outer, center))

    def frame_header(self) -> fits.Header:
        """The WCS of the grid as a FITS header, or offsets from the origin of x and y in arcsec."""
        return self.wcs.to_header(relax=True) if self.wcs is not None else offset_header(self)


class OnGrid(Protocol):
    """Anything with pixels: shape (H, W), arcsec per pixel, (x, y) of the middle [arcsec]."""

    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def pixel_scale(self) -> float: ...
    @property
    def origin(self) -> tuple[float, float]: ...


def offset_header(grid: OnGrid) -> fits.Header:
    """Offsets x and y in arcsec of a grid without celestial coordinates."""
    header = fits.Header()
    for axis, side, origin in zip((1, 2), grid.shape[::-1], grid.origin, strict=True):
        header[f"CRPIX{axis}"] = (side + 1) / 2
        header[f"CRVAL{axis}"] = origin
        header[f"CDELT{axis}"] = grid.pixel_scale
        header[f"CUNIT{axis}"] = "arcsec"
    return header


def pixel_centers(
    shape: tuple[int, int], pixel_scale: float, origin: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """x, y (H, W) in arcsec of the pixel centres of an image about `origin`: x rightwards, y upwards from row 0."""
    across, up = np.meshgrid(*pixel_axes(shape, pixel_scale, origin))
    return across, up


def pixel_axes(
    shape: tuple[int, int], pixel_scale: float, origin: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """x (W,) of the columns and y (H,) of the rows, likewise."""
    y, x = (
        (np.arange(side) - (side - 1) / 2) * pixel_scale + middle
        for side, middle in zip(shape, origin[::-1], strict=True)
    )
    return x, y


def circular_mask(
    x: np.ndarray, y: np.ndarray, radius: float, center: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Mask of the same shape as `x` and `y`, True = left out, that keeps the pixel centres within `radius`.

    Args:
        x, y: pixel centres in arcsec.
        radius: of the disc that is kept, arcsec.
        center: (x, y) of the disc, arcsec.

    Raises:
        DataError: the radius is not positive.
    """
    return annular_mask(x, y, 0.0, radius, center)


def annular_mask(
    x: np.ndarray, y: np.ndarray, inner: float, outer: float, center: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Mask of the same shape as `x` and `y`, True = left out, that keeps inner <= radius <= outer.

    Args:
        x, y: pixel centres in arcsec.
        inner, outer: radii of the ring that is kept, arcsec.
        center: (x, y) of the ring, arcsec.

    Raises:
        DataError: the radii are not 0 <= inner < outer.
    """
    if not 0 <= inner < outer:
        raise DataError(f"mask radii {inner} and {outer} arcsec; give 0 <= inner < outer")
    radius = np.hypot(x - center[0], y - center[1])
    return (radius < inner) | (radius > outer)


def checked_scale(pixel_scale: Any) -> float:
    """The pixel scale in arcsec, finite and positive."""
    return checked_number(pixel_scale, "pixel_scale", "the arcsec per pixel")


def checked_number(value: Any, name: str, wanted: str) -> float:
    """A finite positive number."""
    try:
        number = np.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not 0 < number < np.inf:
        raise DataError(f"{name}= is {str(value)[:80]}; give {wanted}, a positive number")
    return number


def is_usual(pixel_scale: float) -> bool:
    """Whether a pixel scale is believed when one statement alone says it."""
    return SMALLEST_SCALE <= pixel_scale <= LARGEST_SCALE


def check_usual(pixel_scale: float, where: str) -> None:
    """Raise DataError where one statement alone says a pixel scale that images of lenses do not have."""
    if not is_usual(pixel_scale):
        raise DataError(
            f"pixel scale of {pixel_scale:.6g} arcsec, from {where}: outside of {SMALLEST_SCALE:g} to "
            f"{LARGEST_SCALE:g}, as if it were in degrees or radians; give pixel_scale= in arcsec per pixel, and if it "
            "is meant say it twice, with pixel_scale= and in the file or info.json"
        )


def checked_origin(origin: Any) -> tuple[float, float]:
    """(x, y) in arcsec, finite and not beyond what counts as one field."""
    try:
        x, y = (float(part) for part in origin)
    except (TypeError, ValueError, OverflowError):
        x = y = np.nan
    if not (abs(x) <= LARGEST_ORIGIN and abs(y) <= LARGEST_ORIGIN):
        raise DataError(
            f"origin is {str(origin)[:80]}; give (x, y) of the centre in arcsec, at most {LARGEST_ORIGIN:g} from zero"
        )
    return x, y


def checked_mask(mask: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """The mask as booleans, True (any value but 0) = left out."""
    if mask is None:
        return np.zeros(shape, dtype=bool)
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        check_shapes(mask.shape, shape, where)
        return mask.copy()
    values = native(mask, where)
    check_shapes(values.shape, shape, where)
    bad = np.isnan(values)
    if bad.any():
        raise DataError(f"{where}: NaN in {count_and_first(bad)}; a mask holds 1 = left out and 0 = used")
    return values != 0


def check_shapes(shape: tuple[int, ...], expected: tuple[int, ...], where: str) -> None:
    """Raise DataError where an array has not the shape of the data."""
    if shape != expected:
        raise DataError(f"{where}: shape {shape} is not the data's shape {expected}; give arrays of one grid")


def check_some_used(mask: np.ndarray, where: str) -> None:
    """Raise DataError where no pixel is left."""
    if mask.all():
        raise DataError(f"{where}: all {mask.size} pixels are masked; check mask (1 = left out) and noise")


def native(array: Any, where: str) -> np.ndarray:
    """A fresh two-dimensional C-ordered float64 copy in the byte order of this machine."""
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{where}: numpy masked array; give its .data, and its .mask as mask=")
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: values of type {array.dtype} are not real numbers; give a real image")
    if array.ndim != 2:
        raise DataError(
            f"{where}: {array.ndim} axes of shape {array.shape}, an image has 2; give one plane of the cube"
        )
    if array.size == 0:
        raise DataError(f"{where}: shape {array.shape} holds no pixel; give an image")
    return np.array(array, dtype=np.float64, order="C")


def place(role: str, sources: tuple[Source, ...]) -> str:
    """The name of one input in a message: its role, and its file where it came from one."""
    paths = [path for source_role, path, _ in sources if source_role == role]
    return f"{role} ({', '.join(paths)})" if paths else role


def count_and_first(bad: np.ndarray) -> str:
    """'3 pixels, the first at row 0, column 7' of a boolean image."""
    row, column = np.argwhere(bad)[0]
    number = int(np.count_nonzero(bad))
    plural = "pixel" if number == 1 else "pixels"
    return f"{number} {plural}, the first at row {row}, column {column} (counted from 0)"


def visible_notes(*notes: str) -> tuple[str, ...]:
    """Notes without the control characters that a file's names may hold."""
    return tuple(visible(note, MOST_SHOWN) for note in notes)


def as_shown(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The rows of a description, likewise."""
    return [(label, visible(text, MOST_SHOWN)) for label, text in rows]


def source_rows(sources: tuple[Source, ...]) -> list[dict[str, str]]:
    """The files read, as a document says them."""
    return [dict(zip(("role", "path", "sha256"), source, strict=True)) for source in sources]


def read_only(array: np.ndarray) -> np.ndarray:
    """The array in C order, protected from being written to."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
