"""Compiled programs that JAX keeps from one run to the next, with their checksums: what is damaged is made anew.

JAX runs what lies in its cache as it lies there: of one flipped bit some programs die, and what it cannot read it
warns of in every run and never replaces. Its own names of files are kept.
"""
from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from lensfit.cache_files import SEAL, CacheFolder

END = "-cache"
"""End of the name of a file that holds a program."""
INTERNALS = "jax._src.compilation_cache"
"""Where JAX makes its cache: there is no public way to give it another one."""

_APART: ContextVar[bool] = ContextVar("_APART", default=False)


@contextmanager
def apart() -> Iterator[None]:
    """Compile here whatever is kept, and keep nothing: what JAX has read from a cache it cannot write a second time."""
    token = _APART.set(True)
    try:
        yield
    finally:
        _APART.reset(token)


def keeps_checked() -> bool:
    """Whether JAX keeps programs in `Programs`."""
    internals: Any = importlib.import_module(INTERNALS)
    return getattr(getattr(internals, "get_file_cache", None), "__module__", "") == __name__


class Programs:
    """A cache as JAX asks for one, of at most `limit` bytes (-1: no limit)."""

    def __init__(self, path: Path, limit: int = -1) -> None:
        self._path = path  # JAX names it in its log
        self.folder, self.limit = CacheFolder(path), limit
        self.writable = True

    def get(self, key: str) -> bytes | None:
        """The program of a key, None where there is none that is whole and the user's own."""
        if _APART.get():
            return None
        found = self.folder.read(f"{key}{END}")
        if found is not None and self.limit >= 0:
            self._used(key)
        return found

    def put(self, key: str, value: bytes) -> None:
        """Keep a program, in place of a damaged one; where that cannot be done, it is told once."""
        if _APART.get() or not self.writable or 0 <= self.limit < len(value) or self.get(key) is not None:
            return
        self.writable = self.folder.write(f"{key}{END}", value)
        if self.limit >= 0:
            self._make_room()

    def _used(self, key: str) -> None:
        try:
            os.utime(self.folder.path / f"{key}{END}")
        except OSError:  # of a folder that cannot be written nothing will be removed either
            self.writable = False

    def _make_room(self) -> None:
        """Remove the programs that were not used for longest."""
        found = sorted(((p.stat(), p) for p in self.folder.path.glob(f"*{END}")), key=lambda item: item[0].st_mtime)
        size = sum(status.st_size for status, _ in found)
        for status, path in found:
            if size <= self.limit:
                return
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}{SEAL}").unlink(missing_ok=True)
            size -= status.st_size


def check_programs() -> bool:
    """Have JAX keep programs in `Programs` from now on; False where this version of JAX has no place for it."""
    internals: Any = importlib.import_module(INTERNALS)
    theirs = getattr(internals, "get_file_cache", None)
    if theirs is None or not hasattr(internals, "reset_cache"):
        return False
    if not keeps_checked():
        internals.get_file_cache = _opener(theirs)
        internals.reset_cache()  # one that was opened before is not checked
    return True


def _opener(theirs: Any) -> Any:
    def get_file_cache(path: str) -> tuple[Any, str] | None:
        """What JAX calls once for a folder; one in a cloud is left to JAX."""
        if "://" in path:
            return theirs(path)
        limit = importlib.import_module("jax").config.jax_compilation_cache_max_size
        return Programs(Path(path), limit), path

    return get_file_cache
