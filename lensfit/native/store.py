"""Generated modules and where they lie: compiled once for a machine, loaded by every later process."""
from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import jax


def default_folder() -> Path:
    """Where kernels lie: beside JAX's own compiled programs if it was told to keep them, else in ~/.cache.

    numba tells processors apart by itself.
    """
    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    local = chosen and "://" not in chosen
    base = Path(chosen) / "lensfit_kernels" if local else Path.home() / ".cache" / "lensfit" / "kernels"
    return base / f"numba-{importlib.metadata.version('numba')}"


def name_of(source: str) -> str:
    """A name that belongs to this source and to the functions that it imports."""
    return "lensfit_" + hashlib.sha256((_imported() + source).encode()).hexdigest()[:24]


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
        return _written(Path(tempfile.mkdtemp(prefix="lensfit-")) / path.name, source)
    return path


@cache
def _imported() -> str:
    """The text of the modules that generated ones import: numba's cache does not look there."""
    here = Path(__file__).parent
    return "".join((here / name).read_text() for name in ("elementary.py", "frame.py"))
