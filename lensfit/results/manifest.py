"""What lensfit wrote into a run folder: manifest.json lists each file with its length and checksum.

A file that is not listed, or is no longer as it was listed, is the user's: it is neither replaced nor removed.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lensfit.errors import DataError
from lensfit.lock import LOCK
from lensfit.whole_files import gathered, move, replacing

MANIFEST = "manifest.json"
SCHEMA, SCHEMA_VERSION = "lensfit.manifest", 1


@dataclasses.dataclass(frozen=True)
class Written:
    """The first `bytes` of a file as they were written; more may follow in one that `grows`, as a log does."""

    bytes: int
    sha256: str
    grows: bool = False

    @classmethod
    def of(cls, path: Path, grows: bool = False) -> Written:
        """A file as it is now."""
        content = path.read_bytes()
        return cls(len(content), hashlib.sha256(content).hexdigest(), grows)

    def still(self, path: Path) -> bool:
        """Whether a file is as it was written; a link is not."""
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size < self.bytes:
            return False
        if found.st_size > self.bytes and not self.grows:
            return False
        with path.open("rb") as file:
            return hashlib.sha256(file.read(self.bytes)).hexdigest() == self.sha256


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The files of a run folder by name, each as it was written, or as it was and is about to be."""

    folder: Path
    files: dict[str, tuple[Written, ...]]

    @classmethod
    def of(cls, folder: Path) -> Manifest | None:
        """That of a folder, None where it has none. Raises DataError where it is not one of lensfit's."""
        path = folder / MANIFEST
        try:
            text = path.read_text(encoding="utf-8") if stat.S_ISREG(path.lstat().st_mode) else ""
            content = json.loads(text)
            if (content["schema"], content["version"]) != (SCHEMA, SCHEMA_VERSION):
                raise ValueError(SCHEMA)
            return cls(folder, {name: _states(name, rows) for name, rows in content["files"].items()})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DataError(f"{path}: does not list the files of a run; choose another folder") from error

    def owns(self, name: str) -> bool:
        """Whether a file that is there is as lensfit wrote it."""
        return any(written.still(self.folder / name) for written in self.files.get(name, ()))

    def check(self, names: Iterable[str]) -> None:
        """Raise DataError where one of these files is there and is the user's."""
        for name in sorted(names):
            path = self.folder / name
            if os.path.lexists(path) and not self.owns(name):
                told = "is not what an earlier run wrote" if name in self.files else "was written by no run"
                raise DataError(f"{path}: {told}; move it away, or choose another folder")

    def with_files(self, new: dict[str, Written]) -> Manifest:
        """Written with more files, or more states of the same."""
        files = self.files | {name: (*self.files.get(name, ()), written) for name, written in new.items()}
        return dataclasses.replace(self, files=files).written()

    def settled(self) -> Manifest:
        """Written with what is there, each file in the one state that it is in."""
        found: dict[str, tuple[Written, ...]] = {}
        for name, states in self.files.items():
            path = self.folder / name
            if path.is_file() and (now := [written for written in states if written.still(path)]):
                found[name] = (now[-1],)
        return dataclasses.replace(self, files=found).written()

    def written(self) -> Manifest:
        """Write manifest.json."""
        rows = {name: [vars(written) for written in states] for name, states in sorted(self.files.items())}
        content = {"schema": SCHEMA, "version": SCHEMA_VERSION, "files": rows}
        with replacing(self.folder / MANIFEST) as path:
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return self


def _states(name: str, rows: list[dict[str, Any]]) -> tuple[Written, ...]:
    if Path(name).name != name:
        raise ValueError(name)
    return tuple(Written(int(row["bytes"]), str(row["sha256"]), bool(row["grows"])) for row in rows)


def check_run(folder: Path, names: Iterable[str]) -> None:
    """Raise DataError where a folder holds files and is not that of a run, or holds others of these names."""
    if not folder.is_dir() or all(path.name == LOCK for path in folder.iterdir()):
        return
    manifest = Manifest.of(folder)
    if manifest is None:
        raise DataError(f"{folder}: holds files, and is not the folder of a run ({MANIFEST} is missing); choose "
                        "another folder as --out")
    manifest.check({*names, *manifest.files})


def enlist(folder: Path, name: str, grows: bool = False) -> None:
    """List a file that this run has begun; one that grows may have begun in an earlier run."""
    manifest = Manifest.of(folder) or Manifest(folder, {})
    manifest.with_files({name: Written.of(folder / name, grows)}).settled()


@contextmanager
def replacing_listed(path: Path) -> Iterator[Path]:
    """As `replacing`, for a file of a run folder: it is listed there, and a user's own file stays.

    Raises DataError where there is one.
    """
    manifest = Manifest.of(path.parent)
    with replacing(path) as temporary:
        yield temporary
        if manifest is not None:
            manifest.check([path.name])
            manifest = manifest.with_files({path.name: Written.of(temporary)})
    if manifest is not None:
        manifest.settled()


@contextmanager
def renewing(folder: Path, last: str) -> Iterator[Path]:
    """A folder whose files take the place of those of an earlier run when all went well; `last` is the last.

    Logs of a run stay, as do all files that are not listed.

    Raises:
        DataError: the folder cannot be written to, or holds a user's file of the same name.
    """
    with gathered(folder) as made:
        yield made
        manifest = Manifest.of(folder) or Manifest(folder, {})
        new = {file.name: Written.of(file) for file in made.iterdir()}
        manifest.check(new)
        old = {name for name, states in manifest.files.items() if not any(written.grows for written in states)}
        gone = [name for name in sorted(old, key=lambda name: name != last)
                if (folder / name).is_file() and manifest.owns(name)]  # fmt: skip
        manifest = manifest.with_files(new)
        for name in gone:
            if name == last or name not in new:
                (folder / name).unlink()
        move(made, folder, last)
        manifest.settled()
