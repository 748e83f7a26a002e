"""From a model to the lines of a recipe, in the part of TOML that recipes are written in."""
from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import jax
import numpy as np

from lensfit.alignment import Alignment
from lensfit.errors import ModelError
from lensfit.model import GROUPS, AnyModel, LensModel, Models
from lensfit.priors import Part, Prior, Solved, key
from lensfit.profile_names import name_of
from lensfit.recipe.model_reader import PRIORS, leaves_of, pairs_of, settings_of
from lensfit.space import describe


def model_lines(model: AnyModel) -> list[str]:
    """The lines of sky and profiles; a parameter is defined at one leaf and named at others. Of the models of several
    data the profiles that stand in all of them come first, then those of each below its name.

    Raises:
        ModelError: it has a profile that cannot be imported, a prior that is not lensfit's, or a prior that no leaf
            defines.
    """
    return _Writer(model).lines()


class _Writer:
    """Knows the home of every parameter: the leaf at which the recipe defines it.

    tables: what stands in the table of each of several data, or of all, the empty name.
    """

    def __init__(self, model: AnyModel) -> None:
        several = model.terms if isinstance(model, Models) else {}
        shared, *others = (model,) if isinstance(model, LensModel) else several.values()
        alike = {(g, key) for g in GROUPS for key in getattr(shared, g)
                 if all(_same(getattr(shared, g)[key], getattr(o, g).get(key)) for o in others)}  # fmt: skip
        places = {"": shared, **several}
        self.tables = {name: [(g, key, p) for g in GROUPS for key, p in sorted(getattr(one, g).items())
                              if not several or ((g, key) in alike) == (name == "")]
                       for name, one in places.items()}  # fmt: skip
        self.rest = {name: one for name, one in places.items() if name or not several}
        self.leaves: dict[str, Any] = {}
        for name, one in places.items():
            self._collect(name, one)
        self.homes: dict[tuple[str, int], str] = {}
        for name, leaf in self.leaves.items():
            if isinstance(leaf, Prior):
                self.homes.setdefault(key(leaf), name)
        for name, profiles in self.tables.items():
            for group, own, profile in profiles:
                for pair in pairs_of(type(profile)):
                    self._find_home(f"{_dot(name)}{group}.{own}.{pair}")
        self._check_solved()

    def _collect(self, name: str, model: LensModel) -> None:
        """The leaves of one table by their names."""
        is_leaf = lambda node: isinstance(node, (Prior, Part, Solved))  # noqa: E731
        owned = {(group, own) for group, own, _ in self.tables[name]}
        for path, leaf in jax.tree_util.tree_flatten_with_path(model, is_leaf=is_leaf)[0]:
            group = path[0].name
            if (group, path[1].key) in owned if group in GROUPS else name in self.rest:
                self.leaves[f"{_dot(name)}{describe(model, path).name}"] = leaf

    def _check_solved(self) -> None:
        """Raise ModelError where one amplitude is that of several profiles: each `solved` of a recipe is its own."""
        solved = [leaf.tag for leaf in self.leaves.values() if isinstance(leaf, Solved)]
        if len(solved) > len(set(solved)):
            raise ModelError("a recipe cannot say that an amplitude solved once is that of several profiles")

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
        """sky and alignment, then a table for each profile; of several data after the name of each."""
        lines: list[str] = []
        for name, profiles in self.tables.items():
            own = [name] if name else []
            if name in self.rest:
                lines += [*(["", header(*own)] if own else []), line("sky", self._value(f"{_dot(name)}sky"))]
                if self.rest[name].alignment is not None:
                    entries = self._entries(f"{_dot(name)}alignment", Alignment)
                    lines += ["", header(*own, "alignment"), *(line(field, value) for field, value in entries.items())]
            for group, key_of, profile in profiles:
                lines += ["", header(*own, group, key_of), *self._profile(f"{_dot(name)}{group}.{key_of}", profile)]
        return lines

    def _profile(self, where: str, profile: Any) -> list[str]:
        kind = type(profile)
        said = name_of(kind)
        if said is None:
            raise ModelError(
                f"{where}: {kind.__name__} is in no module that a recipe could name; put it into a file of "
                "its own that can be imported"
            )
        entries = {key: getattr(profile, key) for key in settings_of(kind)}
        entries |= self._entries(where, kind)
        return [line("profile", said), *(line(key, value) for key, value in entries.items())]

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


def _dot(name: str) -> str:
    return f"{name}." if name else ""


def _same(one: Any, other: Any) -> bool:
    """Whether two profiles hold the same parameters, amplitudes and numbers."""
    if one is other:
        return True
    is_leaf = lambda node: isinstance(node, (Prior, Part, Solved))  # noqa: E731
    (first, structure), (second, another) = (jax.tree.flatten(profile, is_leaf=is_leaf) for profile in (one, other))
    return structure == another and all(
        key(a) == key(b) if is_leaf(a) and is_leaf(b) else not (is_leaf(a) or is_leaf(b)) and np.array_equal(a, b)
        for a, b in zip(first, second, strict=True)
    )


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
