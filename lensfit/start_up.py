"""JAX made ready in one line: double precision, programs kept from one run to the next, a quiet terminal.

Nothing else in lensfit sets a flag of JAX.
"""
from __future__ import annotations

import hashlib
import importlib
import os
import platform
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from lensfit.errors import ModelError
from lensfit.programs import check_programs

PROCESSOR = ("model name", "flags", "CPU implementer", "CPU part", "Features")
"""The lines of /proc/cpuinfo that say for what a program is compiled."""
LOGS = "TF_CPP_MIN_LOG_LEVEL"
"""The variable that says from which level on XLA's messages are seen; 3 is that of fatal errors."""


def setup() -> None:
    """Make JAX ready for lensfit: call it at the start of a script, as `lensfit.setup()`.

    It sets double precision; keeps compiled programs and kernels in the user's cache (XDG_CACHE_HOME, or ~/.cache),
    unless JAX was told of another folder (JAX_COMPILATION_CACHE_DIR, jax_compilation_cache_dir), each with a checksum
    without which nothing is loaded; and hides what XLA writes while it loads them: each program is said to be for
    another machine, for options of its compiler that no processor lists among its features. Where
    TF_CPP_MIN_LOG_LEVEL is 0 or 2, messages stay as it says.

    JAX may be imported before or after, and a second call changes nothing. Too late are only arrays and programs
    that were made before: they keep their precision, and are not in the cache.
    """
    quiet = os.environ.get(LOGS, "1") == "1"  # JAX sets it to 1 itself where nobody has
    if quiet:
        os.environ[LOGS] = "3"  # for processes that this one starts
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    if quiet:
        jax.config.update("jax_logging_level", "CRITICAL")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)  # no minimum
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")  # XLA reads its own without a check
    if not keeps_programs():
        jax.config.update("jax_compilation_cache_dir", str(_program_folder(jax.__version__)))
        importlib.import_module("jax.experimental.compilation_cache.compilation_cache").reset_cache()
    if not check_programs():
        jax.config.update("jax_enable_compilation_cache", False)
        told = f"JAX {jax.__version__} keeps programs in a way that cannot be checked: every run compiles them anew"
        warnings.warn(told, RuntimeWarning, stacklevel=2)


def check_precision() -> None:
    """Say how to set JAX up where it is not.

    Raises:
        ModelError: JAX is set to single precision.
    """
    if not importlib.import_module("jax").config.jax_enable_x64:
        raise ModelError(
            "lensfit computes in double precision, and JAX is set to single: call lensfit.setup() first, or "
            "jax.config.update('jax_enable_x64', True) before the first array is made, or set JAX_ENABLE_X64=1"
        )


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which OpenBLAS and its kin have one thread, as they had before afterwards.

    The matrices of a fit are small: more threads gain little, and wait for each other at full load. Where other
    processes use the cores they burn ten times the CPU time of the work itself.
    """
    return threadpool_limits(1, user_api="blas")


def keeps_programs() -> bool:
    """Whether JAX keeps compiled programs from one run to the next."""
    return bool(importlib.import_module("jax").config.jax_compilation_cache_dir)


def machine() -> str:
    """What decides a compiled program beside its source: the processor, and the options that XLA was given."""
    return f"{_processor()} {os.environ.get('XLA_FLAGS', '')}"


def _program_folder(version: str) -> Path:
    """Where compiled programs lie: one folder for each processor and version of JAX."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    base = Path(chosen) / "lensfit" if chosen else importlib.import_module("lensfit.native").cache_folder()
    key = hashlib.sha256(f"{_processor()} {version}".encode()).hexdigest()[:16]
    return base / "jax" / key


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return f"{platform.machine()} {platform.processor()}"
    first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    return "\n".join(line for line in first.splitlines() if line.split(":")[0].strip() in PROCESSOR)
