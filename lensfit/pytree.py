"""Frozen dataclasses that JAX sees through: the ground that every object of lensfit stands on."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np
from jax.core import Tracer

from lensfit.words import no_such

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A field that is part of the structure: hashable, compared when JAX looks for a compiled program."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(static, dataclasses.field))
def pytree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass and a JAX pytree; `static()` fields are its structure."""
    if "__repr__" not in vars(cls):
        setattr(cls, "__repr__", _as_text)  # noqa: B010 (or pyright sees another signature)
    made = dataclasses.dataclass(frozen=True, kw_only=True, eq=False)(cls)
    fields = dataclasses.fields(made)  # pyright: ignore[reportArgumentType]
    meta = [f.name for f in fields if f.metadata.get("static")]
    data = [f.name for f in fields if not f.metadata.get("static")]
    keys = [jax.tree_util.GetAttrKey(name) for name in data]

    def flatten(tree: T) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(tree, name) for name in data], tuple(getattr(tree, name) for name in meta)

    def flatten_with_keys(tree: T) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        children, structure = flatten(tree)
        return list(zip(keys, children, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], children: Iterable[Any]) -> T:
        return made(**dict(zip(meta, structure, strict=True)), **dict(zip(data, children, strict=True)))

    # Not jax.tree_util.register_dataclass: in jaxlib 0.10.0 and 0.10.1 structures of two dataclasses with as many
    # fields are equal, whatever their classes, and where their hashes meet jit runs the program of the other class.
    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made


LONGEST, FEW = 1000, 6
"""Characters of an object as text, and numbers of an array that are shown; of more its type and shape are."""


def _as_text(tree: Any) -> str:
    fields = ", ".join(f"{f.name}={_short(getattr(tree, f.name))}" for f in dataclasses.fields(tree) if f.repr)
    text = f"{type(tree).__qualname__}({fields})"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]}...)"


def _short(value: Any) -> str:
    """A field as text, numbers to six digits and large arrays as their type and shape."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_short(item)}' for key, item in value.items())}}}"
    if isinstance(value, np.integer):
        return str(value)
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, (np.ndarray, jax.Array)) and not isinstance(value, Tracer):
        if value.ndim == 0:
            return _short(value.item())
        few = value.size <= FEW and value.ndim == 1
        return f"[{', '.join(map(_short, np.asarray(value)))}]" if few else f"{value.dtype}{[*value.shape]}"
    return repr(value)


def replace(tree: T, **changes: Any) -> T:
    """A copy of a frozen dataclass with some fields changed.

    Raises:
        TypeError: it has no field of a name.
    """
    known = [field.name for field in dataclasses.fields(tree)]  # pyright: ignore[reportArgumentType]
    for name in changes:
        if name not in known:
            raise TypeError(no_such(name, f"field of {type(tree).__name__}", known))
    return dataclasses.replace(tree, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]
