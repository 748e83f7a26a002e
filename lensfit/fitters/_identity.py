"""What a checkpoint belongs to: data, model, fitter with its settings, seed, start and versions."""
from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import re
from typing import Any

import jax
import numpy as np

from lensfit._version import __version__
from lensfit.fitters._base import Fitter
from lensfit.problem import Problem

BASE = ("jax", "jaxlib", "numpy", "scipy")
"""Packages whose version every resumed fit needs to be the same, beside those the fitter names."""


def identity(problem: Problem, fitter: Fitter, seed: int, start: np.ndarray | None) -> dict[str, Any]:
    """What must be the same for a fit to go on, as JSON can hold it."""
    settings = {f.name: _plain(getattr(fitter, f.name)) for f in dataclasses.fields(fitter)}  # pyright: ignore
    found = {
        "data": _hash(problem.likelihood),
        "model": _hash(problem.space),
        "fitter": f"{type(fitter).__module__}:{type(fitter).__qualname__}",
        "settings": settings,
        "seed": seed,
        "start": None if start is None else _hash(np.asarray(start)),
        "version": {"lensfit": __version__} | {n: importlib.metadata.version(n) for n in (*BASE, *fitter.packages)},
    }
    return json.loads(json.dumps(found))


def difference(kept: dict[str, Any], now: dict[str, Any]) -> str:
    """In which points two identities differ, in words; empty where they do not."""
    found = []
    for name in now:
        before, after = kept.get(name), now[name]
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            keys = sorted(k for k in before | after if before.get(k) != after.get(k))
            found += [f"{name} {k}: {before.get(k)!r}, now {after.get(k)!r}" for k in keys]
        elif name in ("data", "model", "start"):
            found.append(f"other {name}")
        else:
            found.append(f"{name}: {before!r}, now {after!r}")
    return "; ".join(found)


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)


def _hash(tree: Any) -> str:
    """sha256 of a pytree: its structure, and the numbers in it."""
    leaves, structure = jax.tree.flatten(tree)
    total = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(structure)).encode())
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()
