"""Files before their content is trusted: what they are, their hash, and how large they may grow."""

import gzip
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lensfit.errors import DataError

MAX_BYTES = 2**30
"""Largest content of a compressed file, and largest single array as float64, that is read."""

_MAGIC = {b"SIMPLE": "FITS", b"\x1f\x8b": "FITS", b"PK\x03\x04": "npz", b"\x89HDF": "HDF5"}


def file_format(path: Path) -> str:
    """'FITS' (also gzipped), 'npz' or 'HDF5', judged by the first bytes.

    Raises:
        DataError: the file is missing or is none of these.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path")
    with path.open("rb") as file:
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
        with reading(path, "gzip"), gzip.open(file) as stream:
            content = stream.read(MAX_BYTES + 1)
    check_size(len(content), str(path))
    yield io.BytesIO(content)


def check_size(number_of_bytes: int, where: str) -> None:
    """Raise DataError where more is promised than MAX_BYTES."""
    if number_of_bytes > MAX_BYTES:
        raise DataError(
            f"{where}: holds or promises more than {MAX_BYTES / 2**30:.3g} GiB, too much for the image of a "
            "lens; cut out the lens first, or distrust the file"
        )


@contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
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
