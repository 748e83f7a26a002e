"""A traced function as a native kernel: its jaxpr printed as numba source, compiled, called from XLA.

A kernel is a function of numpy arrays that can also be part of a jitted JAX program on a CPU. Kernels are
compiled once for a machine and kept in the user's cache folder. numba is imported when the first one is made.
"""
from lensfit.native.door import Kernel, Signature, kernel_of
from lensfit.native.interpreter import numpy_function
from lensfit.native.means import Means, means, means_kernel
from lensfit.native.printer import Unprintable
from lensfit.native.start import trouble

__all__ = [
    "Kernel", "Means", "Signature", "Unprintable", "kernel_of", "means", "means_kernel", "numpy_function", "trouble",
]
