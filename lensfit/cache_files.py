"""Files of a cache on disk: what is read is what this user wrote there, bit for bit; anything else is not there.

Compiled code is run. So each file has its checksum beside it, both must be the user's own and nobody else's to
write, and what was read is what was checked: a damaged file is a missing one, and is made anew.
"""
from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import stat
import sys
import tempfile
import warnings
from pathlib import Path

SEAL = ".sha256"
"""End of the name of a file that holds the checksum of another, as `sha256sum` writes it."""
_TOLD: set[str] = set()
"""Reasons for which nothing can be kept that this process was told of."""
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclasses.dataclass(frozen=True)
class CacheFolder:
    """A folder of such files; it is made by the first that is written."""

    path: Path

    def names(self, beginning: str) -> list[str]:
        """Names of the files that begin so, whole or not."""
        try:
            found = sorted(entry.name for entry in os.scandir(self.path))
        except OSError:
            return []
        return [name for name in found if name.startswith(beginning) and not name.endswith(SEAL)]

    def read(self, name: str) -> bytes | None:
        """The content of a file, None where it is missing, damaged or not the user's own."""
        content, seal = own_bytes(self.path / name), own_bytes(self.path / f"{name}{SEAL}")
        return content if content is not None and seal == _seal(name, content) else None

    def write(self, name: str, content: bytes) -> bool:
        """Keep a file, and say whether that could be done; where it cannot, a warning says so once."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path, data in ((name, content), (f"{name}{SEAL}", _seal(name, content))):
                if _is_of_others(self.path / path):
                    raise PermissionError(errno.EPERM, f"{path} is another user's")
                _write_whole(self.path / path, data)
        except OSError as error:
            _tell_once(_standing(self.path), error.strerror or str(error))
            return False
        return True


def own_bytes(path: Path) -> bytes | None:
    """The content of a regular file that this user owns and nobody else may write, else None."""
    try:
        handle = os.open(path, _OPEN)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not _is_own(os.fstat(handle)):
            return None
        try:
            return file.read()
        except OSError:  # the disk cannot read it: that is damage too
            return None


def _is_own(found: os.stat_result) -> bool:
    if not stat.S_ISREG(found.st_mode):
        return False
    return sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)


def _is_of_others(path: Path) -> bool:
    """Whether another user keeps that file: two would replace each other's for ever."""
    return sys.platform != "win32" and path.exists() and path.lstat().st_uid != os.geteuid()


def _seal(name: str, content: bytes) -> bytes:
    """The checksum of a file under its name: under another one it is damaged."""
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole, for this user alone, and leave nothing behind where that fails."""
    handle, new = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def _standing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def _tell_once(folder: Path, reason: str) -> None:
    """Warn of a folder that cannot be written; of others no more, if the reason is the same."""
    if reason in _TOLD:
        return
    _TOLD.add(reason)
    warnings.warn(
        f"{folder}: what is compiled cannot be kept there ({reason}), and every run compiles it anew; make room or "
        "the folder writable, or set XDG_CACHE_HOME to another one",
        RuntimeWarning, stacklevel=3,
    )  # fmt: skip
