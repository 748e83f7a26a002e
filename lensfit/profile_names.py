"""Profiles by name: lensfit's by their class, those of other packages beside them.

Another package names its own by an entry point of `GROUP`, or what is read says "module:Class". Either imports that
package: a recipe or a run is to be trusted as far as what it names.
"""
from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import re
from typing import Any

from lensfit import profiles
from lensfit.errors import ModelError

GROUP = "lensfit.profiles"
"""Entry-point group under which other packages add their profiles: a name = "module:Class"."""
_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def final(module: Any, bases: type | tuple[type, ...]) -> dict[str, Any]:
    """The classes of a module that are made from `bases`, without the abstract ones, by name."""
    found = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, bases)]
    return {c.__name__: c for c in found if dataclasses.is_dataclass(c) and not inspect.isabstract(c)}


def known(bases: tuple[type, ...]) -> dict[str, Any]:
    """lensfit's profiles that are made from `bases`, by name."""
    return final(profiles, bases)


def added() -> dict[str, str]:
    """Where the profiles are that other packages add, "module:Class" by name, whatever they are made from."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def find(name: str, bases: tuple[type, ...]) -> Any:
    """The class of a name that is made from `bases`; None where the name is nobody's.

    Raises:
        ModelError: it cannot be imported, or is no such profile.
    """
    own = known(bases)
    if name in own:
        return own[name]
    place = added().get(name, name)
    if not _PLACE.fullmatch(place):
        return None
    kind = _imported(place)
    if not (isinstance(kind, type) and issubclass(kind, bases) and dataclasses.is_dataclass(kind)):
        wanted = " or ".join(base.__name__ for base in bases)
        raise ModelError(f"{place} is no {wanted} made with lensfit.pytree.pytree")
    bare = [f.name for f in dataclasses.fields(kind) if not {"role", "static"} & set(f.metadata)]
    if bare:
        raise ModelError(f"{place}: {', '.join(bare)} without unit and role; make it with lensfit.profiles.parameter")
    return kind


def name_of(kind: type) -> str | None:
    """The name by which `find` finds a class; None for one that no import finds again, as one of a notebook."""
    if vars(profiles).get(kind.__name__) is kind:
        return kind.__name__
    place = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or not _PLACE.fullmatch(place):
        return None
    return {place: name for name, place in added().items()}.get(place, place)


def _imported(place: str) -> Any:
    module, name = place.split(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ModelError(f"{place}: {error}; install the package that has it") from error
    except AttributeError as error:
        raise ModelError(f"{place}: {module} has no {name}") from error
