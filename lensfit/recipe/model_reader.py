"""From the tables of a recipe to a model, and what can be wrong with a model whose tables are all in order."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from lensfit import priors
from lensfit.alignment import Alignment
from lensfit.errors import ModelError
from lensfit.inversion.regularisation import check_source
from lensfit.model import GROUPS, AnyModel, LensModel, Models, check_profile
from lensfit.priors import Part, Prior, Solved
from lensfit.profile_names import added, final, find, known
from lensfit.profiles import LightProfile, PixelSource
from lensfit.pytree import replace
from lensfit.recipe import values
from lensfit.space import Space

PRIORS = final(priors, Prior)
MOST_PROFILES = 200
LONGEST_CHAIN = 30
"""Leaves that one leaf may lead through: by a name that stands for it, or as a hyperparameter."""
MOST_NUMBERS = 4000
"""Numbers in lists of a model: each is a term of a formula."""


def pairs_of(profile: type) -> dict[str, tuple[str, str]]:
    """Name -> two fields of a profile that one prior may set, as e -> (e1, e2)."""
    names = [f.name for f in dataclasses.fields(profile)]
    return {n[:-1]: (n, f"{n[:-1]}2") for n in names if n.endswith("1") and f"{n[:-1]}2" in names}


def leaves_of(profile: type) -> list[str]:
    """The fields of a profile that hold numbers and priors."""
    return [f.name for f in dataclasses.fields(profile) if not f.metadata.get("static")]


def settings_of(profile: type) -> list[str]:
    """The fields of a profile that are part of its structure, as `pixels` of a PixelSource."""
    return [f.name for f in dataclasses.fields(profile) if f.metadata.get("static")]


OF_MODEL = ("sky", "alignment", *GROUPS)
"""The tables and keys that make a model."""


def read_model(content: dict[str, Any], names: Iterable[str] = ()) -> AnyModel:
    """The model of a recipe's sky, light, mass, source and alignment.

    names: of several data. The model of each is what stands at the top level, which all of them share, and what stands
    in the table of its name.

    Raises:
        ModelError: the tables do not make a model that can be evaluated.
    """
    reader = _Reader()
    tables = {name: values.table(content.get(name, {}), name) for name in names}
    for name, table in tables.items():
        for key in table:
            if key not in OF_MODEL:
                values.unknown(name, "table", key, OF_MODEL)
    kinds = dict(made for name, table in {"": content, **tables}.items() for made in _enter(reader, name, table))
    if len(kinds) > MOST_PROFILES:
        raise ModelError(f"{len(kinds)} profiles; a model has at most {MOST_PROFILES}")
    profiles = _made(reader, kinds)

    def model(name: str) -> LensModel:
        groups = {group: {key: made for (of, g, key), made in profiles.items() if g == group and of in ("", name)}
                  for group in GROUPS}  # fmt: skip
        dot = f"{name}." if name else ""
        sky = f"{dot}sky" if f"{dot}sky" in reader.raw else "sky"
        return LensModel(**groups, sky=reader.leaf(sky), alignment=_alignment(reader, dot))

    made = Models(terms={name: model(name) for name in tables}) if tables else model("")
    Space.of(made)  # raises where a prior is no distribution
    return made


def _enter(reader: _Reader, name: str, content: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str], type]]:
    """Take in the tables of one of several data, or of all: (name, group, key of a profile) and its class."""
    dot = f"{name}." if name else ""
    for group in GROUPS:
        for key, entries in values.table(content.get(group, {}), f"{dot}{group}").items():
            yield (name, group, key), reader.enter(group, f"{dot}{group}.{key}", entries)
    if "sky" in content or not name:
        reader.raw[f"{dot}sky"] = content.get("sky", 0.0)
    if "alignment" in content:
        reader.enter_fields(f"{dot}alignment", values.table(content["alignment"], f"{dot}alignment"), Alignment)


def _made(reader: _Reader, kinds: dict[tuple[str, str, str], Any]) -> dict[tuple[str, str, str], Any]:
    """The profiles, checked."""
    listed, made = 0, {}
    for (name, group, key), kind in kinds.items():
        where = f"{name}.{group}.{key}" if name else f"{group}.{key}"
        given = [field for field in leaves_of(kind) if f"{where}.{field}" in reader.raw]
        leaves = {field: reader.leaf(f"{where}.{field}") for field in given}
        listed += sum(np.size(leaf) for leaf in leaves.values() if np.ndim(leaf) == 1)
        if listed > MOST_NUMBERS:
            raise ModelError(f"{where}: more than {MOST_NUMBERS} numbers in the lists up to this one; give fewer")
        made[name, group, key] = kind(**leaves, **reader.settings[where])
        check_profile(made[name, group, key], where)
        check_lists(made[name, group, key], where)
    return made


def _alignment(reader: _Reader, dot: str) -> Alignment | None:
    where = f"{dot}alignment" if f"{dot}alignment.shift_x" in reader.raw else "alignment"
    if f"{where}.shift_x" not in reader.raw:
        return None
    return Alignment(**{field: reader.leaf(f"{where}.{field}") for field in leaves_of(Alignment)})


@dataclasses.dataclass(frozen=True, eq=False)
class _Share:
    """One part of what a pair's key says."""

    pair: str
    index: int


class _Reader:
    """Entries by the dotted name of their leaf, made into leaves when asked for, each once."""

    def __init__(self) -> None:
        self.raw: dict[str, Any] = {}
        self.settings: dict[str, dict[str, Any]] = {}
        self.pairs: dict[str, Any] = {}
        self.made: dict[str, Any] = {}
        self.open: list[str] = []

    def enter(self, group: str, where: str, entries: Any) -> type:
        """Take in the entries of one profile of a group; its class."""
        entries = dict(values.table(entries, where))
        if "profile" not in entries:
            raise ModelError(f"{where}: no profile; give profile = one of {', '.join(known(GROUPS[group]))}")
        kind = _profile(entries.pop("profile"), group, where)
        self.enter_fields(where, entries, kind)
        return kind

    def enter_fields(self, where: str, entries: dict[str, Any], kind: Any) -> None:
        """Take in the entries of a profile or an alignment."""
        fields, settings, pairs = leaves_of(kind), settings_of(kind), pairs_of(kind)
        self.settings[where] = {key: entries.pop(key) for key in settings if key in entries}
        for key, value in entries.items():
            if key in pairs:
                self._enter_pair(where, key, pairs[key], value, entries)
            elif key in fields:
                self.raw[f"{where}.{key}"] = value
            else:
                values.unknown(where, f"{kind.__name__} parameter", key, [*fields, *settings, *pairs])
        needed = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]
        missing = [f for f in needed if f"{where}.{f}" not in self.raw and f not in self.settings[where]]
        if missing:
            raise ModelError(f"{where}: {kind.__name__} has no {', '.join(missing)}; give a number or prior")

    def _enter_pair(self, where: str, key: str, parts: tuple[str, str], value: Any, entries: Any) -> None:
        double = [part for part in parts if part in entries]
        if double:
            raise ModelError(f"{where}: both {key} and {', '.join(double)}; {key} sets {' and '.join(parts)}")
        if not isinstance(value, (str, dict)):
            said = values.shown(repr(value))
            raise ModelError(f"{where}.{key}: {said} is no prior; set numbers by {' and '.join(parts)}")
        self.pairs[f"{where}.{key}"] = value
        for index, part in enumerate(parts):
            share = f"{value}{index + 1}" if isinstance(value, str) else _Share(f"{where}.{key}", index)
            self.raw[f"{where}.{part}"] = share

    def leaf(self, name: str) -> Any:
        """The number, prior, part of a prior or `Solved` of this name."""
        if name not in self.made:
            if len(self.open) > LONGEST_CHAIN:
                raise ModelError(f"{self.open[0]}: leads through more than {LONGEST_CHAIN} others; name the last one")
            if name in self.open:
                raise ModelError(f"{name}: leads back to itself by way of {', '.join(self.open)}")
            self.open.append(name)
            self.made[name] = self._leaf(self.raw[name], name)
            self.open.remove(name)
        return self.made[name]

    def _leaf(self, value: Any, where: str) -> Any:
        if isinstance(value, _Share):
            return Part(self._pair(value.pair), value.index)
        if value == "solved":
            return Solved()
        if isinstance(value, str):
            return self._named(value, where)
        if isinstance(value, list):
            return _array(value, where)
        if not isinstance(value, dict):
            return values.number(value, where)
        if "solved" in value:
            return _solved(value, where)
        return self._prior(value, where, 1)

    def _pair(self, name: str) -> Prior:
        if name not in self.made:
            self.made[name] = self._prior(self.pairs[name], name, 2)
        return self.made[name]

    def _named(self, name: str, where: str) -> Any:
        """What stands at the leaf of this name, for another leaf or as a hyperparameter."""
        if name not in self.raw:
            values.unknown(where, "parameter", name, self.raw)
        leaf = self.leaf(name)
        if isinstance(leaf, Solved):
            raise ModelError(f"{where}: {name} is solved and no parameter; write \"solved\" here too")
        return leaf

    def _prior(self, value: dict[str, Any], where: str, size: int) -> Prior:
        entries = dict(value)
        if "prior" not in entries:
            raise ModelError(f"{where}: {values.shown(repr(value))} names no prior; write {{prior = \"Normal\", ...}}")
        fitting = {name: kind for name, kind in PRIORS.items() if kind.size == size}
        chosen = entries.pop("prior")
        if not isinstance(chosen, str) or chosen not in fitting:
            values.unknown(where, f"prior of {size}", chosen, fitting)
        fields = [f for f in dataclasses.fields(fitting[chosen]) if not f.metadata.get("static")]
        for key in entries:
            if key not in [f.name for f in fields]:
                values.unknown(where, f"parameter of {chosen}", key, [f.name for f in fields])
        missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in entries]
        if missing:
            raise ModelError(f"{where}: {chosen} has no {', '.join(missing)}")
        return fitting[chosen](**{key: self._hyper(item, f"{where}.{key}") for key, item in entries.items()})

    def _hyper(self, value: Any, where: str) -> Any:
        return self._named(value, where) if isinstance(value, str) else values.number(value, where)


def _profile(chosen: Any, group: str, where: str) -> Any:
    """The class of the profile that is chosen for a place in a group."""
    try:
        kind = find(chosen, GROUPS[group]) if isinstance(chosen, str) else None
    except ModelError as error:
        raise ModelError(f"{where}: {values.shown(str(error))}") from error
    if kind is None:
        values.unknown(where, f"{group} profile", chosen, [*known(GROUPS[group]), *added()])
    return kind


def _array(value: list[Any], where: str, axes: int = 2) -> np.ndarray:
    """A list of numbers, or of such lists, all of one length; of at most so many axes."""
    if axes == 1 or not (value and all(isinstance(item, list) for item in value)):
        return np.array([values.number(item, where) for item in value])
    rows = [_array(item, where, axes - 1) for item in value]
    if len({row.shape for row in rows}) > 1:
        raise ModelError(f"{where}: its rows have several lengths")
    return np.array(rows)


def _solved(value: dict[str, Any], where: str) -> Solved:
    for key in value:
        if key not in ("solved", "positive"):
            values.unknown(where, "key", key, ("solved", "positive"))
    positive = value.get("positive", True)
    if value["solved"] is not True or not isinstance(positive, bool):
        raise ModelError(f"{where}: {values.shown(repr(value))}; write {{solved = true, positive = true or false}}")
    return Solved(positive=positive)


def check_lists(profile: Any, where: str) -> None:
    """Raise ModelError where a profile has a list for a number or a number for a list."""
    if isinstance(profile, PixelSource):
        check_source(profile, where)
        return
    leaves = {f.name: getattr(profile, f.name) for f in dataclasses.fields(profile)}
    try:
        with jax.enable_x64(True):
            good = _is_evaluable(profile, leaves)
    except (TypeError, ValueError, IndexError):
        good = False
    if not good:
        lists = [name for name, value in leaves.items() if np.ndim(value)]
        raise ModelError(
            f"{where}: {type(profile).__name__} cannot be evaluated with lists for "
            f"{', '.join(lists) or 'nothing'}; give a number where it has one and a list where it has several"
        )


def _is_evaluable(profile: Any, leaves: dict[str, Any]) -> bool:
    free = (Prior, Part, Solved)
    numbers = {n: np.array(0.5) if isinstance(v, free) else np.asarray(v) for n, v in leaves.items()}
    method = "deflection"
    if isinstance(profile, LightProfile):
        count = replace(profile, **numbers).count
        expected = () if count == 1 else (count,)
        if not isinstance(leaves[profile.amplitude], Solved) and numbers[profile.amplitude].shape != expected:
            return False
        numbers[profile.amplitude] = np.ones(expected)
        method = "brightness"
    images = jax.eval_shape(getattr(replace(profile, **numbers), method), 0.3, 0.4)
    return all(image.shape == () for image in jax.tree.leaves(images))
