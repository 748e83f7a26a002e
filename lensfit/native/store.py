"""Generated modules and where they lie: compiled once for a machine, loaded by every later process.

A module is told by KEEP whether numba is to keep what it compiles.
"""
from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import jax

from lensfit.cache_files import CacheFolder

KEPT = (".nbi", ".nbc")
"""Ends of the names of the files in which numba keeps an index and compiled code."""


def cache_folder() -> Path:
    """Where lensfit keeps what was compiled: ~/.cache/lensfit, or a temporary folder where no home is known."""
    try:
        return Path.home() / ".cache" / "lensfit"
    except RuntimeError:  # no HOME, and a user whom the system does not know
        return temporary_folder()


@cache
def temporary_folder() -> Path:
    """A folder of this user's own among the temporary files: what lies there is run."""
    if sys.platform == "win32":
        return Path(tempfile.gettempdir()) / "lensfit"
    folder = Path(tempfile.gettempdir()) / f"lensfit-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="lensfit-"))
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if own else Path(tempfile.mkdtemp(prefix="lensfit-"))


def kernel_folder() -> Path:
    """Where kernels lie: beside JAX's own compiled programs if it was told to keep them, else in `cache_folder`.

    There is one folder for each kind of processor and version of numba.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    local = chosen and "://" not in chosen
    base = Path(chosen) / "lensfit_kernels" if local else cache_folder() / "kernels"
    return base / f"numba-{importlib.metadata.version('numba')}-{_processor()}"


@cache
def _processor() -> str:
    """A short name of the processor that numba compiles for, whether that is this one or was chosen."""
    from llvmlite import binding
    from numba import config

    settings: Any = config  # its attributes are made when it is imported
    host = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    found = (*host, settings.CPU_NAME, settings.CPU_FEATURES)
    return hashlib.sha256(repr(found).encode()).hexdigest()[:8]


def name_of(source: str) -> str:
    """A name that belongs to this source and to the functions of lensfit that it imports."""
    return "lensfit_" + hashlib.sha256((_texts(tuple(_IMPORT.findall(source))) + source).encode()).hexdigest()[:24]


def load(source: str, folder: Path) -> ModuleType:
    """Run a generated module; what numba compiles there is kept in `folder`.

    numba reads and writes its files in a folder of this process alone: those that are whole are copied there, and
    what it makes is copied back. Where it can write none at all, it compiles without.
    """
    name = name_of(source)
    kept = CacheFolder(folder)
    known = _whole(kept, name)
    try:
        with tempfile.TemporaryDirectory(prefix="lensfit-") as place, _beside_the_module():
            path = Path(place) / f"{name}.py"
            path.write_text(source, encoding="utf-8")
            os.utime(path, (0, 0))  # some versions of numba go by the date
            files = path.parent / "__pycache__"
            files.mkdir()
            for file, content in known.items():
                (files / file).write_bytes(content)
            module = _run(source, name, str(path), keep=True)
            made = {file.name: file.read_bytes() for file in files.iterdir() if file.suffix in KEPT}
    except OSError:  # no room for temporary files
        return _run(source, name, f"<{name}>", keep=False)
    if made != known:
        for file, content in made.items():
            if not kept.write(file, content):
                break
    return module


def _run(source: str, name: str, path: str, *, keep: bool) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = path
    module.__dict__["KEEP"] = keep
    sys.modules[name] = module  # numba's cache looks it up there by its name
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def _whole(kept: CacheFolder, name: str) -> dict[str, bytes]:
    """The files that numba made of a module, none where one of them is damaged."""
    found = {file: kept.read(file) for file in kept.names(f"{name}.") if Path(file).suffix in KEPT}
    whole = {file: content for file, content in found.items() if content is not None}
    return whole if len(whole) == len(found) else {}


@contextmanager
def _beside_the_module() -> Iterator[None]:
    """numba's files beside the module that they are of, whatever it was told elsewhere."""
    from numba import config

    told = {name: getattr(config, name) for name in ("CACHE_DIR", "CACHE_LOCATOR_CLASSES") if getattr(config, name, "")}
    try:
        for name in told:
            setattr(config, name, "")
        yield
    finally:
        for name, value in told.items():
            setattr(config, name, value)


_IMPORT = re.compile(r"^from (lensfit\.[\w.]+) import", re.MULTILINE)


@cache
def _texts(modules: tuple[str, ...]) -> str:
    """The text of modules of lensfit, and of those that they import: numba's cache does not look there."""
    texts: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        spec = None if module in texts else find_spec(module)
        if spec is not None and spec.origin:
            texts[module] = Path(spec.origin).read_text()
            waiting += _IMPORT.findall(texts[module])
    return "".join(texts[module] for module in sorted(texts))
