"""The search for several datasets: by the stages of the one that shows most, then the others, then all together."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from lensfit.fitters.lm import descend
from lensfit.fitters.result import Basin
from lensfit.model import Models
from lensfit.space import Space
from lensfit.staged.case import Case, Found, Tally, Tell, objective_score, to_theta, to_z
from lensfit.staged.joint import Joint
from lensfit.staged.stages import Stages
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

    @classmethod
    def of(cls, terms: Sum, models: Models, tally: Tally) -> SumSearch:
        """Raises FitError where the model of the leading term cannot be staged."""
        name = terms.lead()
        lead = Stages.of(terms.terms[name]).case(models[name], terms.terms[name])
        joint = Joint.over(models, Space.of(models), tally, objective_score)
        return cls(terms, models, joint, dataclasses.replace(lead, tally=tally))

    @property
    def stages(self) -> Stages:
        """Of the leading term."""
        return Stages.of(self.terms.terms[self.terms.lead()])

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
        thetas = [found.theta, *(basin.theta for basin in found.basins[1:FOLLOWED])]
        ends = [self.joint.fit(self.terms, self._filled(theta), 30, 0.1) for theta in thetas]
        ends = sorted(ends, key=lambda basin: basin.score)
        point = self.joint.descend(self.terms, ends[0].theta, 60, 0.01)
        theta = np.asarray(point.theta)
        return Found(point, theta, (Basin(theta, float(point.objective)), *ends[1:]))

    def _filled(self, theta: np.ndarray) -> np.ndarray:
        """theta of all parameters: those of the leading term as given, each other term's own fitted to it alone."""
        space = self.joint.space
        z = np.zeros(space.ndim)
        place = _places(space, self.lead.space, self.terms.lead())
        z[place] = np.asarray(to_z(self.lead.space, theta))
        known = np.isin(np.arange(space.ndim), place)
        for name, term in self.terms.terms.items():
            if name == self.terms.lead():
                continue
            own = Space.of(self.models[name])
            mine = _places(space, own, name)
            free = ~known[mine]
            if free.any():
                z[mine[free]] = self._fitted(term, own, z[mine], free, self._starts(own, theta, free))[free]
            known[mine] = True
        return to_theta(space, z)

    def _starts(self, own: Space, theta: np.ndarray, free: np.ndarray) -> Iterator[dict[int, float]]:
        """Where the parameters (n,) of a term that are free are tried: mid-prior, and as in the leading term."""
        yield {}
        lead = {(p.group, p.role): theta[k] for k, p in reversed([*enumerate(self.lead.space.parameters)])}
        alike = {k: (p.group, p.role) for k, p in enumerate(own.parameters) if free[k] and p.role != "amplitude"}
        yield {k: lead[role] for k, role in alike.items() if role in lead}

    def _fitted(
        self, term: LeastSquares, own: Space, z: np.ndarray, free: np.ndarray, starts: Iterator[dict[int, float]]
    ) -> np.ndarray:
        """z (n,) of a term's model, those flagged in free at their best for that term of several starts."""
        ends: list[Any] = []
        for start in starts:
            theta = np.asarray(to_theta(own, z)).copy()
            theta[list(start)] = list(start.values())
            inside = np.clip(np.nan_to_num(np.asarray(to_z(own, theta)), nan=0.0), -3, 3)
            ends.append(descend(own, term, to_theta(own, np.where(free, inside, z)), free, 30, 0.1).point)
        best = min(ends, key=lambda point: float(point.objective))
        return np.asarray(best.z)


def _places(space: Space, own: Space, name: str) -> np.ndarray:
    """Where the parameters of a term's own model stand among those of all."""
    index = {path: slot.index for path, slot in zip(space.paths, space.slots, strict=True) if slot.kind == "free"}
    slots = zip(own.paths, own.slots, strict=True)
    place = {slot.index: index[f"{name}.{path}"] for path, slot in slots if slot.kind == "free"}
    return np.array([place[k] for k in range(own.ndim)], int)
