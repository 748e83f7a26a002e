"""A traced function as a native kernel: its jaxpr printed as numba source, compiled, called from XLA.

A kernel is a function of numpy arrays that can also be part of a jitted JAX program on a CPU. Kernels are
compiled once for a machine and kept in the user's cache folder. numba is imported when the first one is made.
"""
from lensfit.native.door import (
    Engine,
    Kernel,
    Signature,
    by_engine,
    kernels_in,
    named_kernel,
    printed_kernel,
    refuse_fork,
    say_once,
    trouble,
    uses_kernels,
)
from lensfit.native.means import Means, means, means_kernel
from lensfit.native.printer import Unprintable, numpy_function
from lensfit.native.store import cache_folder

__all__ = [
    "Engine", "Kernel", "Means", "Signature", "Unprintable", "by_engine", "cache_folder", "kernels_in", "means",
    "means_kernel", "named_kernel", "numpy_function", "printed_kernel", "refuse_fork", "say_once", "trouble",
    "uses_kernels",
]
