"""JAX as the command line uses it: double precision, and programs kept from one run to the next."""
from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import jax

PROCESSOR = ("model name", "flags", "CPU implementer", "CPU part", "Features")
"""The lines of /proc/cpuinfo that say for what a program is compiled."""


def prepare_jax() -> None:
    """Set double precision and the persistent compilation cache, where the user named no folder for it."""
    jax.config.update("jax_enable_x64", True)
    if not jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)  # no minimum


def cache_folder() -> Path:
    """Where compiled programs lie: one folder for each processor and version of JAX."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    key = hashlib.sha256(f"{_processor()} {jax.__version__}".encode()).hexdigest()[:16]
    return Path(base) / "lensfit" / "jax" / key


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return f"{platform.machine()} {platform.processor()}"
    first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    return "\n".join(line for line in first.splitlines() if line.split(":")[0].strip() in PROCESSOR)


setup = prepare_jax
