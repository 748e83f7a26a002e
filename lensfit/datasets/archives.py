"""The arrays of npz and HDF5 files, each with what it promises and what is stored of it before any is read."""
from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, ZipInfo

import numpy as np

from lensfit.errors import DataError

if TYPE_CHECKING:
    import h5py

MOST_MEMBERS = 10_000
"""Arrays and groups of an archive."""
DEEPEST = 20
"""Groups within groups."""

npy: Any = np.lib.format
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class Member(ABC):
    """One array of an archive that is not yet read."""

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Bytes that the array fills, as float64 where its numbers have fewer, and bytes that are stored of it.

        Raises ValueError, OSError or DataError where its description cannot be believed.
        """

    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of the array. Raises what `size` does."""

    @abstractmethod
    def read(self) -> np.ndarray:
        """The array, once its size is known."""


class _NpzMember(Member):
    def __init__(self, archive: ZipFile, info: ZipInfo):
        self.archive, self.info = archive, info

    def _header(self) -> tuple[tuple[int, ...], np.dtype, int]:
        """Shape, type and the place at which the numbers begin."""
        with self.archive.open(self.info) as file:
            version = npy.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"npy version {version}, known are {', '.join(map(str, _HEADERS))}")
            shape, _, dtype = _HEADERS[version](file)
            return shape, dtype, file.tell()

    def shape(self) -> tuple[int, ...]:
        return self._header()[0]

    def size(self) -> tuple[int, int]:
        shape, dtype, start = self._header()
        if dtype.hasobject:
            raise DataError(
                f"{self.archive.filename}[{self.info.filename.removesuffix('.npy')}]: holds pickled Python objects, "
                "which can run code and are never loaded; save it as a plain array of floats"
            )
        count = math.prod(shape)
        if min(shape, default=0) < 0 or start + count * dtype.itemsize != self.info.file_size:
            raise ValueError(f"shape {shape} of {dtype} does not fill its {self.info.file_size - start} bytes")
        return count * max(8, dtype.itemsize), self.info.compress_size

    def read(self) -> np.ndarray:
        with self.archive.open(self.info) as file:
            array = npy.read_array(file, allow_pickle=False)
            file.read(1)  # its end, where the checksum is compared
        return array


@contextmanager
def npz_members(path: Path) -> Iterator[dict[str, Member]]:
    """The arrays of an npz file by name; raises whatever zipfile does."""
    with ZipFile(path) as archive:
        infos = archive.infolist()
        _check_number(len(infos), path)
        yield {info.filename.removesuffix(".npy"): _NpzMember(archive, info) for info in infos}


class _Hdf5Member(Member):
    def __init__(self, path: Path, dataset: h5py.Dataset):
        self.path, self.dataset = path, dataset

    def size(self) -> tuple[int, int]:
        dataset = self.dataset
        if dataset.is_virtual or dataset.external:
            raise DataError(
                f"{self.path}[{dataset.name}]: its numbers are in other files, which are not followed; copy them into "
                "this one"
            )
        stored = dataset.id.get_storage_size()
        itemsize = max(8, dataset.id.get_type().get_size())
        chunk = itemsize * math.prod(dataset.chunks or (0,))
        return max(itemsize * math.prod(dataset.shape or (0,)), chunk), stored

    def shape(self) -> tuple[int, ...]:
        return tuple(self.dataset.shape or ())

    def read(self) -> np.ndarray:
        return np.asarray(self.dataset[()])


@contextmanager
def hdf5_members(path: Path) -> Iterator[dict[str, Member]]:
    """The datasets of an HDF5 file by name, those in groups too; links are not followed. Raises what h5py does."""
    import h5py  # it takes long to load

    with h5py.File(path, "r") as file:
        members: dict[str, Member] = {}
        for number, (name, item) in enumerate(_items(file, "", DEEPEST, path), 1):
            _check_number(number, path)
            if isinstance(item, h5py.Dataset):
                members[name] = _Hdf5Member(path, item)
        yield members


def _items(group: Any, prefix: str, deepest: int, path: Path) -> Iterator[tuple[str, Any]]:
    import h5py

    if deepest < 0:
        raise DataError(f"{path}: groups within groups, more than {DEEPEST} deep; put the arrays of the lens on top")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        yield prefix + name, item
        if isinstance(item, h5py.Group):
            yield from _items(item, f"{prefix}{name}/", deepest - 1, path)


def _check_number(number: int, path: Path) -> None:
    if number > MOST_MEMBERS:
        raise DataError(f"{path}: more than {MOST_MEMBERS} arrays and groups; keep those of the lens alone")
