"""From a model to the lines of a recipe, in the part of TOML that recipes are written in."""
from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import jax
import numpy as np

from lensfit.errors import ModelError
from lensfit.model import GROUPS, LensModel
from lensfit.priors import Part, Prior, Solved, key
from lensfit.profile_names import name_of
from lensfit.recipe.model_reader import PRIORS, leaves_of, pairs_of, settings_of
from lensfit.space import describe


def model_lines(model: LensModel) -> list[str]:
    """The lines of sky and profiles; a parameter is defined at one leaf and named at others.

    Raises:
        ModelError: it has a profile that cannot be imported, a prior that is not lensfit's, or a prior that no leaf
            defines.
    """
    return _Writer(model).lines()


class _Writer:
    """Knows the home of every parameter: the leaf at which the recipe defines it."""

    def __init__(self, model: LensModel) -> None:
        is_leaf = lambda node: isinstance(node, (Prior, Part, Solved))  # noqa: E731
        paths, _ = jax.tree_util.tree_flatten_with_path(model, is_leaf=is_leaf)
        self.leaves = {describe(model, path).name: leaf for path, leaf in paths}
        self.profiles = [(g, name, p) for g in GROUPS for name, p in sorted(getattr(model, g).items())]
        self.homes: dict[tuple[str, int], str] = {}
        for name, leaf in self.leaves.items():
            if isinstance(leaf, Prior):
                self.homes.setdefault(key(leaf), name)
        for group, name, profile in self.profiles:
            for pair in pairs_of(type(profile)):
                self._find_home(f"{group}.{name}.{pair}")

    def _find_home(self, pair: str) -> None:
        """Both parts of a prior are at home where they stand as a pair for the first time."""
        names = (f"{pair}1", f"{pair}2")
        leaves = [self.leaves[name] for name in names]
        if all(isinstance(leaf, Part) for leaf in leaves):
            prior = leaves[0].prior.tag
            keys = [key(leaf) for leaf in leaves]
            if keys == [(prior, 0), (prior, 1)] and keys[0] not in self.homes:
                self.homes |= zip(keys, names, strict=True)

    def lines(self) -> list[str]:
        """sky, then a table for each profile."""
        lines = [line("sky", self._value("sky"))]
        for group, name, profile in self.profiles:
            kind = type(profile)
            said = name_of(kind)
            if said is None:
                raise ModelError(
                    f"{group}.{name}: {kind.__name__} is in no module that a recipe could name; put it into a file of "
                    "its own that can be imported"
                )
            lines += ["", header(group, name), line("profile", said)]
            entries = {key: getattr(profile, key) for key in settings_of(kind)}
            entries |= self._entries(f"{group}.{name}", kind)
            lines += [line(key, value) for key, value in entries.items()]
        return lines

    def _entries(self, where: str, kind: type) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        pairs = {part: pair for pair, both in pairs_of(kind).items() for part in both}
        for field in leaves_of(kind):
            name = f"{where}.{field}"
            leaf = self.leaves.get(name)
            if leaf is None:
                continue
            if isinstance(leaf, Part) and self.homes.get(key(leaf)) == name:
                entries[pairs[field]] = self._prior(leaf.prior)
            else:
                entries[field] = self._value(name)
        return entries

    def _value(self, name: str) -> Any:
        leaf = self.leaves[name]
        if isinstance(leaf, Solved):
            return "solved" if leaf.positive else {"solved": True, "positive": False}
        if not isinstance(leaf, (Prior, Part)):
            return np.asarray(leaf, float).tolist()
        home = self._home(leaf, name)
        return self._prior(leaf) if home == name else home

    def _home(self, leaf: Prior | Part, where: str) -> str:
        if key(leaf) not in self.homes:
            raise ModelError(
                f"{where}: a recipe defines a prior at a leaf, and one of two at a pair of leaves as e1 and "
                f"e2; place this {type(leaf).__name__} at such"
            )
        return self.homes[key(leaf)]

    def _prior(self, prior: Any) -> dict[str, Any]:
        kind = type(prior)
        if PRIORS.get(kind.__name__) is not kind:
            raise ModelError(f"a recipe cannot name the prior {kind.__name__}, none of lensfit's")
        fields = [f for f in dataclasses.fields(kind) if f.name in leaves_of(kind)]
        given = [(f, getattr(prior, f.name)) for f in fields]
        said = [(f.name, value) for f, value in given if isinstance(value, (Prior, Part)) or value != f.default]
        return {"prior": kind.__name__} | {name: self._hyper(value, name) for name, value in said}

    def _hyper(self, value: Any, name: str) -> Any:
        return self._home(value, name) if isinstance(value, (Prior, Part)) else float(value)


def line(key: str, value: Any) -> str:
    """key = value."""
    return f"{_bare_key(key)} = {_value(value)}"


def header(*keys: str) -> str:
    """[a.b]."""
    return f"[{'.'.join(_bare_key(key) for key in keys)}]"


def _bare_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(line(key, item) for key, item in value.items())}}}"
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
