"""The named arrays in one FITS, npz or HDF5 file, each read only when asked for and sized before."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile

import h5py
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from lensfit.datasets import _files, _scale
from lensfit.errors import DataError

_SCALE_NAMES = ("pixel_scale", "ps")
_MATRIX_NAME = "transform_pix2angle"


class Images(Protocol):
    """What the readers ask of an open file."""

    path: Path
    names: list[str]

    def array(self, name: str) -> np.ndarray: ...
    def unit(self, name: str) -> str | None: ...
    def scales(self, name: str) -> tuple[_scale.Scale, ...]: ...
    def wcs(self, name: str) -> WCS | None: ...
    def header(self, name: str) -> Mapping[str, Any]: ...
    def remarks(self) -> list[str]: ...


@contextmanager
def open_images(path: Path) -> Iterator[Images]:
    """Open a file of any known format.

    Raises:
        DataError: it is missing, of another format, corrupt, cut short or too large.
    """
    opener = {"FITS": _open_fits, "npz": _open_npz, "HDF5": _open_hdf5}[_files.file_format(path)]
    with opener(path) as images:
        yield images


class FitsImages:
    """The image extensions of an open FITS file."""

    def __init__(self, path: Path, hdus: Any, caught: list[warnings.WarningMessage]):
        self.path = path
        self._hdus = hdus
        self._caught = caught
        self._images: dict[str, Any] = {_label(hdu): hdu for hdu in hdus if hdu.is_image and hdu.shape}
        self.names = list(self._images)

    def array(self, name: str) -> np.ndarray:
        hdu = self._images[name]
        _files.check_size(8 * math.prod(hdu.shape), f"{self.path}[{name}]")
        with _files.reading(self.path, f"FITS extension {name}"):
            return np.asarray(hdu.data)

    def unit(self, name: str) -> str | None:
        return str(self._images[name].header.get("BUNIT", "")).strip() or None

    def scales(self, name: str) -> tuple[_scale.Scale, ...]:
        wcs = self.wcs(name)
        with _files.reading(self.path, f"pixel scale of {name}"):
            return _scale.header_scales(self._images[name].header, wcs, f"{self.path}[{name}]")

    def wcs(self, name: str) -> WCS | None:
        with _files.reading(self.path, f"WCS of {name}"):
            return _scale.celestial_wcs(self._images[name].header, self._hdus)

    def header(self, name: str) -> Mapping[str, Any]:
        return dict(self._hdus[0].header) | dict(self._images[name].header)

    def remarks(self) -> list[str]:
        return [f"{self.path}: astropy warns: {message}" for message in _messages(self._caught)]


def _label(hdu: Any) -> str:
    return hdu.name if hdu.ver == 1 else f"{hdu.name},{hdu.ver}"


@contextmanager
def _open_fits(path: Path) -> Iterator[FitsImages]:
    with _files.unpacked(path) as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        with _files.reading(path, "FITS"):
            hdus = fits.open(file, memmap=False, lazy_load_hdus=False)
        with hdus:
            for hdu in list[Any](hdus):
                _check_complete(hdu.fileinfo(), hdu.name, size, path)
            for message in _messages(caught):
                if "validating header" in message:
                    raise DataError(f"{path}: a header is corrupt or cut short ({message}); fetch it again")
            yield FitsImages(path, hdus, caught)


def _messages(caught: list[warnings.WarningMessage]) -> list[str]:
    return [" ".join(str(warning.message).split()) for warning in caught]


def _check_complete(info: dict[str, Any], name: str, size: int, path: Path) -> None:
    promised = info["datLoc"] + info["datSpan"]
    if promised > size:
        raise DataError(
            f"{path}[{name}]: the header promises {promised} bytes, the file holds {size}; it was cut short "
            "or its header is wrong, fetch it again"
        )


class NamedArrays:
    """The arrays of an open npz or HDF5 file."""

    def __init__(self, path: Path, members: Mapping[str, Any], sizes: Mapping[str, int]):
        self.path = path
        self.names = list(sizes)
        self._members = members
        self._sizes = sizes

    def array(self, name: str) -> np.ndarray:
        where = f"{self.path}[{name}]"
        _files.check_size(self._sizes[name], where)
        with _files.reading(self.path, f"array {name}"):
            try:
                return np.asarray(self._members[name][()])
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
                raise DataError(
                    f"{where}: holds pickled Python objects, which can run code and are never loaded; "
                    "save it as a plain array of floats"
                ) from error

    def unit(self, name: str) -> str | None:
        return None

    def scales(self, name: str) -> tuple[_scale.Scale, ...]:
        found = [self._stated(key) for key in _SCALE_NAMES if key in self.names]
        if _MATRIX_NAME in self.names:
            matrix = self.array(_MATRIX_NAME)
            if matrix.shape != (2, 2):
                raise DataError(f"{self.path}[{_MATRIX_NAME}]: shape {matrix.shape}; give a 2 x 2 matrix")
            sides = np.hypot(matrix[0], matrix[1])
            found.append(_scale.Scale(f"{self.path}[{_MATRIX_NAME}]", float(sides[0]), float(sides[1])))
        return tuple(found)

    def _stated(self, name: str) -> _scale.Scale:
        value = self.array(name)
        if value.size != 1 or value.dtype.kind not in "iuf":
            raise DataError(f"{self.path}[{name}]: {value!r} is no pixel scale; store one number in arcsec")
        return _scale.Scale(f"{self.path}[{name}]", value.item(), value.item())

    def wcs(self, name: str) -> WCS | None:
        return None

    def header(self, name: str) -> Mapping[str, Any]:
        return {}

    def remarks(self) -> list[str]:
        return []


@contextmanager
def _open_npz(path: Path) -> Iterator[NamedArrays]:
    with _files.reading(path, "npz"), ZipFile(path) as archive:
        sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
    with np.load(path, allow_pickle=False) as members:
        yield NamedArrays(path, members, sizes)


@contextmanager
def _open_hdf5(path: Path) -> Iterator[NamedArrays]:
    with _files.reading(path, "HDF5"):
        file = h5py.File(path, "r")
    with file:
        sizes: dict[str, int] = {}

        def collect(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                sizes[name] = 8 * math.prod(item.shape)

        with _files.reading(path, "HDF5"):
            file.visititems(collect)
        yield NamedArrays(path, file, sizes)
