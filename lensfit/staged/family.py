"""The final basin refitted as a small family of models: their spread is the honest error on real lenses."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from lensfit.fitters._base import Variant
from lensfit.fitters.lm import Point, descend
from lensfit.model import LensModel
from lensfit.priors import Part, Prior, Solved
from lensfit.profiles import LightProfile
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.staged.joint import GROUPS

SHEAR = ("gamma1", "gamma2")
REJECTED = 1.1
"""chi2 in units of that of the fit above which a variant is not a model of these data."""
SECOND_SOURCE = (2.5, 0.35)
"""Sizes, in units of the first source's, from which a second source is tried."""


def fit_family(space: Space, model: LensModel, likelihood: Any, point: Point) -> tuple[Variant, ...]:
    """Variants of a fit at `point`: without shear and with one more source, each alone and both together."""
    sheared = any(p.role in SHEAR for p in space.parameters)
    variants = [_variant("as fitted", space, point)]
    if sheared:
        variants.append(_without_shear("no shear", space, likelihood, np.asarray(point.theta)))
    if len(model.source) == 1:
        wider = Space.of(_with_second_source(model))
        starts = [_start(space, wider, np.asarray(point.theta), size) for size in SECOND_SOURCE]
        best = min((_fit(wider, likelihood, s, 10) for s in starts), key=lambda p: float(p.objective))
        best = _fit(wider, likelihood, np.asarray(best.theta), 15)
        variants.append(_variant("two sources", wider, best))
        if sheared:
            variants.append(_without_shear("two sources, no shear", wider, likelihood, np.asarray(best.theta)))
    return tuple(variants)


def spread(names: tuple[str, ...], variants: tuple[Variant, ...]) -> np.ndarray:
    """Half the range (n,) of each named parameter over the variants that fit nearly as well as the first.

    NaN where only one has it.
    """
    good = [v for v in variants if v.chi2 < REJECTED * variants[0].chi2]
    values = [[v.values[name] for v in good if name in v.values] for name in names]
    return np.array([0.5 * np.ptp(some) if len(some) > 1 else np.nan for some in values])


def _variant(name: str, space: Space, point: Point) -> Variant:
    values = dict(zip(space.names, np.asarray(point.theta).tolist(), strict=True))
    solved = zip(space.amplitudes, np.asarray(point.amplitudes).tolist(), strict=True)
    return Variant(name, float(point.chi2), values | {p.name: value for p, value in solved})


def _fit(space: Space, likelihood: Any, theta: np.ndarray, iterations: int, free: Any = True) -> Point:
    free = np.broadcast_to(free, space.ndim)
    return descend(space, likelihood, theta, free, iterations, 1.0, GROUPS).point


def _without_shear(name: str, space: Space, likelihood: Any, theta: np.ndarray) -> Variant:
    shear = np.array([p.role in SHEAR for p in space.parameters])
    point = _fit(space, likelihood, np.where(shear, 0.0, theta), 20, ~shear)
    variant = _variant(name, space, point)
    fixed = {n for n, is_shear in zip(space.names, shear, strict=True) if is_shear}
    return dataclasses.replace(variant, values={k: v for k, v in variant.values.items() if k not in fixed})


def _with_second_source(model: LensModel) -> LensModel:
    """The model with another source like its only one, parameters of its own and the amplitude solved."""
    ((name, source),) = model.source.items()
    own: dict[int, Prior] = {}

    def renewed(leaf: Any) -> Any:
        prior = leaf.prior if isinstance(leaf, Part) else leaf
        if not isinstance(prior, Prior):
            return leaf
        copy = own.setdefault(id(prior), dataclasses.replace(prior))  # pyright: ignore[reportArgumentType]
        return Part(copy, leaf.index) if isinstance(leaf, Part) else copy

    leaf = lambda node: isinstance(node, (Prior, Part, Solved))  # noqa: E731
    second: LightProfile = jax.tree.map(renewed, source, is_leaf=leaf)
    second = replace(second, **{second.amplitude: Solved()})
    return replace(model, source={name: source, f"{name}_second": second})


def _start(space: Space, wider: Space, theta: np.ndarray, size: float) -> np.ndarray:
    """theta of the wider space: the fit, with the second source on the first and of another size."""
    known = dict(zip(space.names, theta, strict=True))
    values = []
    for parameter in wider.parameters:
        value = known.get(parameter.name, known.get(parameter.name.replace("_second", "")))
        scale = size if parameter.name not in known and parameter.role == "radius" else 1.0
        values.append(scale * float(value))  # pyright: ignore[reportArgumentType]
    return np.array(values)
