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
from lensfit.model import AnyModel, LensModel, Models, Parameter, check_leaves, describe, owner_of
from lensfit.priors import Part, Prior, Solved, key
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

    def build(self, theta: Any) -> Any:
        """The model (or `Models`) at theta (ndim,); its `Solved` leaves stay in place (see `LensModel.filled`)."""
        leaves: list[Any] = []
        for slot in self.slots:
            if slot.kind == "fixed":
                leaves.append(self.fixed[slot.index])
            elif slot.kind == "free":
                leaves.append(theta[slot.index])
            else:
                leaves.append(Solved(positive=slot.positive, tag=str(slot.index)))
        return jax.tree.unflatten(self.treedef, leaves)

    @classmethod
    def of(cls, model: AnyModel) -> Space:
        """Read the parameters off a model, or the models of several datasets.

        Raises:
            ModelError: a leaf is no number, prior or `Solved`, a prior is no distribution, or one part of a prior
                stands nowhere.
        """
        check_leaves(model)
        return _Reader(model).read()


def is_leaf(node: Any) -> bool:
    """Whether a node of a model's tree is a prior, a part of one, or `Solved`."""
    return isinstance(node, (Prior, Part, Solved))


class _Reader:
    """One walk over a model: collects slots, parameters and the priors in an order that can be evaluated."""

    def __init__(self, model: AnyModel) -> None:
        self.model = model
        self.leaves, self.treedef = jax.tree_util.tree_flatten_with_path(model, is_leaf=is_leaf)
        self.where = [describe(model, path) for path, _ in self.leaves]
        self.shared = _shared(model, self.leaves, self.where)
        self.slots: list[Slot] = []
        self.fixed: list[Any] = []
        self.parameters: list[Parameter] = []
        self.amplitudes: list[Parameter] = []
        self.index: dict[tuple[str, int], int] = {}
        self.priors: dict[str, Prior] = {}
        self.solved: dict[tuple[str, int], tuple[int, Parameter]] = {}

    def read(self) -> Space:
        for (path, leaf), where in zip(self.leaves, self.where, strict=True):
            self.slots.append(self._slot(leaf, where, owner_of(self.model, path)))
        priors, blocks, groups = self._order()
        return Space(
            treedef=self.treedef,
            paths=tuple(where.name for where in self.where),
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
            prior = leaf.prior if isinstance(leaf, Part) else leaf
            if isinstance(leaf, Prior) and leaf.size > 1:
                raise ModelError(f"{where.name}: a {type(leaf).__name__} prior holds {leaf.size} parameters; "
                                 "place its .parts at the leaves")
            if key(leaf) not in self.index:
                trouble = prior.trouble()
                if trouble:
                    raise ModelError(f"{where.name}: its {type(prior).__name__} prior is no distribution: {trouble}")
                self.priors[prior.tag] = prior
                self.index[key(leaf)] = len(self.parameters)
                self.parameters.append(self.shared.get(key(leaf), where))
            return Slot("free", self.index[key(leaf)])
        self.fixed.append(np.asarray(leaf, float))
        return Slot("fixed", len(self.fixed) - 1)

    def _solved(self, leaf: Solved, where: Parameter, owner: Any) -> Slot:
        if where.role != "amplitude":
            raise ModelError(f"{where.name}: only the amplitude of a light profile or the sky can be Solved")
        if key(leaf) in self.solved:
            start, first = self.solved[key(leaf)]
            if first.term == where.term:
                raise ModelError(f"{where.name}: the Solved of {first.name} stands here too; each takes one of its own")
            return Slot("solved", start, leaf.positive)
        count = owner.count if isinstance(owner, LightProfile) else 1
        start, told = len(self.amplitudes), self.shared.get(key(leaf), where)
        self.solved[key(leaf)] = start, where
        for k in range(count):
            name = told.name if count == 1 else f"{told.name}[{k}]"
            self.amplitudes.append(dataclasses.replace(told, name=name))
        return Slot("solved", start, leaf.positive)

    def _order(self) -> tuple[tuple[Prior, ...], tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Priors with `Ref` in place of the priors they depend on, their blocks, and the groups of equals."""
        done: dict[str, Prior] = {}
        levels: dict[str, int] = {}
        for prior in self.priors.values():
            self._visit(prior, (), done, levels)
        tags = list(done)
        kind = {tag: (levels[tag], type(done[tag]).__name__, repr(_structure(done[tag]))) for tag in tags}
        groups = tuple(
            tuple(n for n, tag in enumerate(tags) if kind[tag] == one) for one in sorted(set(kind.values()))
        )
        blocks = tuple(tuple(self.index[tag, part] for part in range(done[tag].size)) for tag in tags)
        return tuple(done.values()), blocks, groups

    def _visit(
        self, prior: Prior, above: tuple[str, ...], done: dict[str, Prior], levels: dict[str, int]
    ) -> None:
        if prior.tag in done:
            return
        name = type(prior).__name__
        if prior.tag in above:
            raise ModelError(f"{name} prior: its hyperparameters lead back to itself")
        missing = [k for k in range(prior.size) if (prior.tag, k) not in self.index]
        if missing:
            raise ModelError(
                f"part {missing[0]} of a {name} prior stands at no leaf of the model; place every part, "
                "also of priors used as hyperparameters"
            )
        changes, level = {}, 0
        for field in dataclasses.fields(prior):
            hyper = getattr(prior, field.name)
            if field.metadata.get("static"):
                continue
            if isinstance(hyper, (Prior, Part)):
                parent = hyper.prior if isinstance(hyper, Part) else hyper
                self._visit(parent, (*above, prior.tag), done, levels)
                changes[field.name] = Ref(index=self.index[key(hyper)])
                level = max(level, levels[parent.tag] + 1)
            else:
                changes[field.name] = np.asarray(hyper, float)
        done[prior.tag], levels[prior.tag] = replace(prior, tag="", **changes), level


def _structure(prior: Prior) -> dict[str, Any]:
    """The static fields of a prior of a space."""
    return {f.name: getattr(prior, f.name) for f in dataclasses.fields(prior) if f.metadata.get("static")}


def _shared(model: AnyModel, leaves: Any, where: list[Parameter]) -> dict[tuple[str, int], Parameter]:
    """What stands at one place in the models of all datasets, by its key: its name there, that of no dataset."""
    if not isinstance(model, Models):
        return {}
    seen: dict[tuple[str, tuple[str, int]], list[Parameter]] = {}
    for (_, leaf), here in zip(leaves, where, strict=True):
        if is_leaf(leaf):
            seen.setdefault((here.name.removeprefix(f"{here.term}."), key(leaf)), []).append(here)
    found: dict[tuple[str, int], Parameter] = {}
    for (name, leaf), places in seen.items():
        if len(places) == len(model):
            found.setdefault(leaf, dataclasses.replace(places[0], name=name, term=""))
    return found


def solve_amplitudes(model: AnyModel) -> Any:
    """The model with every free light amplitude (a prior of its own at one leaf) solved instead of sampled.

    One that stands once in each model of several datasets is one solved amplitude of all.
    """
    models = model.terms if isinstance(model, Models) else {"": model}
    most = {name: _uses(one) for name, one in models.items()}
    made: dict[tuple[str, int], Solved] = {}

    def solved(prior: Any, positive: bool) -> Any:
        once = isinstance(prior, Prior) and all(uses.get(key(prior), 0) <= 1 for uses in most.values())
        return made.setdefault(key(prior), Solved(positive=positive)) if once else prior

    def changed(one: LensModel) -> LensModel:
        groups = {
            group: {n: _with_amplitude(p, solved) for n, p in getattr(one, group).items()}
            for group in ("light", "source")
        }
        return replace(one, **groups, sky=solved(one.sky, False))

    done = {name: changed(one) for name, one in models.items()}
    return Models(terms=done) if isinstance(model, Models) else done[""]


def _with_amplitude(profile: Any, solved: Callable[[Any, bool], Any]) -> Any:
    if not isinstance(profile, LightProfile):
        return profile
    return replace(profile, **{profile.amplitude: solved(getattr(profile, profile.amplitude), True)})


def _uses(model: LensModel) -> dict[tuple[str, int], int]:
    """How often each prior, part of one, or `Solved` stands in a model."""
    uses: dict[tuple[str, int], int] = {}
    for leaf in jax.tree.leaves(model, is_leaf=is_leaf):
        if is_leaf(leaf):
            uses[key(leaf)] = uses.get(key(leaf), 0) + 1
    return uses
