"""From a model to the lines of a recipe."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.priors import Part, Prior, Solved
from lensfit.recipe import _toml
from lensfit.recipe._reader import GROUPS, PRIORS, concrete, pairs_of
from lensfit.space import describe


def model_lines(model: LensModel) -> list[str]:
    """The lines of sky and profiles; a parameter is defined where it stands first, elsewhere it is named.

    Raises:
        ModelError: it has a profile or a prior of its own, or parts of a prior at leaves that are no pair.
    """
    return _Writer(model).lines(model)


def _key(leaf: Any) -> tuple[int, int]:
    return (id(leaf.prior), leaf.index) if isinstance(leaf, Part) else (id(leaf), 0)


class _Writer:
    """Knows the name of the first leaf of every parameter."""

    def __init__(self, model: LensModel) -> None:
        is_leaf = lambda node: isinstance(node, (Prior, Part, Solved))  # noqa: E731
        paths, _ = jax.tree_util.tree_flatten_with_path(model, is_leaf=is_leaf)
        self.leaves = {describe(model, path).name: leaf for path, leaf in paths}
        self.first: dict[tuple[int, int], str] = {}
        for name, leaf in self.leaves.items():
            if isinstance(leaf, (Prior, Part)):
                self.first.setdefault(_key(leaf), name)

    def lines(self, model: LensModel) -> list[str]:
        """sky, then a table for each profile."""
        lines = [_toml.line("sky", self._value("sky"))]
        for group in GROUPS:
            for name, profile in sorted(getattr(model, group).items()):
                kind = type(profile)
                if concrete(group).get(kind.__name__) is not kind:
                    raise ModelError(
                        f"{group}.{name}: {kind.__name__} is not lensfit's, and a recipe names no other"
                    )
                lines += ["", _toml.header(group, name), _toml.line("profile", kind.__name__)]
                entries = self._entries(f"{group}.{name}", kind)
                lines += [_toml.line(key, value) for key, value in entries.items()]
        return lines

    def _entries(self, where: str, kind: type) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        pairs = {part: pair for pair, both in pairs_of(kind).items() for part in both}
        for field in dataclasses.fields(kind):
            pair = pairs.get(field.name)
            if pair and self._is_pair([f"{where}.{pair}1", f"{where}.{pair}2"]):
                entries[pair] = self._prior(self.leaves[f"{where}.{field.name}"].prior)
            else:
                entries[field.name] = self._value(f"{where}.{field.name}")
        return entries

    def _is_pair(self, names: list[str]) -> bool:
        """Whether the two parts of one prior stand here, in order and for the first time."""
        leaves = [self.leaves[name] for name in names]
        if not all(isinstance(leaf, Part) for leaf in leaves):
            return False
        keys = [_key(leaf) for leaf in leaves]
        return keys == [(keys[0][0], 0), (keys[0][0], 1)] and [self.first[key] for key in keys] == names

    def _value(self, name: str) -> Any:
        leaf = self.leaves[name]
        if isinstance(leaf, Solved):
            return "solved" if leaf.positive else {"solved": True, "positive": False}
        if not isinstance(leaf, (Prior, Part)):
            return np.asarray(leaf, float).tolist()
        if self.first[_key(leaf)] != name:
            return self.first[_key(leaf)]
        if isinstance(leaf, Part):
            raise ModelError(
                f"{name}: a recipe sets both parts of a prior at once, as e for e1 and e2; place them so"
            )
        return self._prior(leaf)

    def _prior(self, prior: Any) -> dict[str, Any]:
        kind = type(prior)
        if PRIORS.get(kind.__name__) is not kind:
            raise ModelError(f"a recipe cannot name the prior {kind.__name__}, none of lensfit")
        hypers = {f.name: (getattr(prior, f.name), f.default) for f in dataclasses.fields(kind)}
        said = {name: self._hyper(value) for name, (value, default) in hypers.items() if value is not default}
        return {"prior": kind.__name__} | said

    def _hyper(self, value: Any) -> Any:
        if not isinstance(value, (Prior, Part)):
            return float(value)
        if _key(value) not in self.first:
            raise ModelError(f"a hyperparameter ({type(value).__name__}) stands at no leaf; place it at one")
        return self.first[_key(value)]
