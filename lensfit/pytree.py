"""Frozen dataclasses that JAX sees through: the ground that every object of lensfit stands on."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A field that is part of the structure: hashable, compared when JAX looks for a compiled program."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(static, dataclasses.field))
def pytree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass and a JAX pytree; `static()` fields are its structure."""
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


def replace(tree: T, **changes: Any) -> T:
    """A copy of a frozen dataclass with some fields changed."""
    return dataclasses.replace(tree, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]
