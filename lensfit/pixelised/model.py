"""From a parametric fit to a model whose source is on pixels: priors of the mass kept, lens light held in shape."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax

from lensfit.fitters.result import FitResult
from lensfit.model import LensModel, describe
from lensfit.priors import Part, Prior, Solved, key
from lensfit.profiles import PixelSource
from lensfit.pytree import replace
from lensfit.space import solve_amplitudes

NAME = "pixels"
"""Of the source on pixels in the model."""


def pixel_model(model: LensModel, result: FitResult, source: PixelSource) -> LensModel:
    """The model of a parametric fit with `source` in place of its sources.

    The mass keeps its priors. The lens light keeps the shape that it had in the fit; its amplitudes, and the
    sky's, are `Solved`. Where a prior of the mass is centred on the light, it is centred on what was fitted.
    """
    bare = replace(solve_amplitudes(model), source={})
    paths, structure = jax.tree_util.tree_flatten_with_path(bare, is_leaf=_is_leaf)
    leaves = [(describe(bare, path), leaf) for path, leaf in paths]
    holder = _Holder(leaves, result)
    made = jax.tree_util.tree_unflatten(structure, [holder.leaf(where.group, leaf) for where, leaf in leaves])
    return replace(made, source={NAME: source})


def _is_leaf(node: Any) -> bool:
    return isinstance(node, (Prior, Part, Solved))



class _Holder:
    """Puts fitted numbers in place of priors, everywhere but in the mass."""

    def __init__(self, leaves: list[tuple[Any, Any]], result: FitResult) -> None:
        self.values: dict[tuple[str, int], float] = {}
        self.free: set[str] = set()
        self.made: dict[str, Prior] = {}
        for where, leaf in leaves:
            if isinstance(leaf, (Prior, Part)):
                if key(leaf) not in self.values:
                    self.values[key(leaf)] = result[where.name]
                if where.group == "mass":
                    self.free.add(key(leaf)[0])

    def leaf(self, group: str, leaf: Any) -> Any:
        """What stands at a leaf of a group."""
        if not isinstance(leaf, (Prior, Part)):
            return leaf
        return self._held(leaf) if group == "mass" else self.values[key(leaf)]

    def _held(self, leaf: Prior | Part) -> Prior | Part:
        """A prior of the mass, its hyperparameters numbers unless they are parameters of the mass too."""
        if isinstance(leaf, Part):
            return Part(self._prior(leaf.prior), leaf.index)
        return self._prior(leaf)

    def _prior(self, prior: Prior) -> Prior:
        if prior.tag not in self.made:
            hypers = {f.name: getattr(prior, f.name) for f in dataclasses.fields(prior)}
            self.made[prior.tag] = replace(prior, **{name: self._hyper(h) for name, h in hypers.items()})
        return self.made[prior.tag]

    def _hyper(self, hyper: Any) -> Any:
        if not isinstance(hyper, (Prior, Part)):
            return hyper
        return self._held(hyper) if key(hyper)[0] in self.free else self.values[key(hyper)]
