"""The named arrays in one FITS, npz or HDF5 file, each read only when asked for and sized before.

What stands beside them is read too: unit, celestial coordinates, and every statement of the pixel scale.
"""
from __future__ import annotations

import gzip
import hashlib
import io
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from lensfit.datasets.archives import Member, hdf5_members, npz_members
from lensfit.datasets.celestial import celestial_wcs
from lensfit.datasets.decoder_process import FRAGILE, HELPER
from lensfit.datasets.fits_headers import check_headers
from lensfit.datasets.pixel_scales import Scale, header_scales
from lensfit.errors import DataError
from lensfit.outside import unreadable, visible

MAX_BYTES = 2**30
"""Largest content of a compressed file, and largest single array as float64, that is read."""
MAX_IMAGE = 2**27
"""Bytes of the largest image as float64 that is taken whole: 4096 x 4096 pixels, for which 1 GiB of memory does."""
MAX_FILE = 2**32
"""Bytes of the largest file that is opened."""
RATIO, SPARE = 100, 2**27
"""What is stored is believed to hold so many times its size, or so many bytes: more is a decompression bomb."""
MAX_PSF = 2**25
"""Bytes of the largest PSF as float64: 2048 x 2048 pixels."""

_MAGIC = {b"SIMPLE": "FITS", b"\x1f\x8b": "FITS", b"PK\x03\x04": "npz", b"\x89HDF": "HDF5"}
_SCALE_NAMES = ("pixel_scale", "ps")
_MATRIX_NAME = "transform_pix2angle"


Section = tuple[slice, slice]


class Images(Protocol):
    """What the readers ask of an open file."""

    path: Path
    names: list[str]
    aliases: Mapping[str, str]
    """Other names of arrays that a user may write: the number of a FITS extension, or its name with EXTVER."""

    def shape(self, name: str) -> tuple[int, ...]: ...
    def array(self, name: str, most: int | None = None) -> np.ndarray: ...
    def section(self, name: str, part: Section) -> np.ndarray:
        """The part (rows, columns) of an array of two axes."""
        ...

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
                return HELPER.read(self.path, next(k for k, other in enumerate(self._hdus) if other is hdu))
            return np.asarray(hdu.data)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._images[name].shape)

    def section(self, name: str, part: Section) -> np.ndarray:
        """Only what is asked for is read, of a compressed image the tiles that hold it."""
        hdu = self._images[name]
        stored = hdu.fileinfo()["datSpan"]
        if isinstance(hdu, fits.CompImageHDU):
            check_size(8 * math.prod(hdu.shape), f"{self.path}[{name}]", stored)
            if hdu.compression_type in FRAGILE:
                return self.array(name)[part]
        with read_as(self.path, f"FITS extension {name}"):
            check_size(8 * math.prod(span.stop - span.start for span in part), f"{self.path}[{name}]")
            return np.asarray(hdu.section[part])

    def unit(self, name: str) -> str | None:
        with read_as(self.path, f"BUNIT of {name}"):
            return visible(self._images[name].header.get("BUNIT", "")).strip() or None

    def scales(self, name: str) -> tuple[Scale, ...]:
        wcs = self.wcs(name)
        with read_as(self.path, f"pixel scale of {name}"):
            return header_scales(self._images[name].header, wcs, f"{self.path}[{name}]")

    def wcs(self, name: str) -> WCS | None:
        with read_as(self.path, f"WCS of {name}"):
            return celestial_wcs(self._images[name].header, self._hdus, f"{self.path}[{name}]")

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

    def shape(self, name: str) -> tuple[int, ...]:
        with read_as(self.path, f"array {name}"):
            return self._members[name].shape()

    def section(self, name: str, part: Section) -> np.ndarray:
        return self.array(name)[part]

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


def check_size(
    number_of_bytes: int, where: str, stored: int | None = None, most: int | None = None,
    remedy: str = "cut out the lens first",
) -> None:  # fmt: skip
    """Raise DataError where more is promised than `most` (by default MAX_BYTES), or than the bytes stored can hold."""
    most = MAX_BYTES if most is None else min(MAX_BYTES, most)
    if stored is not None:
        most = min(most, max(SPARE, RATIO * stored))
    if number_of_bytes > most:
        raise DataError(
            f"{where}: holds or promises more than {most / 2**30:.3g} GiB, too much for the image of a "
            f"lens or for what is stored of it; {remedy}, or distrust the file"
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
