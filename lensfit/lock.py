"""A folder held by one process: a file `lock` in it names the host and the process."""
from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lensfit.errors import LensfitError

LOCK = "lock"
"""Name of the file."""


@contextmanager
def held(folder: Path, refusal: type[LensfitError]) -> Iterator[None]:
    """Hold a folder that is there.

    The system lets go of the lock of a process that dies, so on one host it cannot go stale. Where another
    host's name is still in it, only the user can know whether that process is gone.

    Raises `refusal` where another process holds it, or the file cannot be written.
    """
    path = folder / LOCK
    with _locked(path, refusal) as file:
        found, here = _holder(path), socket.gethostname()
        if found and f"host {here}" != found.partition(",")[0]:
            raise refusal(f"{folder}: in use by {found}; if that process is gone, remove {path}")
        try:
            file.truncate(0)
            file.write(json.dumps({"host": here, "process": os.getpid()}))
            file.flush()
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, refusal: type[LensfitError]) -> Iterator[IO[str]]:
    """The file, locked: that which lies there, and not one that its holder has removed meanwhile."""
    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            told = f"{path}: cannot be written ({error.strerror}); choose another folder"
            raise refusal(told) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                told = f"{path.parent}: in use by {_holder(path)}; wait for it, or choose another folder"
                raise refusal(told) from error
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                yield file
                return


def _holder(path: Path) -> str:
    """Host and process that the file names, in words; empty where it names none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"host {told['host']}, process {told['process']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
