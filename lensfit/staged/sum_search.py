"""The search for several datasets: by the stages of the one that shows most, then the others, then all together."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from lensfit.fitters.lm import Point
from lensfit.fitters.result import Basin, Variant
from lensfit.model import Models
from lensfit.space import Space
from lensfit.staged.case import Case, Found, Tally, Tell, objective_score, to_theta, to_z
from lensfit.staged.joint import Joint
from lensfit.staged.stages import STAGES, Stages
from lensfit.terms import LeastSquares, Sum

FOLLOWED = 3
"""Basins of the leading term that are followed in all data."""


@dataclasses.dataclass(frozen=True)
class SumSearch:
    """What is searched: the terms, their models whose amplitudes are solved, all of one joint fit."""

    terms: Sum
    models: Models
    joint: Joint
    lead: Case
    leader: str

    @classmethod
    def of(cls, terms: Sum, models: Models, tally: Tally) -> SumSearch:
        """Raises FitError where the model of the leading term cannot be staged."""
        name = leading(terms, models)
        lead = Stages.of(terms.terms[name]).case(models[name], terms.terms[name])
        joint = Joint.over(models, Space.of(models), tally, objective_score)
        return cls(terms, models, joint, dataclasses.replace(lead, tally=tally), name)

    @property
    def stages(self) -> Stages:
        """Of the leading term."""
        return Stages.of(self.terms.terms[self.leader])

    def run(self, rng: np.random.Generator, tell: Tell) -> tuple[Found, Found]:
        """The end of the search in all data, and that of the leading term alone."""
        found = self.stages.run(self.lead, rng, lambda stage, chi2, share, _: tell(stage, chi2, share, None))
        tell("all datasets", np.nan, 0.65, None)
        return self.together(found), found

    def again(self, found: Found, rng: np.random.Generator) -> Found:
        """The end of another search, given that of the leading term."""
        joint = Joint.of(self.lead)
        basins = self.stages.search_again(self.lead, joint, found.theta, rng)
        return self.together(self.stages.finish(self.lead, joint, basins))

    def together(self, found: Found) -> Found:
        """From the end of the leading term's stages, and the basins beside it, to that of all data."""
        medium = self.terms.capped(2)
        thetas = [found.theta, *(basin.theta for basin in found.basins[1:FOLLOWED])]
        ends = [self.joint.fit(medium, self._filled(medium, theta), 30, 0.1) for theta in thetas]
        ends = sorted(ends, key=lambda basin: basin.score)
        point = self.joint.descend(self.terms, ends[0].theta, 60, 0.01)
        theta = np.asarray(point.theta)
        return Found(point, theta, (Basin(theta, float(point.objective)), *ends[1:]))

    def _filled(self, terms: Sum, theta: np.ndarray) -> np.ndarray:
        """theta of all parameters: those of the leading term as given, each other term's own fitted with these held.

        They are fitted in the space of all, so that no term needs a compiled program of its own.
        """
        space = self.joint.space
        z = np.zeros(space.ndim)
        place = _places(space, self.lead.space, self.leader)
        z[place] = np.asarray(to_z(self.lead.space, theta))
        known = np.isin(np.arange(space.ndim), place)
        for name in self.terms.terms:
            free = _of_term(space, name) & ~known
            if free.any():
                z = self._fitted(terms, z, free, self._starts(name, theta, free))
            known |= free
        return to_theta(space, z)

    def _starts(self, name: str, theta: np.ndarray, free: np.ndarray) -> Iterator[dict[int, float]]:
        """Where the parameters flagged in free (n,) of a term are tried: mid-prior, and as in the leading term, by name
        there or else by role."""
        yield {}
        values = [(p, theta[k]) for k, p in reversed([*enumerate(self.lead.space.parameters)])]
        named = {p.name: value for p, value in values}
        roles = {(p.group, p.role): value for p, value in values}
        start = {}
        for k in np.flatnonzero(free):
            p = self.joint.space.parameters[k]
            value = named.get(p.name.removeprefix(f"{name}."), roles.get((p.group, p.role)))
            if p.role != "amplitude" and value is not None:
                start[int(k)] = value
        yield start

    def _fitted(
        self, terms: Sum, z: np.ndarray, free: np.ndarray, starts: Iterator[dict[int, float]]
    ) -> np.ndarray:
        """z (n,) with the parameters flagged in free (n,) at their best of several starts."""
        space = self.joint.space
        ends: list[Any] = []
        for start in starts:
            theta = np.asarray(to_theta(space, z)).copy()
            theta[list(start)] = list(start.values())
            inside = np.clip(np.nan_to_num(np.asarray(to_z(space, theta)), nan=0.0), -3, 3)
            ends.append(self.joint.descend(terms, to_theta(space, np.where(free, inside, z)), 30, 0.1, free))
        best = min(ends, key=lambda point: float(point.objective))
        return np.asarray(best.z)


def fit_alone(joint: Joint, terms: LeastSquares, point: Point) -> tuple[Variant, ...]:
    """Neighbours of a fit of several data at `point`: each fitted to one of them alone, what is only the others' then
    fitted to those with the rest held; none where the stages of some of the data do not ask for it.

    The others are made dark and weightless, so that the program of all serves.
    """
    if not isinstance(terms, Sum) or len(terms.terms) < 2:
        return ()
    if not all(term.kind in STAGES and STAGES[term.kind].alone for term in terms.terms.values()):
        return ()
    space, made = joint.space, []
    images: dict[str, Any] = terms.terms
    for name in images:
        own = _of_term(space, name)
        alone = Sum(terms={key: one if key == name else one.weighted(0.0) for key, one in images.items()})
        theta = np.asarray(joint.descend(alone, np.asarray(point.theta), 20, 1.0, own).theta)
        end = joint.descend(terms, theta, 15, 1.0, ~own)
        names = [p.name for p in (*space.parameters, *space.amplitudes)]
        values = zip(names, (*end.theta, *end.amplitudes), strict=True)
        model = space.build(end.theta).filled(end.amplitudes)
        made.append(Variant(alone_name(name), float(end.chi2), {k: float(v) for k, v in values}, True, model))
    return tuple(made)


def alone_name(name: str) -> str:
    """What the neighbour that is fitted to one of several data alone is called."""
    return f"{name} alone"


def leading(terms: Sum, models: Models) -> str:
    """The name of the term that a search begins with: of those in whose frame the mass is that whose data stand out
    most."""
    own = {name: term for name, term in terms.terms.items() if models[name].alignment is None} or terms.terms
    return Sum(terms=own).lead()


def _of_term(space: Space, name: str) -> np.ndarray:
    """Flags (n,) of the parameters that stand in the model of a term."""
    flags = np.zeros(space.ndim, bool)
    for path, slot in zip(space.paths, space.slots, strict=True):
        if slot.kind == "free" and path.startswith(f"{name}."):
            flags[slot.index] = True
    return flags


def _places(space: Space, own: Space, name: str) -> np.ndarray:
    """Where the parameters of a term's own model stand among those of all."""
    index = {path: slot.index for path, slot in zip(space.paths, space.slots, strict=True) if slot.kind == "free"}
    slots = zip(own.paths, own.slots, strict=True)
    place = {slot.index: index[f"{name}.{path}"] for path, slot in slots if slot.kind == "free"}
    return np.array([place[k] for k in range(own.ndim)], int)
