"""Whether two analyses say the same."""

import dataclasses

import jax
import numpy as np

from lensfit.fitters.result import FitResult
from lensfit.model import LensModel, Models

TIMES = {"seconds", "cpu_seconds", "provenance"}


def same(one, other, path=""):
    """Two documents are one, but for times and where they were made."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one.keys() - TIMES:
            same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), path
        for k, (first, second) in enumerate(zip(one, other, strict=True)):
            same(first, second, f"{path}[{k}]")
    else:
        assert one == other, path


def quantities(done):
    """The derived quantities of an analysis as plain values, of which NaN is the same as NaN."""
    return {name: vars(quantity) for name, quantity in done.derived.items()}


def same_result(one, other):
    """Two results are one in every field, bit for bit."""
    for field in dataclasses.fields(FitResult):
        first, second = (_plain(getattr(result, field.name)) for result in (one, other))
        np.testing.assert_equal(second, first, err_msg=field.name)


def _plain(value):
    """Models as their numbers, what else has fields as a dict."""
    if isinstance(value, LensModel | Models):
        return [np.asarray(leaf, float) for leaf in jax.tree.leaves(value)]
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
