"""A model with several sources, or with light of its own, is also begun at the end of the smaller one inside it.

The smaller one has the first source alone. Where it ends the larger one is as good with what is more in it dark, and
amplitudes are solved: so no start of the larger one is worse in chi2 than the end of the smaller one.
"""
from __future__ import annotations

import dataclasses

import jax
import numpy as np

from lensfit.fitters.result import Basin
from lensfit.space import Ref, Space
from lensfit.staged.case import Case, Roles, Source, to_theta, to_z
from lensfit.staged.joint import Joint

SPLITS = 6
"""Places about the first source where each further one is tried."""
INSIDE = 3.0
"""Widths of its prior from the middle within which a parameter is put."""


def inside(case: Case, joint: Joint) -> tuple[Roles, Joint] | None:
    """Roles of, and descents in, the smaller model; None where there is none.

    It is the same model with the amplitudes of all but its first source held at zero, and what is only theirs held.
    """
    space, roles = case.space, case.roles
    owners = sorted({_owner(p.name) for p in space.parameters if p.group == "source"})
    own = (owners[0], "mass")

    def is_own(path: str) -> bool:
        return any(path.startswith(f"{owner}.") for owner in own)

    moving = np.zeros(space.ndim, bool)
    for path, slot in zip(space.paths, space.slots, strict=True):
        if slot.kind == "free":
            moving[slot.index] |= is_own(path)
    _with_what_they_hang_on(space, moving)
    lit = np.array([is_own(p.name) for p in space.amplitudes], bool)
    if lit.all() or not lit.any():
        return None
    shown = joint.shown.copy()
    shown[np.flatnonzero(joint.shown)] = lit
    return dataclasses.replace(roles, sources=roles.sources[:1]), dataclasses.replace(joint, moving=moving, shown=shown)


def _with_what_they_hang_on(space: Space, moving: np.ndarray) -> None:
    """Flag in moving (n,) the parameters too that the priors of those flagged are made of."""
    before = -1
    while before < (before := int(moving.sum())):
        for prior, block in zip(space.priors, space.blocks, strict=True):
            if moving[list(block)].any():
                leaves = jax.tree.leaves(prior, is_leaf=lambda leaf: isinstance(leaf, Ref))
                moving[[leaf.index for leaf in leaves if isinstance(leaf, Ref)]] = True


def grow(case: Case, joint: Joint, theta: np.ndarray, rng: np.random.Generator) -> Basin:
    """The best end, on the coarse level, of the larger model begun at theta (n,): with what is more in it in the middle
    of its priors, and with its further sources at places about the first one, smaller and larger in turn."""
    first, *others = case.roles.sources
    starts, free = [theta], ~case.roles.held
    for k in range(SPLITS if others and first.radius >= 0 else 0):
        start = theta.copy()
        for source in others:
            _put_beside(start, first, source, 2 * np.pi * (k + rng.random()) / SPLITS, 0.8 + 1.2 * rng.random(), k % 2)
        z = np.nan_to_num(np.asarray(to_z(case.space, start)), nan=0.0)
        starts.append(np.asarray(to_theta(case.space, np.clip(z, -INSIDE, INSIDE))))
    tried = [joint.fit(case.levels.coarse, start, 12, 1.0, free) for start in starts]
    best = min(tried, key=lambda basin: basin.score)
    return joint.fit(case.levels.coarse, best.theta, 30, 0.1, free)


def _put_beside(theta: np.ndarray, first: Source, other: Source, angle: float, far: float, larger: int) -> None:
    """Another source like the first one, `far` of its radii away from it and half as large or half as large again."""
    size = theta[first.radius]
    moved = {"center_x": far * size * np.cos(angle), "center_y": far * size * np.sin(angle)}
    for role, index in dataclasses.asdict(other).items():
        if index >= 0 and getattr(first, role) >= 0:
            theta[index] = theta[getattr(first, role)] + moved.get(role, 0.0)
    if other.radius >= 0:
        theta[other.radius] *= (0.5, 1.5)[larger]


def _owner(name: str) -> str:
    return name.rpartition(".")[0]
