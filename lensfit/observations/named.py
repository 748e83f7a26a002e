"""Several observations of one lens, each with a name: their terms make a sum, their models share priors."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure

from lensfit.datasets import Dataset
from lensfit.errors import ModelError
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel, Models
from lensfit.names import MassModel
from lensfit.observations.observation import Observation, Shown
from lensfit.recipe import DataSection
from lensfit.terms import Sum


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NamedObservations(Observation):
    """Observations by name; the first one's frame is that of the whole."""

    kind: ClassVar[str] = "several data"
    standard: ClassVar[Mapping[str, Callable[..., LensModel]]] = {}
    default: ClassVar[str] = ""
    counted: ClassVar[str] = "data"
    overview: ClassVar[str] = ""

    observations: dict[str, Observation]

    def asked(self, section: DataSection) -> NamedObservations:
        """The same: a recipe names no several data."""
        return self

    @property
    def frame(self) -> Dataset:
        """That of the first."""
        return next(iter(self.observations.values())).frame

    @property
    def frames(self) -> dict[str, Dataset]:
        """That of each."""
        return {name: one.frame for name, one in self.observations.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of all, each after its name."""
        return tuple(f"{name}: {note}" for name, one in self.observations.items() for note in one.notes)

    def region(self) -> NamedObservations:
        """Of each."""
        return self._each(lambda one: one.region())

    def _each(self, change: Callable[[Observation], Observation]) -> NamedObservations:
        return dataclasses.replace(self, observations={name: change(one) for name, one in self.observations.items()})

    def model(self, name: str | None, mass: MassModel | None = None) -> LensModel:
        """None is standard."""
        raise ModelError(
            f"no standard model is for several data: give model= a mapping of {', '.join(self.observations)} to models "
            "that share the priors of what they share"
        )

    def term(self, model: Any) -> Sum:
        """The sum of the terms, each for its own model."""
        if not isinstance(model, Mapping) or sorted(model) != sorted(self.observations):
            self.model(None)
        return Sum(terms={name: one.term(model[name]) for name, one in self.observations.items()})

    def advice(self, term: Any, model: Any) -> tuple[str, ...]:
        """That of each, after its name."""
        said = {name: one.advice(term.terms[name], model[name]) for name, one in self.observations.items()}
        return tuple(f"{name}: {words}" for name, some in said.items() for words in some)

    def shown(self, term: Any, model: Any, found: Reconstruction | None) -> Shown:
        """Figures and images of each, their names after its own."""
        figures, planes, panels = {}, [], {}
        for name, one in self.observations.items():
            shown = one.shown(term.terms[name], model[name], None)
            figures |= {f"{name}_{figure}": make for figure, make in shown.figures.items()}
            panels |= {f"{name}_{panel}": draw for panel, draw in shown.panels.items()}
            planes += [dataclasses.replace(plane, name=f"{name}_{plane.name}") for plane in shown.planes]
        return Shown(figures, tuple(planes), panels)

    def figure(self) -> Figure:
        """That of the first."""
        return next(iter(self.observations.values())).figure()

    def field(self) -> list[tuple[str, str]]:
        """Rows of each, after its name."""
        return [(f"{name} {label}", text) for name, one in self.observations.items() for label, text in one.field()]

    def describe(self) -> list[tuple[str, str]]:
        """Rows of each, after its name."""
        return [(f"{name} {label}", text) for name, one in self.observations.items() for label, text in one.describe()]

    def document(self) -> dict[str, Any]:
        """What result.json says of each, and of all."""
        parts = {name: one.document() for name, one in self.observations.items()}
        rows = [(f"{name} {row[0]}", row[1]) for name, part in parts.items() for row in part["described"]]
        return {
            "kind": self.kind,
            "counted": self.counted,
            "overview": "; ".join(f"{name}: {part['overview']}" for name, part in parts.items()),
            "described": rows,
            "unit": self.frame.unit,
            "hash": ", ".join(part["hash"] for part in parts.values()),
            "sources": [row for part in parts.values() for row in part["sources"]],
            "notes": self.notes,
            "parts": parts,
        }

    def restored(self, document: dict[str, Any], masks: Mapping[str, np.ndarray], model: Models) -> NamedObservations:
        """Each as it was."""
        made = {}
        for name, one in self.observations.items():
            own = {key.removeprefix(f"{name}_"): mask for key, mask in masks.items() if key.startswith(f"{name}_")}
            made[name] = one.restored(document["parts"][name], own, model[name])
        return dataclasses.replace(self, observations=made)
