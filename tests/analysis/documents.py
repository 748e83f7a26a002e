"""Whether two analyses say the same."""

import dataclasses

import jax
import numpy as np

from lensfit.fitters.result import FitResult

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
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("model", "variants", "search"):
            first, second = (jax.tree.leaves(_tree(some)) for some in (first, second))
        np.testing.assert_equal(second, first, err_msg=field.name)


def _tree(value):
    if isinstance(value, tuple):
        return [_tree(item) for item in value]
    if dataclasses.is_dataclass(value) and not jax.tree_util.all_leaves([value]):
        return value
    return {f.name: _tree(getattr(value, f.name)) for f in dataclasses.fields(value)} if (
        dataclasses.is_dataclass(value)) else value  # fmt: skip
