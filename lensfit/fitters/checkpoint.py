"""The durable store of fits under way: what is in it survives kill -9, power failure and a full disk."""
from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters._base import Fitter, State
from lensfit.fitters._identity import difference, identity
from lensfit.fitters._lock import locked
from lensfit.problem import Problem

MANIFEST, FORMAT = "manifest.json", 1
GENERATIONS = 2
STATES = "[0-9]" * 8 + ".*"
"""The files of states in a store."""
logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True)
class Store:
    """A folder with the state of one fit, kept every `interval` seconds; the last two states stay.

    A state is NumPy arrays (npz), what JSON holds, and files of the fitter's library; nothing is a pickle of
    lensfit's. `manifest.json` names the files with their sha256 and what the fit is of; it is replaced
    atomically after they are on disk.
    """

    folder: Path | str
    interval: float = 30.0

    @contextmanager
    def opened(self, problem: Problem, fitter: Fitter, seed: int, start: np.ndarray | None) -> Iterator[Session]:
        """The store while one fit runs. The first Ctrl-C stops it at its next safe point, the second at once.

        Raises FitError where the folder is in use, cannot be written, or holds the state of another fit.
        """
        folder = Path(self.folder)
        fresh = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            with locked(folder):
                session = Session(folder, self.interval, identity(problem, fitter, seed, start))
                session.check()
                before = signal.getsignal(signal.SIGINT)
                try:
                    yield session
                finally:
                    if session.listening:
                        signal.signal(signal.SIGINT, before)
        finally:
            if fresh and not (folder / MANIFEST).exists():
                _remove(folder)

    def discard(self) -> None:
        """Remove what the store keeps, once its fit is over."""
        folder = Path(self.folder)
        if folder.is_dir():
            with locked(folder):
                _remove(folder)


class Session:
    """A store that a fit writes to."""

    def __init__(self, folder: Path, interval: float, of: dict[str, Any]) -> None:
        self.folder, self.interval, self.identity = folder, interval, of
        self.generations: list[dict[str, Any]] = []
        self.listening = self.stopping = False
        self.saved = time.monotonic()

    def check(self) -> None:
        """Read the manifest. Raises FitError where it is of another fit or no manifest of lensfit's."""
        manifest = _read_manifest(self.folder)
        if manifest is None:
            return
        told = difference(manifest["identity"], self.identity)
        if told:
            raise FitError(f"{self.folder}: holds the state of another fit ({told}); repeat that one, or choose "
                           "another folder")
        self.generations = manifest["generations"]

    def load(self) -> State | None:
        """The last state that is whole, None where there is none yet. Raises FitError where all are damaged."""
        for generation in self.generations:
            try:
                return _read(self.folder, generation["files"])
            except (OSError, ValueError, KeyError) as error:
                logger.warning("%s: state %d is damaged (%s)", self.folder, generation["number"], error)
        if self.generations:
            raise FitError(f"{self.folder}: every state in it is damaged; choose another folder to begin again")
        return None

    def offer(self, make: Callable[[], State]) -> None:
        """Keep the state that `make` gives, where an interval has passed or the user asked to stop."""
        self._listen()
        if not self.stopping and time.monotonic() - self.saved < self.interval:
            return
        self.save(make())
        if self.stopping:
            raise KeyboardInterrupt(f"the state is in {self.folder}; to go on, repeat the fit (lensfit fit: --resume)")

    def _listen(self) -> None:
        """From the first safe point on, let the first Ctrl-C ask for a stop; only a main thread may."""
        if self.listening or threading.current_thread() is not threading.main_thread():
            return

        def ask(*_: object) -> None:
            self.stopping = True
            signal.signal(signal.SIGINT, signal.default_int_handler)
            logger.warning("stopping at the next safe point; Ctrl-C again stops at once")

        signal.signal(signal.SIGINT, ask)
        self.listening = True

    def save(self, state: State) -> None:
        """Keep a state. Raises FitError, with the earlier states intact, where it cannot be written."""
        number = 1 + max((g["number"] for g in self.generations), default=0)
        contents = {f"{number:08d}.{name}": data for name, data in _contents(state).items()}
        generation = {
            "number": number,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        }
        kept = [generation, *self.generations][:GENERATIONS]
        manifest = {"format": FORMAT, "identity": self.identity, "generations": kept}
        try:
            for name, data in contents.items():
                _write(self.folder / name, data)
            _write(self.folder / f".{MANIFEST}", json.dumps(manifest, indent=1).encode())
            _flush_folder(self.folder)
            (self.folder / f".{MANIFEST}").replace(self.folder / MANIFEST)
            _flush_folder(self.folder)
        except OSError as error:
            for name in (*contents, f".{MANIFEST}"):
                (self.folder / name).unlink(missing_ok=True)
            raise _unwritable(self.folder, error) from error
        self.generations = kept
        self.saved = time.monotonic()
        listed = _listed(manifest)
        for path in self.folder.glob(STATES):
            if path.name not in listed:
                path.unlink()


def _remove(folder: Path) -> None:
    """Remove what stores write into a folder, and the folder where nothing else is in it."""
    for path in [*folder.glob(STATES), *(folder / name for name in (MANIFEST, f".{MANIFEST}", "lock"))]:
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _contents(state: State) -> dict[str, bytes]:
    """The files of a state by name: arrays.npz, values.json, and one for each value that is bytes."""
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    files = {f"{name}.file": value for name, value in state.items() if isinstance(value, bytes)}
    values = {name: value for name, value in state.items() if not isinstance(value, (np.ndarray, bytes))}
    assert not [name for name, value in arrays.items() if value.dtype.hasobject], "no pickles"
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]
    return files | {"values.json": json.dumps(values).encode(), "arrays.npz": stream.getvalue()}


def _read(folder: Path, files: dict[str, str]) -> State:
    state: State = {}
    for name, digest in files.items():
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{name} is not what was written")
        kind = name.partition(".")[2]
        if kind == "arrays.npz":
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                state |= {key: arrays[key] for key in arrays.files}
        elif kind == "values.json":
            state |= json.loads(data)
        else:
            state[kind.removesuffix(".file")] = data
    return state


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_bytes())
        if manifest["format"] == FORMAT and isinstance(manifest["identity"], dict) and _listed(manifest):
            return manifest
    except (ValueError, KeyError, TypeError):
        pass
    raise FitError(f"{path}: is no manifest of this lensfit's checkpoints; choose another folder")


def _listed(manifest: dict[str, Any] | None) -> set[str]:
    return {name for generation in (manifest or {"generations": []})["generations"] for name in generation["files"]}


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(folder: Path, error: OSError) -> FitError:
    return FitError(f"{folder}: the state of the fit cannot be written ({error.strerror}); states kept before are "
                    "intact: make room or choose another folder, and repeat the fit to go on")
