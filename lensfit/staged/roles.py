"""What the staged fitter knows of a model: which numbers are light, mass and source, and what they do."""
from __future__ import annotations

import dataclasses

import numpy as np

from lensfit.errors import FitError
from lensfit.space import Space
from lensfit.staged.maps import to_theta


@dataclasses.dataclass(frozen=True)
class Source:
    """Indices into theta of one source's centre, ellipticity and size; -1 where it has none that is free."""

    center_x: int
    center_y: int
    e1: int
    e2: int
    radius: int


@dataclasses.dataclass(frozen=True)
class Roles:
    """Indices and masks (n,) of the parameters by what they do.

    `low` and `high` (n,) are three widths of its prior from the middle of each: where a start may lie.
    """

    light: np.ndarray
    mass: np.ndarray
    source: np.ndarray
    radii: np.ndarray
    shapes: np.ndarray
    einstein_radius: int
    einstein_radius_name: str
    low: np.ndarray
    high: np.ndarray
    mass_center: tuple[int, ...]
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, space: Space) -> Roles:
        """Read the roles off a space, or say why the model cannot be staged."""
        parameters = space.parameters
        group = np.array([p.group for p in parameters])
        role = np.array([p.role for p in parameters])
        scale = np.flatnonzero((group == "mass") & (role == "einstein_radius"))
        owners = sorted({p.name.rsplit(".", 1)[0] for p in parameters if p.group == "source"})
        if len(scale) != 1:
            found = ", ".join(parameters[k].name for k in scale) or "none"
            raise FitError(
                f"the staged fitter needs one free Einstein radius among the masses, and the model has {found}; "
                "fix all but the main one, or use another fitter"
            )
        if not owners:
            raise FitError("the staged fitter needs a source with free parameters, and the model has none")
        light = np.isin(group, ["light", "sky"])
        return cls(
            light=light,
            mass=group == "mass",
            source=group == "source",
            radii=np.flatnonzero(light & (role == "radius")),
            shapes=np.flatnonzero(light & (role == "shape")),
            einstein_radius=int(scale[0]),
            einstein_radius_name=parameters[scale[0]].name,
            low=to_theta(space, np.full(space.ndim, -3.0)),
            high=to_theta(space, np.full(space.ndim, 3.0)),
            mass_center=_center(space, parameters[scale[0]].name.rsplit(".", 1)[0]),
            sources=tuple(_source(space, owner) for owner in owners),
        )


def _source(space: Space, owner: str) -> Source:
    found = {p.role: k for k, p in enumerate(space.parameters) if p.name.rsplit(".", 1)[0] == owner}
    return Source(**{f.name: found.get(f.name, -1) for f in dataclasses.fields(Source)})


def _center(space: Space, owner: str) -> tuple[int, ...]:
    """Indices of a profile's centre, also where it is tied to another profile's; empty where it is fixed."""
    where = {path: slot.index for path, slot in zip(space.paths, space.slots, strict=True) if slot.kind == "free"}
    found = [where.get(f"{owner}.{axis}") for axis in ("center_x", "center_y")]
    return () if None in found else tuple(int(k) for k in found if k is not None)
