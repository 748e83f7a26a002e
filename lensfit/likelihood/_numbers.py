"""A method of a model as a formula of the numbers in it, as `surface` takes it."""
from __future__ import annotations

from typing import Any

import jax

from lensfit.model import LensModel
from lensfit.priors import Solved


def with_numbers(model: LensModel, method: Any) -> tuple[Any, list[Any]]:
    """A method of the model as a formula of its numbers, `Solved` leaves kept in place."""
    leaves, treedef = jax.tree.flatten(model, is_leaf=lambda leaf: isinstance(leaf, Solved))
    moving = [k for k, leaf in enumerate(leaves) if not isinstance(leaf, Solved)]

    def formula(numbers: list[Any], x: Any, y: Any) -> Any:
        every = list(leaves)
        for k, number in zip(moving, numbers, strict=True):
            every[k] = number
        return method(treedef.unflatten(every), x, y)

    return formula, [leaves[k] for k in moving]
