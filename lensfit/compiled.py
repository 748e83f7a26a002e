"""Jitted functions whose programs are kept whole from one process to the next, and are found there without a trace.

JAX's own cache is asked when a function has been traced and lowered, which takes longer than most of the programs here
run. So a program is also kept under what decides it before that: its function and the text of lensfit, the structure,
shapes and types of its arguments, versions and processor. Only structures that lensfit's own classes and plain values
make are known by their text; of any other a function is JAX's, as it would be without this module.
"""
from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import pickle
import re
from collections.abc import Callable, Hashable
from enum import Enum
from functools import cache, update_wrapper
from importlib.metadata import version
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any
from weakref import WeakSet

import jax
import numpy as np
from jax.core import Tracer
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from lensfit.native import kernels_in, uses_kernels
from lensfit.programs import Programs, apart, keeps_checked
from lensfit.start_up import check_precision, machine

_LOCK = RLock()
_CALLS = re.compile(r"custom_call @([a-z]+)")
"""The first word of the names of foreign functions in a lowered program."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_CLOCK = count()
MOST = 16
"""Programs of one function that a process holds, some MB each. One lens asks for eight at most; of thousands of lenses
that all look different a process would hold gigabytes. What is let go is read again from where it is kept."""


_ALL: WeakSet[Compiled] = WeakSet()
_UNMADE: Any = object()
"""What is known of a program before it is."""


class Unknown(Exception):
    """The structure holds what no text stands for: a function, or a class of somebody else's."""


class Compiled:
    """A jitted function; `static` are the names of its arguments that belong to the structure, `of` the packages
    whose code is a part of it."""

    def __init__(self, function: Callable[..., Any], static: tuple[str, ...], of: tuple[str, ...]) -> None:
        self.function, self.static, self.of = function, static, of
        self.short, self.name = function.__name__, f"{function.__module__}.{function.__qualname__}"
        self.jitted: Any = jax.jit(function, static_argnames=static)
        self.signature = inspect.signature(function)
        self.known: dict[Hashable, _Program | None] = {}
        self.used: dict[Hashable, int] = {}
        update_wrapper(self, function)
        _ALL.add(self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The function's value; inside a trace the function is a part of that.

        Raises:
            ModelError: JAX is set to single precision.
        """
        check_precision()
        config: Any = jax.config
        given = self.signature.bind(*arguments, **options).arguments
        fixed = tuple((name, given.pop(name)) for name in self.static if name in given)
        leaves, structure = jax.tree.flatten(given)
        if any(isinstance(leaf, Tracer) for leaf in leaves) or config.jax_disable_jit:
            return self.jitted(*arguments, **options)
        try:
            key = fixed, structure, tuple(map(_kind, leaves)), _random()
            program = self.known.get(key, _UNMADE)
            types = tuple(map(jax.typeof, leaves)) if program is _UNMADE else ()
        except TypeError:  # no array: JAX says which
            return self.jitted(*arguments, **options)
        if program is _UNMADE:
            with _LOCK:
                program = self._program(fixed, structure, types)
                self._hold(key, program)
        self.used[key] = next(_CLOCK)
        return self.jitted(*arguments, **options) if program is None else program(leaves)

    def _hold(self, key: Hashable, program: _Program | None) -> None:
        """Keep a program at hand, and let those go that were not asked for the longest."""
        self.known[key], self.used[key] = program, next(_CLOCK)
        while len(self.known) > MOST:
            oldest = min(self.known, key=lambda key: self.used.get(key, 0))
            del self.known[oldest]
            self.used.pop(oldest, None)

    def count(self) -> int:
        """How many programs this process has of it."""
        return sum(program is not None for program in self.known.values()) + self.jitted._cache_size()

    def _program(self, fixed: Any, structure: Any, types: tuple[Any, ...]) -> _Program | None:
        """The program for such arguments, from where programs are kept, or made; None where that is left to JAX."""
        folder = _folder()
        if folder is None:
            return None
        try:
            key = self._name(fixed, structure, types)
        except Unknown:
            return None
        kept = folder.get(key)
        return self._made(folder, key, fixed, structure, types) if kept is None else _Program.of(kept, len(types))

    def _name(self, fixed: Any, structure: Any, types: tuple[Any, ...]) -> str:
        shapes = [(str(t.dtype), t.shape, t.weak_type) for t in types]
        kernels = str(uses_kernels("native"))
        others = [*_random(), *(f"{package} {version(package)}" for package in self.of)]
        whole = "\n".join([_ground(), *others, kernels, self.name, said(fixed), said(structure), repr(shapes)])
        return f"lensfit_{self.short}-{hashlib.sha256(whole.encode()).hexdigest()}"

    def _made(self, folder: Programs, key: str, fixed: Any, structure: Any, types: Any) -> _Program:
        trees: list[Any] = []

        def flat(*leaves: Any) -> list[Any]:
            value = self.function(**dict(fixed), **jax.tree.unflatten(structure, leaves))
            found, tree = jax.tree.flatten(value)
            trees.append(tree)
            return found

        flat.__name__ = self.short
        wanted = [jax.ShapeDtypeStruct(t.shape, t.dtype, weak_type=t.weak_type) for t in types]
        lowered = jax.jit(flat).lower(*wanted)
        with apart():
            program, text = _Program(_compile(lowered), trees[-1]), lowered.as_text()
        if set(_CALLS.findall(text)) <= {"lensfit", "lapack"}:  # XLA knows those of others as they are lowered alone
            content = program.content(kernels_in(text))
            if content is not None:
                folder.put(key, content)
        return program


def _kind(leaf: Any) -> Hashable:
    """What decides the type of an argument in JAX, which itself takes longer to find than a small program runs."""
    if type(leaf) is np.ndarray or isinstance(leaf, np.generic):  # a masked array is none, as JAX will say
        return leaf.dtype, leaf.shape, False
    return (leaf.dtype, leaf.shape, leaf.aval.weak_type) if isinstance(leaf, jax.Array) else type(leaf)


def _random() -> tuple[str, str]:
    """How JAX draws random numbers."""
    config: Any = jax.config
    return str(config.jax_default_prng_impl), str(config.jax_threefry_partitionable)


def _compile(lowered: Any) -> Any:
    """A program without XLA's newer way to fuse loops: that takes twice as long to compile, and runs no faster here."""
    try:
        return lowered.compile(compiler_options={"xla_cpu_use_fusion_emitters": False})
    except jax.errors.JaxRuntimeError as error:
        if "option" not in str(error):
            raise
        return lowered.compile()


@dataclasses.dataclass(frozen=True)
class _Program:
    """A compiled function of flat arguments, and the structure of its value."""

    run: Any
    structure: Any

    def __call__(self, leaves: list[Any]) -> Any:
        return jax.tree.unflatten(self.structure, self.run(*leaves))

    def content(self, kernels: list[Any]) -> bytes | None:
        """The program as it is kept, with the kernels that it calls; None where JAX cannot write it."""
        try:
            program, _, _ = serialize(self.run)
        except (ValueError, NotImplementedError, jax.errors.JaxRuntimeError):
            return None
        value = jax.tree.unflatten(self.structure, range(self.structure.num_leaves))
        return pickle.dumps((kernels, program, value))

    @classmethod
    def of(cls, content: bytes, arguments: int) -> _Program:
        """From what was kept: the checksum said that this user's lensfit wrote it. XLA is told of its kernels first."""
        _, program, value = pickle.loads(content)  # a kernel's pickle makes the kernel
        leaves, structure = jax.tree.flatten(value)
        inside = jax.tree.structure(((0,) * arguments, {}))
        return cls(deserialize_and_load(program, inside, jax.tree.structure([0] * len(leaves))), structure)


def compiled(
    function: Callable[..., Any] | None = None, *, static: tuple[str, ...] = (), of: tuple[str, ...] = ()
) -> Any:
    """`jax.jit`, the program kept from one process to the next.

    `static` names the arguments that are no data, `of` the packages beside JAX, numpy and lensfit whose code goes
    into the program: with another version of them it is another program.
    """
    if function is None:
        return lambda function: Compiled(function, static, of)
    return Compiled(function, static, of)


def forget() -> None:
    """Let go of all programs that this process holds, lensfit's and JAX's: the next calls read or make them again."""
    with _LOCK:
        for one in _ALL:
            one.known.clear()
            one.used.clear()
        jax.clear_caches()


def said(value: Any) -> str:
    """A text that says all of a structure, the same in every process. Raises Unknown where there is none."""
    if isinstance(value, jax.tree_util.PyTreeDef):
        node = value.node_data()
        inner = [said(child) for child in value.children()]
        return "*" if node is None else f"{said(node[0])}<{said(node[1])}>({', '.join(inner)})"
    if isinstance(value, type):
        if value.__module__.partition(".")[0] not in ("builtins", "lensfit", "numpy", "collections"):
            raise Unknown(value)
        return f"{value.__module__}.{value.__qualname__}"
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"{said(type(value))}[{', '.join(map(said, value))}]"
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, Enum):
        return f"{said(type(value))}.{value.name}"
    if dataclasses.is_dataclass(value):
        fields = [f"{f.name}={said(getattr(value, f.name))}" for f in dataclasses.fields(value)]
        return f"{said(type(value))}({', '.join(fields)})"
    raise Unknown(value)


def _folder() -> Programs | None:
    """Where JAX keeps programs; None where it keeps none, or not on a disk, or for more devices than one."""
    config: Any = jax.config
    chosen = config.jax_compilation_cache_dir
    if not chosen or "://" in chosen or not config.jax_enable_compilation_cache:
        return None
    one = [device.platform for device in jax.devices()] == ["cpu"]
    if not (one and keeps_checked() and _lapack_ready()) or config.jax_debug_nans:
        return None
    return _opened(chosen, config.jax_compilation_cache_max_size)


@cache
def _lapack_ready() -> bool:
    """Give XLA the linear algebra of SciPy, as JAX does where it lowers a call of it; whether it is there."""
    try:
        importlib.import_module("jaxlib.lapack").prepare_lapack_call("potrf_ffi", np.float64)
    except (ImportError, AttributeError, NotImplementedError):
        return False
    return True


@cache
def _opened(path: str, limit: int) -> Programs:
    return Programs(Path(path), limit)


@cache
def _ground() -> str:
    """What every program depends on: the text of lensfit, versions, processor."""
    here = Path(__file__).parent
    text = hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        text.update(f"{path.relative_to(here)}\n".encode() + path.read_bytes())
    return "\n".join([text.hexdigest(), *(version(name) for name in ("jax", "jaxlib", "numpy")), machine()])
