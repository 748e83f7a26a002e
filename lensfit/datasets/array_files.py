"""The named arrays in one FITS, npz or HDF5 file, each read only when asked for and sized before.

What stands beside them is read too: unit, celestial coordinates, and every statement of the pixel scale.
"""
from __future__ import annotations

import gzip
import hashlib
import io
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_scales

from lensfit.datasets.archives import Member, hdf5_members, npz_members
from lensfit.datasets.dataset import ARGUMENT, check_usual, checked_scale, is_usual
from lensfit.datasets.fits_headers import check_headers
from lensfit.errors import DataError
from lensfit.outside import unreadable, visible

MAX_BYTES = 2**30
"""Largest content of a compressed file, and largest single array as float64, that is read."""
MAX_FILE = 2**32
"""Bytes of the largest file that is opened."""
RATIO, SPARE = 100, 2**27
"""What is stored is believed to hold so many times its size, or so many bytes: more is a decompression bomb."""
MAX_PSF = 2**25
"""Bytes of the largest PSF as float64: 2048 x 2048 pixels."""
TOLERANCE = 0.01
"""Relative difference from which on two pixel scales disagree."""

FRAGILE = ("HCOMPRESS_1", "PLIO_1")
"""Compressions whose decoder in astropy overwrites memory where what it is given is corrupt."""
APART = """
import sys, warnings
import numpy
from astropy.io import fits
warnings.simplefilter("ignore")
with fits.open(sys.argv[1], memmap=False) as hdus:
    numpy.save(sys.stdout.buffer, numpy.asarray(hdus[int(sys.argv[2])].data))
"""
"""A program that reads one extension: a decoder that fails so ends it, and not the user's process."""
LONGEST = 60.0
"""Seconds that it may take."""
FINEST = 100
"""Most pixels of a PSF to one of the detector's along an axis that are believed."""

_MAGIC = {b"SIMPLE": "FITS", b"\x1f\x8b": "FITS", b"PK\x03\x04": "npz", b"\x89HDF": "HDF5"}
_SCALE_NAMES = ("pixel_scale", "ps")
_MATRIX_NAME = "transform_pix2angle"


class Images(Protocol):
    """What the readers ask of an open file."""

    path: Path
    names: list[str]
    aliases: Mapping[str, str]
    """Other names of arrays that a user may write: the number of a FITS extension, or its name with EXTVER."""

    def array(self, name: str, most: int | None = None) -> np.ndarray: ...
    def unit(self, name: str) -> str | None: ...
    def scales(self, name: str) -> tuple[Scale, ...]: ...
    def wcs(self, name: str) -> WCS | None: ...
    def header(self, name: str) -> Mapping[str, Any]: ...
    def remarks(self) -> list[str]: ...


@contextmanager
def open_images(path: Path) -> Iterator[Images]:
    """Open a file of any known format.

    Raises:
        DataError: it is missing, of another format, corrupt, cut short or too large.
    """
    form = file_format(path)
    with _open_fits(path) if form == "FITS" else _open_archive(path, form) as images:
        yield images


class FitsImages:
    """The image extensions of an open FITS file."""

    def __init__(self, path: Path, hdus: Any, caught: list[warnings.WarningMessage]):
        self.path = path
        self._hdus = hdus
        self._caught = caught
        self._images: dict[str, Any] = {}
        self.aliases: Mapping[str, str] = {}
        for number, hdu in enumerate(hdus):
            if _is_image(hdu):
                label = visible(_label(hdu))
                if not label or label in self._images:
                    label = str(number)
                self._images[label] = hdu
                self.aliases = {str(number): label, f"{hdu.name},{hdu.ver}": label, **self.aliases}
        self.names = list(self._images)

    def array(self, name: str, most: int | None = None) -> np.ndarray:
        hdu = self._images[name]
        with read_as(self.path, f"FITS extension {name}"):
            check_size(8 * math.prod(hdu.shape), f"{self.path}[{name}]", hdu.fileinfo()["datSpan"], most)
            if isinstance(hdu, fits.CompImageHDU) and hdu.compression_type in FRAGILE:
                return _read_apart(self.path, next(k for k, other in enumerate(self._hdus) if other is hdu))
            return np.asarray(hdu.data)

    def unit(self, name: str) -> str | None:
        with read_as(self.path, f"BUNIT of {name}"):
            return visible(self._images[name].header.get("BUNIT", "")).strip() or None

    def scales(self, name: str) -> tuple[Scale, ...]:
        wcs = self.wcs(name)
        with read_as(self.path, f"pixel scale of {name}"):
            return header_scales(self._images[name].header, wcs, f"{self.path}[{name}]")

    def wcs(self, name: str) -> WCS | None:
        with read_as(self.path, f"WCS of {name}"):
            return celestial_wcs(self._images[name].header, self._hdus)

    def header(self, name: str) -> Mapping[str, Any]:
        with read_as(self.path, f"header of {name}"):
            return dict(self._hdus[0].header) | dict(self._images[name].header)

    def remarks(self) -> list[str]:
        return [f"{self.path}: astropy warns: {message}" for message in _messages(self._caught)]


def _label(hdu: Any) -> str:
    return hdu.name if hdu.ver == 1 else f"{hdu.name},{hdu.ver}"


@contextmanager
def _open_fits(path: Path) -> Iterator[FitsImages]:
    with unpacked(path) as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_headers(file, path)
        with read_as(path, "FITS"):
            hdus = fits.open(file, memmap=False, lazy_load_hdus=False)
        with hdus:
            with read_as(path, "FITS"):
                _check_sound(hdus, caught, path)
                images = FitsImages(path, hdus, caught)
            yield images


def _read_apart(path: Path, number: int) -> np.ndarray:
    """The numbers of an extension, read by a process of its own. Raises ValueError where that does not end well."""
    command = [sys.executable, "-c", APART, str(path), str(number)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"its decoder did not end within {LONGEST:g} s") from error
    if done.returncode != 0:
        raise ValueError(f"its decoder ended with {done.returncode}")
    return np.load(io.BytesIO(done.stdout), allow_pickle=False)


def _messages(caught: list[warnings.WarningMessage]) -> list[str]:
    return [visible(" ".join(str(warning.message).split())) for warning in caught]


def _is_image(hdu: Any) -> bool:
    return hdu.is_image and bool(hdu.shape) and not isinstance(hdu, fits.GroupsHDU)


def _check_sound(hdus: Any, caught: list[warnings.WarningMessage], path: Path) -> None:
    """Raise DataError where astropy takes an extension for no FITS, or stops before the end."""
    for number, hdu in enumerate(hdus):
        if not hasattr(hdu, "fileinfo"):  # astropy's stand-in for what it cannot read
            raise DataError(f"{path}[{number}]: its header is corrupt, or denies to be standard FITS; fetch it again")
    for message in _messages(caught):
        if "validating header" in message:
            raise DataError(f"{path}: a header is corrupt or cut short ({message}); fetch it again")


class NamedArrays:
    """The arrays of an open npz or HDF5 file."""

    def __init__(self, path: Path, members: Mapping[str, Member]):
        self.path = path
        self._members = {visible(name): member for name, member in members.items()}
        self.names = list(self._members)
        self.aliases: Mapping[str, str] = {}

    def array(self, name: str, most: int | None = None) -> np.ndarray:
        member = self._members[name]
        with read_as(self.path, f"array {name}"):
            promised, stored = member.size()
            check_size(promised, f"{self.path}[{name}]", stored, most)
            return member.read()

    def unit(self, name: str) -> str | None:
        return None

    def scales(self, name: str) -> tuple[Scale, ...]:
        found = [self._stated(key) for key in _SCALE_NAMES if key in self.names]
        if _MATRIX_NAME in self.names:
            matrix = self.array(_MATRIX_NAME)
            if matrix.shape != (2, 2) or matrix.dtype.kind not in "iuf":
                raise DataError(f"{self.path}[{_MATRIX_NAME}]: shape {matrix.shape}; give a 2 x 2 matrix of numbers")
            sides = np.hypot(matrix[0], matrix[1])
            found.append(Scale(f"{self.path}[{_MATRIX_NAME}]", float(sides[0]), float(sides[1])))
        return tuple(found)

    def _stated(self, name: str) -> Scale:
        value = self.array(name)
        if value.size != 1 or value.dtype.kind not in "iuf":
            raise DataError(f"{self.path}[{name}]: {value!r} is no pixel scale; store one number in arcsec")
        return Scale(f"{self.path}[{name}]", value.item(), value.item())

    def wcs(self, name: str) -> WCS | None:
        return None

    def header(self, name: str) -> Mapping[str, Any]:
        return {}

    def remarks(self) -> list[str]:
        return []


@contextmanager
def _open_archive(path: Path, form: str) -> Iterator[NamedArrays]:
    with ExitStack() as stack:
        with read_as(path, form):
            members = stack.enter_context({"npz": npz_members, "HDF5": hdf5_members}[form](path))
        yield NamedArrays(path, members)


def check_readable(path: Path) -> None:
    """Raise DataError where there is no file at a path, or none that can be opened."""
    told = unreadable(path)
    if told:
        raise DataError(f"{path}: {told}; check the path")


def file_format(path: Path) -> str:
    """'FITS' (also gzipped), 'npz' or 'HDF5', judged by the first bytes.

    Raises:
        DataError: the file is missing, is none of these, or is no file but a pipe, a device or a loop of links.
    """
    check_readable(path)
    if path.stat().st_size > MAX_FILE:
        raise DataError(f"{path}: larger than {MAX_FILE / 2**30:.3g} GiB; cut out the lens first")
    with read_as(path, "any file"), path.open("rb") as file:
        start = file.read(8)
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            return name
    raise DataError(f"{path}: starts with {start!r}, so it is no FITS, npz or HDF5 file; convert it to one")


def sha256(path: Path) -> str:
    """Hex digest of the file as it lies on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file to read from, decompressed if it is gzipped.

    Raises:
        DataError: the gzip stream is cut, corrupt or larger than MAX_BYTES.
    """
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_gzip:
            yield file
            return
        stored = path.stat().st_size
        most = min(MAX_BYTES, max(SPARE, RATIO * stored))
        with read_as(path, "gzip"), gzip.open(file) as stream:
            content = stream.read(most + 1)
    check_size(len(content), str(path), stored)
    yield io.BytesIO(content)


def check_size(number_of_bytes: int, where: str, stored: int | None = None, most: int | None = None) -> None:
    """Raise DataError where more is promised than `most` (by default MAX_BYTES), or than the bytes stored can hold."""
    most = MAX_BYTES if most is None else min(MAX_BYTES, most)
    if stored is not None:
        most = min(most, max(SPARE, RATIO * stored))
    if number_of_bytes > most:
        raise DataError(
            f"{where}: holds or promises more than {most / 2**30:.3g} GiB, too much for the image of a "
            "lens or for what is stored of it; cut out the lens first, or distrust the file"
        )


@contextmanager
def read_as(path: Path, form: str) -> Iterator[None]:
    """Turn whatever a foreign reader raises on a broken file into a DataError that names the file."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read as {form} ({type(error).__name__}: {error}); "
            "it is corrupt or cut short, fetch it again"
        ) from error


class Scale(NamedTuple):
    """Pixel sides along columns and rows in arcsec, and who states them."""

    where: str
    x: float
    y: float


def celestial_wcs(header: fits.Header, hdus: fits.HDUList) -> WCS | None:
    """The celestial WCS with a scale of its own, None where the header has none.

    Without CD and CDELT the scale would silently be one degree per pixel.
    """
    sides = ["CDELT1", "CDELT2"] + [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2)]
    if not any(header.get(side) for side in sides):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)  # old spellings that astropy reads correctly
        wcs = WCS(header, fobj=hdus)
    return wcs.celestial if wcs.has_celestial else None


def header_scales(header: Mapping[str, Any], wcs: WCS | None, where: str) -> tuple[Scale, ...]:
    """Every statement of the pixel scale in a header, the most trustworthy first."""
    scales = []
    if wcs is not None:
        sides = proj_plane_pixel_scales(wcs) * 3600
        scales.append(Scale(f"the WCS of {where}", float(sides[0]), float(sides[1])))
    elif {"CDELT1", "CDELT2", "CUNIT1", "CUNIT2"} <= set(header.keys()):
        sides = [abs(header[f"CDELT{i}"]) * _arcsec(header[f"CUNIT{i}"]) for i in (1, 2)]
        if all(sides):
            scales.append(Scale(f"CDELT of {where}", *sides))
    if header.get("PIXAR_A2"):
        side = float(np.sqrt(header["PIXAR_A2"]))
        scales.append(Scale(f"PIXAR_A2 of {where}", side, side))
    for key_x, key_y in (("PIXSCAX", "PIXSCAY"), ("PIXSCALE", "PIXSCALE"), ("PIXELSCL", "PIXELSCL")):
        if key_x in header and key_y in header:
            scales.append(Scale(f"{key_x} of {where}", float(header[key_x]), float(header[key_y])))
    return tuple(scales)


def oversampling_of(header: Mapping[str, Any], where: str) -> Scale | None:
    """The pixels of the PSF to one of the detector, along an axis, and who states them.

    Raises:
        DataError: what is stated is no whole number from 1 to FINEST.
    """
    for key in ("OVERSAMP", "DET_SAMP"):
        if key in header:
            value = header[key]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 1 <= value <= FINEST and value == int(value)):
                raise DataError(f"{where}: {key} is {value!r}; write a whole number from 1 to {FINEST}, or remove it")
            return Scale(f"{key} of {where}", value, value)
    return None


def resolved_scale(scales: tuple[Scale, ...], where: str) -> tuple[float, list[str]]:
    """The first statement, in arcsec per pixel, and a note for each later one that disagrees.

    Raises:
        DataError: there is none, or the first one's pixels are not square.
    """
    if not scales:
        raise DataError(f"{where}: states no pixel scale; give pixel_scale= in arcsec per pixel")
    first = scales[0]
    if not abs(first.x - first.y) <= TOLERANCE * abs(first.x):
        raise DataError(
            f"{where}: {first.where} says pixels of {first.x:.6g} x {first.y:.6g} arcsec; resample to square "
            "pixels, or give pixel_scale= if that statement is wrong"
        )
    used = (first.x + first.y) / 2
    return used, disagreements(scales[1:], used, first.where)


def stated_by(scales: tuple[Scale, ...], used: float) -> str:
    """Who says the pixel scale in use: of an unusual one, both the argument and the file.

    Raises:
        DataError: an unusual one is not said by both.
    """
    first, *others = scales
    checked_scale(used)
    if is_usual(used):
        return first.where
    second = [scale.where for scale in others if not disagreements((scale,), used, "")]
    if first.where != ARGUMENT or not second:
        check_usual(used, first.where)
    return f"{first.where} and {second[0]}"


def disagreements(scales: tuple[Scale, ...], used: float, used_from: str) -> list[str]:
    """Notes on the statements that are more than TOLERANCE away from the pixel scale in use."""
    return [
        f"pixel scale {used:.6g} from {used_from} used, {scale.where} says {scale.x:.6g} x {scale.y:.6g}"
        for scale in scales
        if max(abs(scale.x - used), abs(scale.y - used)) > TOLERANCE * abs(used)
    ]


def _arcsec(unit: str) -> float:
    """Arcsec in one of a header's CUNIT, 0 where it is no angle."""
    try:
        return float(units.Unit(unit).to(units.arcsec))  # pyright: ignore[reportArgumentType]
    except (ValueError, units.UnitConversionError):
        return 0.0
