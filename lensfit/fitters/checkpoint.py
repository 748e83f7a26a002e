"""The durable store of fits under way: what is in it survives kill -9, power failure and a full disk."""
from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import pickle
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lensfit import version
from lensfit.errors import FitError
from lensfit.fitters.base import Fitter, State
from lensfit.lock import held
from lensfit.outside import json_of, text_of, unreadable
from lensfit.problem import Problem
from lensfit.whole_files import PART, replacing, unwritable

MANIFEST, FORMAT = "manifest.json", 1
GENERATIONS = 2
STATES = "[0-9]" * 8 + ".*"
"""The files of states in a store."""
NAMED = re.compile(r"[0-9]{8,20}\.[\w.]+")
"""Their names in a manifest."""
LONGEST = 2**29
"""Bytes of the longest file of a state that is read."""
VERSIONED = ("jax", "jaxlib", "numpy", "scipy")
"""Packages whose version every resumed fit needs to be the same, beside those the fitter names."""
_KEPT = "; states of the fit kept before are intact, repeat it to go on"
logger = logging.getLogger("lensfit")


@dataclasses.dataclass(frozen=True)
class Store:
    """A folder with the state of one fit, kept every `interval` seconds; the last two states stay.

    A state is NumPy arrays (npz), what JSON holds, and files of the fitter's library; nothing is a pickle of
    lensfit's. `manifest.json` names the files with their sha256 and what the fit is of; it is replaced
    atomically before they get their names and after they are on disk. No other file is touched.

    Attributes:
        folder: where the states lie.
        interval: seconds between two of them.
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
            raise unwritable(folder, error, FitError, _KEPT) from error
        try:
            with held(folder, FitError):
                session = Session(folder, self.interval, identity(problem, fitter, seed, start))
                session.check()
                before = signal.getsignal(signal.SIGINT)
                try:
                    yield session
                finally:
                    if session.listening:
                        signal.signal(signal.SIGINT, before)
        finally:
            if fresh and not any(folder.iterdir()):
                folder.rmdir()

    def discard(self) -> None:
        """Remove what the store keeps, once its fit is over."""
        folder = Path(self.folder)
        if not folder.is_dir():
            return
        with held(folder, FitError):
            manifest = _read_manifest(folder)
            if manifest is not None:
                _remove(folder, _listed(manifest))
                (folder / MANIFEST).unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


class Session:
    """A store that a fit writes to."""

    def __init__(self, folder: Path, interval: float, of: dict[str, Any]) -> None:
        self.folder, self.interval, self.identity = folder, interval, of
        self.generations: list[dict[str, Any]] = []
        self.passing: list[dict[str, Any]] = []
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
        self.generations, self.passing = manifest["generations"], manifest.get("passing", [])

    def load(self) -> State | None:
        """The last state that is whole, None where there is none yet. Raises FitError where all are damaged."""
        for generation in self.generations:
            try:
                return _read(self.folder, generation["files"])
            except Exception as error:  # whatever numpy and json raise on what was not written so
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
        there = [int(path.name[:8]) for path in self.folder.glob(STATES)]
        number = 1 + max([*there, *(g["number"] for g in self.generations)], default=0)
        contents = {f"{number:08d}.{name}": data for name, data in _contents(state).items()}
        generation = {
            "number": number,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        }
        kept = [generation, *self.generations][:GENERATIONS]
        gone = [*self.passing, *self.generations[GENERATIONS - 1 :]]
        try:
            self._list(self.generations, [generation, *self.passing])
            for name, data in contents.items():
                _write(self.folder / name, data)
            self._list(kept, gone)
        except BaseException as error:
            for name in (*contents, *(() if self.generations else (MANIFEST,))):
                (self.folder / name).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise unwritable(self.folder, error, FitError, _KEPT) from error
            raise
        self.generations, self.passing = kept, gone
        self.saved = time.monotonic()
        _remove(self.folder, _listed({"generations": gone}))

    def _list(self, generations: list[dict[str, Any]], passing: list[dict[str, Any]]) -> None:
        """Write the manifest: states that are whole, and those that are being written or removed."""
        manifest = {"format": FORMAT, "identity": self.identity, "generations": generations, "passing": passing}
        _write(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        _flush_folder(self.folder)


def _remove(folder: Path, files: dict[str, str]) -> None:
    """Remove files that are still what was written, by their sha256, and what a killed process left of them."""
    for name, digest in (files | {MANIFEST: ""}).items():
        path = folder / name
        for part in folder.glob(f"{PART}.{name}"):
            part.unlink()
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            path.unlink()


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
        path = folder / name
        told = unreadable(path) or ("longer than any state" if path.stat().st_size > LONGEST else "")
        if told:
            raise ValueError(f"{name}: {told}")
        data = path.read_bytes()
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
    if not path.is_symlink() and not path.exists():
        return None
    try:
        manifest = json_of(text_of(path), strict=True)
        if _is_manifest(manifest):
            return manifest
    except ValueError:
        pass
    raise FitError(f"{path}: is no manifest of this lensfit's checkpoints; choose another folder")


def _listed(manifest: dict[str, Any]) -> dict[str, str]:
    """sha256 of the files of all states by their names."""
    generations = [*manifest["generations"], *manifest.get("passing", [])]
    return {name: digest for generation in generations for name, digest in generation["files"].items()}


def _is_manifest(manifest: Any) -> bool:
    """Whether it is of this format and names states, each with its sha256, and nothing else."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return False
    generations, passing = manifest.get("generations"), manifest.get("passing", [])
    if not isinstance(manifest.get("identity"), dict):
        return False
    if not isinstance(generations, list) or not isinstance(passing, list):
        return False
    every = [*generations, *passing]
    return bool(every) and all(_is_generation(generation) for generation in every)


def _is_generation(generation: Any) -> bool:
    files = generation.get("files") if isinstance(generation, dict) else None
    if not isinstance(files, dict) or not files or not isinstance(generation.get("number"), int):
        return False
    return all(NAMED.fullmatch(name) and isinstance(digest, str) for name, digest in files.items())


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as new, new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def identity(problem: Problem, fitter: Fitter, seed: int, start: np.ndarray | None) -> dict[str, Any]:
    """What must be the same for a fit to go on, as JSON can hold it."""
    settings = {f.name: _plain(getattr(fitter, f.name)) for f in dataclasses.fields(fitter)}  # pyright: ignore
    versions = {name: importlib.metadata.version(name) for name in (*VERSIONED, *fitter.packages)}
    found = {
        "data": _hash(problem.likelihood),
        "model": _hash(problem.space),
        "fitter": f"{type(fitter).__module__}:{type(fitter).__qualname__}",
        "settings": settings,
        "seed": seed,
        "start": None if start is None else _hash(np.asarray(start)),
        "version": {"lensfit": version.__version__} | versions,
    }
    return json.loads(json.dumps(found))


def difference(kept: dict[str, Any], now: dict[str, Any]) -> str:
    """In which points two identities differ, in words; empty where they do not."""
    found = []
    for name in now:
        before, after = kept.get(name), now[name]
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            keys = sorted(k for k in before | after if before.get(k) != after.get(k))
            found += [f"{name} {k}: {before.get(k)!r}, now {after.get(k)!r}" for k in keys]
        elif name in ("data", "model", "start"):
            found.append(f"other {name}")
        else:
            found.append(f"{name}: {before!r}, now {after!r}")
    return "; ".join(found)


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)


def _hash(tree: Any) -> str:
    """sha256 of a pytree: its structure, and the numbers in it."""
    leaves, structure = jax.tree.flatten(tree)
    total = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(structure)).encode())
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def pickled(value: Any, ours: dict[str, Any]) -> bytes:
    """The pickle of a value, in which our objects stand by their names alone."""
    names = {id(thing): name for name, thing in ours.items()}

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            return names.get(id(obj))

    stream = io.BytesIO()
    Writer(stream, protocol=5).dump(value)
    return stream.getvalue()


def unpickled(data: bytes, ours: dict[str, Any], allowed: frozenset[str]) -> Any:
    """The value of a pickle that names nothing but what is `allowed`, as "module:name", and our objects.

    Raises FitError where it names anything else.
    """

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if f"{module}:{name}" not in allowed:
                raise FitError(f"the checkpoint names {module}.{name}, which no checkpoint of lensfit does; "
                               "it is damaged or foreign, choose another folder")
            return super().find_class(module, name)

        def persistent_load(self, pid: str) -> Any:
            return ours[pid]

    return Reader(io.BytesIO(data)).load()
