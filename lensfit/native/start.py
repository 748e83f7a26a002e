"""Whether native kernels can be used in this process, found out once."""
from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.extend.backend import backends

from lensfit.native.door import Kernel, Signature, kernel_of

_ECHO = """\
for i in range(numbers_0):
    for j in range(numbers_1):
        out[i * out_1 + j] = numbers[i * numbers_1 + j] * factor[0] + whole[j]
"""
_SIGNATURE = Signature(
    arguments=(("numbers", "float64", 2), ("whole", "int32", 1), ("factor", "float64", 0)),
    results=(("out", "float64", 2),),
)


@cache
def trouble() -> str:
    """Why native kernels cannot be used here, empty if they can; warns the first time that they cannot.

    The frames of XLA's foreign function interface are read at offsets that belong to its version: a small
    kernel goes through the door, and its answer is compared.
    """
    others = sorted(set(backends()) - {"cpu", "interpreter"})
    if others:  # a program may be sent there, where kernels for CPUs cannot follow
        return f"JAX has other devices than CPUs: {', '.join(others)}"
    try:
        kernel = kernel_of(_ECHO, _SIGNATURE)
    except ImportError as error:
        reason = f"numba cannot be imported ({error}); python -m pip install numba"
    else:
        reason = echo_trouble(kernel)
    if reason:
        note = f"lensfit goes on without its native kernels, more slowly: {reason}"
        warnings.warn(note, RuntimeWarning, stacklevel=2)
    return reason


def echo_trouble(kernel: Kernel) -> str:
    """What is wrong with the answer of the test kernel when XLA calls it; empty if nothing is."""
    numbers = np.arange(6.0).reshape(2, 3)
    whole, factor = np.array([5, -7, 9], np.int32), np.array(0.25)
    expected = numbers * factor + whole
    shape = jax.ShapeDtypeStruct(expected.shape, expected.dtype)
    try:
        with jax.ensure_compile_time_eval():
            program = jax.jit(lambda *a: kernel(shape, *a)).lower(numbers, whole, factor).compile()
            answer: Any = np.asarray(program(numbers, whole, factor))
    except jax.errors.JaxRuntimeError as error:
        return f"XLA refuses the handler: {error}"
    if not np.array_equal(answer, expected):
        return f"this version of XLA ({jax.__version__}) hands its arguments over in another way"
    return ""
