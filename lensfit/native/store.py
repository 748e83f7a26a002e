"""Generated modules and where they lie: compiled once for a machine, loaded by every later process."""
from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import stat
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import jax


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

    numba tells processors apart by itself.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    local = chosen and "://" not in chosen
    base = Path(chosen) / "lensfit_kernels" if local else cache_folder() / "kernels"
    return base / f"numba-{importlib.metadata.version('numba')}"


def name_of(source: str) -> str:
    """A name that belongs to this source and to the functions of lensfit that it imports."""
    return "lensfit_" + hashlib.sha256((_texts(tuple(_IMPORT.findall(source))) + source).encode()).hexdigest()[:24]


def load(source: str, folder: Path) -> ModuleType:
    """Run a generated module; what numba compiles there it keeps beside the module's file in `folder`.

    Where the folder cannot be written, a temporary one takes its place.
    """
    name = name_of(source)
    path = _written(folder / f"{name}.py", source)
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # numba's cache looks it up there by its name
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def _written(path: Path, source: str) -> Path:
    """The file with this source, made if it does not stand there: numba's cache goes by its date."""
    try:
        if path.is_file() and path.read_text() == source:
            return path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".new", delete=False) as new:
            new.write(source)
        Path(new.name).replace(path)
    except OSError:
        if path.parent == temporary_folder():
            raise
        return _written(temporary_folder() / path.name, source)
    return path


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
