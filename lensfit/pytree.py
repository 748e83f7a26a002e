"""Frozen dataclasses that JAX sees through: the ground that every object of lensfit stands on."""
from __future__ import annotations

import dataclasses
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
    return jax.tree_util.register_dataclass(made, data_fields=data, meta_fields=meta)


def replace(tree: T, **changes: Any) -> T:
    """A copy of a frozen dataclass with some fields changed."""
    return dataclasses.replace(tree, **changes)  # pyright: ignore[reportArgumentType, reportCallIssue]
