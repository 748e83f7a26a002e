"""One process at a time in a folder."""
from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lensfit.errors import FitError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, a file that names the host and the process.

    The system lets go of the lock of a process that dies, so on one host it cannot go stale. Where another
    host's name is still in it, only the user can know whether that process is gone.

    Raises FitError where another process holds it.
    """
    path = folder / "lock"
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise FitError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FitError(f"{folder}: in use by {_holder(path)}; wait for it, or choose another folder") from error
        found, here = _holder(path), socket.gethostname()
        if found and f"host {here}" != found.partition(",")[0]:
            raise FitError(f"{folder}: in use by {found}; if that process is gone, remove {path}")
        file.truncate(0)
        file.write(json.dumps({"host": here, "process": os.getpid()}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _holder(path: Path) -> str:
    """Host and process that the file names, in words; empty where it names none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"host {told['host']}, process {told['process']}"
    except (ValueError, KeyError, TypeError):
        return ""
