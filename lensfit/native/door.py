"""The door from a compiled JAX program to native kernels: who goes through it, and the kernels behind it.

A kernel is a C function that numba compiles: from a body of printed lines, or from a function of lensfit's own
that takes XLA's call frame. XLA knows it by a name that belongs to its source, from the first time on that it is
made in this process and in whatever folder it lies; Python can call it on numpy arrays. One lock guards all of it.
"""
from __future__ import annotations

import ctypes
import dataclasses
import os
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from textwrap import indent
from threading import RLock
from typing import Any, Literal, get_args

import jax
import numpy as np
from jax.extend.backend import backends

from lensfit.errors import ModelError
from lensfit.native.store import kernel_folder, load, name_of

Engine = Literal["native", "xla"]
"""What evaluates a model: native kernels where they can be used, or XLA alone."""

_LOCK = RLock()
_KERNELS: dict[str, Kernel] = {}
_NAME = re.compile(r"lensfit_[0-9a-f]{24}\b")
"""The name of a kernel, as `name_of` makes it."""
_SAID: set[str] = set()
_FIRST_PROCESS: list[int] = []

_PRINTED = """\
import numpy as np
from numba import cfunc, types

from lensfit.native.elementary import FLAGS
from lensfit.native.frame import argument, float64, int32, int64, result, understood
from lensfit.native.straight import straight_lines
from lensfit.native.width import wide_vectors

{functions}

@cfunc(types.int64(types.CPointer(types.int64)), cache=KEEP, **FLAGS)
def handler(frame):
    if not understood(frame, {arguments}, {results}):
        return 0
{unpack}
{body}
    return 0
"""
_NAMED = """\
from numba import cfunc, types

from {module} import {function}


@cfunc(types.int64(types.CPointer(types.int64)), error_model="numpy", cache=KEEP)
def handler(frame):
    return {function}(frame)
"""


@dataclasses.dataclass(frozen=True)
class Signature:
    """(name, dtype, axes) of each argument and each result of a printed kernel; dtype is float64, int32 or int64.

    In the kernel's body `name` is a pointer to the array's first element, `name_0`, `name_1`, ... its shape.
    """

    arguments: tuple[tuple[str, str, int], ...]
    results: tuple[tuple[str, str, int], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled kernel: `handler` is its C function, `target` its name in compiled JAX programs.

    A pickle of it holds how it was made, `origin`: a function of this module and its arguments.
    """

    handler: Callable[[int], int]
    target: str
    origin: tuple[Callable[..., Kernel], tuple[Any, ...]]

    def run(self, arguments: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> None:
        """Fill the results from the arguments: C-contiguous arrays of the dtypes that the kernel takes."""
        from lensfit.native.frame import make_frame

        address, alive = make_frame(arguments, results)
        self.handler(address)
        del alive  # it has lived until here

    def __call__(self, results: Any, *arguments: Any, in_place: bool = False) -> Any:
        """The results, of the shapes and dtypes of the tree `results`, as part of a JAX program on a CPU.

        If `in_place` the first result may be written over the first argument, of which XLA makes a copy where the
        program needs it later.
        """
        aliases = {0: 0} if in_place else None
        call = jax.ffi.ffi_call(self.target, results, vmap_method="sequential", input_output_aliases=aliases)
        return call(*arguments)

    def __reduce__(self) -> tuple[Callable[..., Kernel], tuple[Any, ...]]:
        return self.origin


def printed_kernel(body: str, signature: Signature, functions: str = "") -> Kernel:
    """The kernel whose body is given as Python lines; compiled, or loaded from the user's cache.

    `functions` are lines of the module, which define what the body calls.
    """
    from lensfit.native import width

    source = module_source(body, signature, functions, wide=width.is_wide())
    return _kernel(source, (printed_kernel, (body, signature, functions)))


def named_kernel(module: str, function: str) -> Kernel:
    """The kernel that calls a numba function of XLA's frame by the name of its module; compiled, or loaded."""
    return _kernel(_NAMED.format(module=module, function=function), (named_kernel, (module, function)))


def kernels_in(program: str) -> list[Kernel]:
    """The kernels that a lowered program calls, by their names in its text."""
    return [_KERNELS[name] for name in sorted(set(_NAME.findall(program))) if name in _KERNELS]


def _kernel(source: str, origin: Any) -> Kernel:
    """One kernel of each source for a process: XLA takes a name once."""
    with _LOCK:
        name = name_of(source)
        if name not in _KERNELS:
            handler = load(source, kernel_folder()).handler
            called = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(handler.address)
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(called), platform="cpu", api_version=1)
            _KERNELS[name] = Kernel(called, name, origin)
        return _KERNELS[name]


def module_source(body: str, signature: Signature, functions: str = "", *, wide: bool) -> str:
    """The whole module: a handler that takes the arrays out of XLA's frame and does the work.

    Whether its vectors are wide is part of the source, hence of the name by which it is kept.
    """
    lines = ["wide_vectors()"] if wide else []
    for side, arrays in (("argument", signature.arguments), ("result", signature.results)):
        for k, (name, dtype, axes) in enumerate(arrays):
            buffer = f"{side}(frame, {k})"
            lines.append(f"{name} = {dtype}({buffer}[3])")
            lines += [f"{name}_{axis} = int64({buffer}[5])[{axis}]" for axis in range(axes)]
    return _PRINTED.format(
        functions=functions,
        arguments=len(signature.arguments),
        results=len(signature.results),
        unpack=indent("\n".join(lines), "    "),
        body=indent(body, "    "),
    )


def uses_kernels(engine: Engine) -> bool:
    """Whether an engine stands for native kernels in this process: all that chooses between them and XLA asks here.

    Raises ModelError where there is no such engine.
    """
    if engine not in get_args(Engine):
        raise ModelError(f"there is no engine {engine!r}; there are {' and '.join(map(repr, get_args(Engine)))}")
    return engine == "native" and not trouble()


def by_engine(engine: Engine, native: Callable[..., Any], plain: Callable[..., Any], *arrays: Any) -> Any:
    """native(*arrays) where the engine stands for native kernels, else plain(*arrays)."""
    return (native if uses_kernels(engine) else plain)(*arrays)


def trouble() -> str:
    """Why native kernels cannot be used here, empty if they can; warns the first time that they cannot.

    The frames of XLA's foreign function interface are read at offsets that belong to its version: a small
    kernel goes through the door, and its answer is compared.
    """
    others = sorted(set(backends()) - {"cpu", "interpreter"})
    if others:  # a program may be sent there, where kernels for CPUs cannot follow
        return f"JAX has other devices than CPUs: {', '.join(others)}"
    with _LOCK:
        reason = _echo_trouble()
    if reason:
        say_once(f"lensfit goes on without its native kernels, more slowly: {reason}")
    return reason


def say_once(note: str) -> None:
    """Warn of something that makes lensfit slower, once for a process."""
    with _LOCK:
        new = note not in _SAID
        _SAID.add(note)
    if new:
        warnings.warn(note, RuntimeWarning, stacklevel=2)


def refuse_fork() -> None:
    """Raise ModelError in a process that was forked from one in which this had been called.

    The threads of XLA do not live on there, and a call would wait for them for ever.
    """
    if not _FIRST_PROCESS:
        _FIRST_PROCESS.append(os.getpid())
    elif _FIRST_PROCESS[0] != os.getpid():
        raise ModelError(
            "this process was forked after JAX had been used, and its threads did not come along: the call would "
            "wait for ever. Start workers with multiprocessing.get_context('spawn'), as in "
            "multiprocessing.get_context('spawn').Pool(4)"
        )


ECHO = """\
for i in range(numbers_0):
    for j in range(numbers_1):
        out[i * out_1 + j] = numbers[i * numbers_1 + j] * factor[0] + whole[j]
"""
ECHO_SIGNATURE = Signature(
    arguments=(("numbers", "float64", 2), ("whole", "int32", 1), ("factor", "float64", 0)),
    results=(("out", "float64", 2),),
)
"""The kernel that is tried at the first use."""


@cache
def _echo_trouble() -> str:
    try:
        kernel = printed_kernel(ECHO, ECHO_SIGNATURE)
    except ImportError as error:
        return f"numba cannot be imported ({error}); python -m pip install numba"
    return echo_trouble(kernel)


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
