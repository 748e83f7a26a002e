"""Pickles of foreign libraries: written without our functions, read through an exact list of names."""
from __future__ import annotations

import io
import pickle
from typing import Any

from lensfit.errors import FitError


def dumps(value: Any, ours: dict[str, Any]) -> bytes:
    """The pickle of a value, in which our objects stand by their names alone."""
    names = {id(thing): name for name, thing in ours.items()}

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            return names.get(id(obj))

    stream = io.BytesIO()
    Writer(stream, protocol=5).dump(value)
    return stream.getvalue()


def loads(data: bytes, ours: dict[str, Any], allowed: frozenset[str]) -> Any:
    """The value of a pickle that names nothing but what is `allowed`, as "module:name", and our objects.

    Raises FitError where it names anything else.
    """

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if f"{module}:{name}" not in allowed:
                raise FitError(f"the checkpoint names {module}.{name}, which no checkpoint of lensfit does; "
                               "it is damaged or foreign, choose another folder")
            return super().find_class(module, name)

        def persistent_load(self, pid: str) -> Any:
            return ours[pid]

    return Reader(io.BytesIO(data)).load()
