"""A folder held by one process: a file `lock` in it names the host and the process."""
from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lensfit.errors import LensfitError
from lensfit.whole_files import unwritable

LOCK = "lock"
"""Name of the file."""
FOREIGN = "was written by no run of lensfit; move it away, or choose another folder"
LONGEST = 4096
"""Characters that are read of it."""


@contextmanager
def held(folder: Path, refusal: type[LensfitError]) -> Iterator[None]:
    """Hold a folder that is there.

    The system lets go of the lock of a process that dies, so on one host it cannot go stale. Where another
    host's name is still in it, only the user can know whether that process is gone.

    Raises `refusal` where another process holds it, or the file cannot be written.
    """
    path = folder / LOCK
    with _locked(path, refusal) as file:
        found, here = _holder(file), socket.gethostname()
        if found is None:
            raise refusal(f"{path}: {FOREIGN}")
        if found and f"host {here}" != found.partition(",")[0]:
            raise refusal(f"{folder}: in use by {found}; if that process is gone, remove {path}")
        try:
            file.truncate(0)
            file.write(json.dumps({"host": here, "process": os.getpid()}))
            file.flush()
        except OSError as error:
            path.unlink(missing_ok=True)
            raise unwritable(path, error, refusal) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, refusal: type[LensfitError]) -> Iterator[IO[str]]:
    """The file, locked: that which lies there, and not one that its holder has removed meanwhile."""
    while True:
        try:  # a link is not followed
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError as error:
            raise unwritable(path, error, refusal) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # a pipe, a device
            os.close(handle)
            raise refusal(f"{path}: {FOREIGN}")
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                told = f"{path.parent}: in use by {_holder(file)}; wait for it, or choose another folder"
                raise refusal(told) from error
            except OSError as error:  # a file system without locks
                raise unwritable(path, error, refusal) from error
            if os.path.lexists(path) and os.path.samestat(path.lstat(), os.fstat(handle)):
                yield file
                return


def _holder(file: IO[str]) -> str | None:
    """Host and process that the file names, in words; empty where it is empty, None where it is another file."""
    file.seek(0)
    text = file.read(LONGEST)
    try:
        if not text:
            return ""
        told = json.loads(text)
        return f"host {told['host']}, process {told['process']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
