"""Files that appear whole or not at all, also where a write is interrupted or the disk is full."""
from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lensfit.errors import DataError, LensfitError

PART = ".[0-9]*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
"""Beginning, as a pattern, of the name of a file that is being written."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when all went well, and is gone when not."""
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(2)}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        if temporary.exists():  # on a disk that is read-only even removing nothing is an error
            temporary.unlink(missing_ok=True)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """As `replacing`, of one file that a user asked for. Raises DataError where it cannot be written."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def appearing(folder: Path, last: str) -> Iterator[Path]:
    """A folder of the same name, whose files move into `folder` when all went well; `last` is the last.

    Raises:
        DataError: the folder cannot be made or written to, also by what fills it.
    """
    with gathered(folder) as made:
        yield made
        move(made, folder, last)


@contextmanager
def gathered(folder: Path) -> Iterator[Path]:
    """A folder of the same name inside `folder`, removed in the end with what was not moved out of it.

    Raises:
        DataError: the folder cannot be made or written to, also by what fills it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".lensfit-") as name:
            made = Path(name) / folder.resolve().name
            made.mkdir()
            yield made
    except OSError as error:
        raise unwritable(folder, error) from error


def move(made: Path, folder: Path, last: str) -> None:
    """Move files of one folder into another, the file `last` after all others."""
    for file in sorted(made.iterdir(), key=lambda file: file.name == last):
        file.replace(folder / file.name)


def unwritable(
    path: Path, error: OSError, refusal: type[LensfitError] = DataError, more: str = ""
) -> LensfitError:
    """What is told where a folder or file cannot be written: the reason, the remedy and what `more` says."""
    reason = error.strerror or str(error).partition("\n")[0]
    return refusal(f"{path}: cannot be written ({reason}); make room, or choose another folder{more}")
