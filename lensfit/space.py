"""From a tree of profiles and priors to vectors: names, theta (physical), z (standard normal), u (unit cube)."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from lensfit.errors import ModelError
from lensfit.model import LensModel, Parameter, describe, owner_of
from lensfit.priors import Part, Prior, Solved
from lensfit.profiles import LightProfile
from lensfit.pytree import pytree, replace, static


@pytree
class Ref:
    """In a prior of a space: a hyperparameter that is the parameter of this index."""

    index: int = static()


@dataclasses.dataclass(frozen=True)
class Slot:
    """What stands at one leaf: a fixed number, a free parameter (of that index), or solved amplitudes."""

    kind: str
    index: int
    positive: bool = True


@pytree
class Space:
    """The parameters of a model. Its numbers are data to a compiled program, its structure is static.

    `paths` and `slots` go leaf by leaf, `blocks` (indices into theta) and `priors` prior by prior. `groups`
    are priors of one class that can be evaluated together, those that others depend on first.
    """

    treedef: Any = static()
    paths: tuple[str, ...] = static()
    slots: tuple[Slot, ...] = static()
    parameters: tuple[Parameter, ...] = static()
    amplitudes: tuple[Parameter, ...] = static()
    blocks: tuple[tuple[int, ...], ...] = static()
    groups: tuple[tuple[int, ...], ...] = static()
    fixed: tuple[Any, ...]
    priors: tuple[Prior, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names of the free parameters, as `mass.sie.einstein_radius`."""
        return tuple(p.name for p in self.parameters)

    @property
    def ndim(self) -> int:
        """Number of free parameters."""
        return len(self.parameters)

    def _group(self, members: tuple[int, ...], value: Callable[[int], Any]) -> tuple[Prior, np.ndarray]:
        """Priors of one class as one with stacked hyperparameters, and their indices (G, size) into theta."""
        is_ref = lambda leaf: isinstance(leaf, Ref)  # noqa: E731
        resolved = [
            jax.tree.map(lambda h: value(h.index) if is_ref(h) else h, self.priors[k], is_leaf=is_ref)
            for k in members
        ]
        stacked = jax.tree.map(lambda *h: jnp.stack([jnp.asarray(v) for v in h]), *resolved)
        return stacked, np.array([self.blocks[k] for k in members])

    def to_theta(self, z: jax.Array) -> jax.Array:
        """theta (ndim,) in physical units of the standard normal z (ndim,)."""
        known, order = jnp.zeros(0, z.dtype), np.zeros(0, int)
        for members in self.groups:
            value = lambda k: known[int(np.flatnonzero(order == k)[0])]  # noqa: E731, B023
            prior, index = self._group(members, value)
            values = jax.vmap(lambda p, v: p.forward(v))(prior, z[index])
            known, order = jnp.concatenate([known, values.ravel()]), np.concatenate([order, index.ravel()])
        return known[np.argsort(order)]

    def to_z(self, theta: jax.Array) -> jax.Array:
        """z (ndim,) of theta (ndim,); not finite where theta is outside its prior."""
        found, order = jnp.zeros(0, theta.dtype), np.zeros(0, int)
        for members in self.groups:
            prior, index = self._group(members, lambda k: theta[k])
            values = jax.vmap(lambda p, t: p.inverse(t))(prior, theta[index])
            found, order = jnp.concatenate([found, values.ravel()]), np.concatenate([order, index.ravel()])
        return found[np.argsort(order)]

    def from_unit_cube(self, u: jax.Array) -> jax.Array:
        """theta (ndim,) of u (ndim,) in the open unit cube."""
        return self.to_theta(ndtri(u))

    def log_prior(self, theta: jax.Array) -> jax.Array:
        """ln p(theta); -inf outside the support."""
        total = jnp.zeros(())
        for members in self.groups:
            prior, index = self._group(members, lambda k: theta[k])
            total = total + jnp.sum(jax.vmap(lambda p, t: p.log_density(t))(prior, theta[index]))
        return total

    def build(self, theta: jax.Array) -> LensModel:
        """The model at theta (ndim,); its `Solved` leaves stay in place (see `LensModel.filled`)."""
        leaves: list[Any] = []
        for slot in self.slots:
            if slot.kind == "fixed":
                leaves.append(self.fixed[slot.index])
            elif slot.kind == "free":
                leaves.append(theta[slot.index])
            else:
                leaves.append(Solved(positive=slot.positive))
        return jax.tree.unflatten(self.treedef, leaves)

    @classmethod
    def of(cls, model: LensModel) -> Space:
        """Read the parameters off a model whose leaves are numbers, priors and `Solved`."""
        return _Reader().read(model)


def _is_leaf(node: Any) -> bool:
    return isinstance(node, (Prior, Part, Solved))


class _Reader:
    """One walk over a model: collects slots, parameters and the priors in an order that can be evaluated."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.fixed: list[Any] = []
        self.parameters: list[Parameter] = []
        self.amplitudes: list[Parameter] = []
        self.index: dict[tuple[int, int], int] = {}
        self.priors: dict[int, Prior] = {}

    def read(self, model: LensModel) -> Space:
        paths, treedef = jax.tree_util.tree_flatten_with_path(model, is_leaf=_is_leaf)
        for path, leaf in paths:
            self.slots.append(self._slot(leaf, describe(model, path), owner_of(model, path)))
        priors, blocks, groups = self._order()
        return Space(
            treedef=treedef,
            paths=tuple(describe(model, path).name for path, _ in paths),
            slots=tuple(self.slots),
            parameters=tuple(self.parameters),
            amplitudes=tuple(self.amplitudes),
            blocks=blocks,
            groups=groups,
            fixed=tuple(self.fixed),
            priors=priors,
        )

    def _slot(self, leaf: Any, where: Parameter, owner: Any) -> Slot:
        if isinstance(leaf, Solved):
            return self._solved(leaf, where, owner)
        if isinstance(leaf, (Prior, Part)):
            prior, part = (leaf.prior, leaf.index) if isinstance(leaf, Part) else (leaf, 0)
            if isinstance(leaf, Prior) and leaf.size > 1:
                raise ModelError(f"{where.name}: a {type(leaf).__name__} prior holds {leaf.size} parameters; "
                                 "place its .parts at the leaves")
            key = (id(prior), part)
            if key not in self.index:
                self.priors[id(prior)] = prior
                self.index[key] = len(self.parameters)
                self.parameters.append(where)
            return Slot("free", self.index[key])
        self.fixed.append(np.asarray(leaf, float))
        return Slot("fixed", len(self.fixed) - 1)

    def _solved(self, leaf: Solved, where: Parameter, owner: Any) -> Slot:
        if where.role != "amplitude":
            raise ModelError(f"{where.name}: only the amplitude of a light profile or the sky can be Solved")
        count = owner.count if isinstance(owner, LightProfile) else 1
        start = len(self.amplitudes)
        for k in range(count):
            name = where.name if count == 1 else f"{where.name}[{k}]"
            self.amplitudes.append(dataclasses.replace(where, name=name))
        return Slot("solved", start, leaf.positive)

    def _order(self) -> tuple[tuple[Prior, ...], tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Priors with `Ref` in place of the priors they depend on, their blocks, and the groups of equals."""
        done: dict[int, Prior] = {}
        levels: dict[int, int] = {}
        for prior in self.priors.values():
            self._visit(prior, (), done, levels)
        keys = list(done)
        kinds = sorted({(levels[k], type(done[k]).__name__) for k in keys})
        groups = tuple(
            tuple(n for n, k in enumerate(keys) if (levels[k], type(done[k]).__name__) == kind) for kind in kinds
        )
        blocks = tuple(tuple(self.index[k, part] for part in range(done[k].size)) for k in keys)
        return tuple(done.values()), blocks, groups

    def _visit(
        self, prior: Prior, above: tuple[int, ...], done: dict[int, Prior], levels: dict[int, int]
    ) -> None:
        if id(prior) in done:
            return
        name = type(prior).__name__
        if id(prior) in above:
            raise ModelError(f"{name} prior: its hyperparameters lead back to itself")
        missing = [k for k in range(prior.size) if (id(prior), k) not in self.index]
        if missing:
            raise ModelError(
                f"part {missing[0]} of a {name} prior stands at no leaf of the model; place every part, "
                "also of priors used as hyperparameters"
            )
        changes, level = {}, 0
        for field in dataclasses.fields(prior):
            if field.metadata.get("static"):
                continue
            hyper = getattr(prior, field.name)
            if isinstance(hyper, (Prior, Part)):
                parent, part = (hyper.prior, hyper.index) if isinstance(hyper, Part) else (hyper, 0)
                self._visit(parent, (*above, id(prior)), done, levels)
                changes[field.name] = Ref(index=self.index[id(parent), part])
                level = max(level, levels[id(parent)] + 1)
            else:
                changes[field.name] = np.asarray(hyper, float)
        done[id(prior)], levels[id(prior)] = replace(prior, tag="", **changes), level


def solve_amplitudes(model: LensModel) -> LensModel:
    """The model with every free light amplitude (a prior of its own at one leaf) solved instead of sampled."""
    uses: dict[int, int] = {}
    for leaf in jax.tree.leaves(model, is_leaf=_is_leaf):
        uses[id(leaf)] = uses.get(id(leaf), 0) + 1

    def solved(profile: LightProfile) -> LightProfile:
        amplitude = getattr(profile, profile.amplitude)
        if isinstance(amplitude, Prior) and uses[id(amplitude)] == 1:
            return replace(profile, **{profile.amplitude: Solved()})
        return profile

    sky = Solved(positive=False) if isinstance(model.sky, Prior) else model.sky
    light = {name: solved(p) for name, p in model.light.items()}
    source = {n: solved(p) if isinstance(p, LightProfile) else p for n, p in model.source.items()}
    return replace(model, light=light, source=source, sky=sky)
