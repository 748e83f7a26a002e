"""A model and its neighbour with one more source."""
from __future__ import annotations

from typing import Any

import jax

from lensfit.model import LensModel
from lensfit.priors import Part, Prior, Solved, renewed
from lensfit.profiles import LightProfile
from lensfit.pytree import replace

SUFFIX = "_second"
"""What is added to a source's name for the other one like it."""


def with_second_source(model: LensModel) -> LensModel:
    """The model with another source like its only one, parameters of its own and the amplitude solved."""
    ((name, source),) = model.source.items()
    own: dict[str, Prior] = {}

    def another(leaf: Any) -> Any:
        prior = leaf.prior if isinstance(leaf, Part) else leaf
        if not isinstance(prior, Prior):
            return leaf
        copy = own.setdefault(prior.tag, renewed(prior))
        return Part(copy, leaf.index) if isinstance(leaf, Part) else copy

    leaf = lambda node: isinstance(node, (Prior, Part, Solved))  # noqa: E731
    second: LightProfile = jax.tree.map(another, source, is_leaf=leaf)
    second = replace(second, **{second.amplitude: Solved()})
    return replace(model, source={name: source, name + SUFFIX: second})
