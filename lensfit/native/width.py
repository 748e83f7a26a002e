"""How wide the vectors of a kernel are.

LLVM keeps to 256 bits on processors of Intel's that have 512, from the time when those slowed their clock down. A
function can say otherwise of itself: no flag of LLVM or of numba, and no environment variable, is touched.
"""
from __future__ import annotations

from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

WIDE = ("avx512f", "avx512dq", "avx512vl", "avx512vbmi2")
"""Features of processors whose clock does not suffer: the last came with Ice Lake and Zen 4."""


@intrinsic
def wide_vectors(typing: Any) -> Any:
    """Ask for vectors of 512 bits in the function that calls this; nothing is done when it runs."""

    def mark(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own `add` knows no such words
        return context.get_dummy_value()

    return types.void(), mark


@cache
def is_wide() -> bool:
    """Whether kernels are to ask for it: what numba compiles for has these features."""
    from llvmlite import binding
    from numba import config

    settings: Any = config  # its attributes are made when it is imported
    if settings.CPU_NAME or settings.CPU_FEATURES:
        chosen = (settings.CPU_FEATURES or "").split(",")
        return all(f"+{feature}" in chosen for feature in WIDE)
    found = binding.get_host_cpu_features()
    return all(found.get(feature, False) for feature in WIDE)
