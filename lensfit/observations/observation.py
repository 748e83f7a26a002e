"""What the road from data to verdict needs of a kind of data."""
from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lensfit.cosmology import Redshifts
from lensfit.datasets import Dataset, Galaxy
from lensfit.errors import ModelError
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.names import MassModel, Structure
from lensfit.observations.companions import Companion
from lensfit.plots import Glance
from lensfit.plots.scene import AnyScene
from lensfit.problem import Problem
from lensfit.recipe import DataSection
from lensfit.staged.case import Case


@dataclasses.dataclass(frozen=True, eq=False)
class Plane:
    """An image of model.fits: its name, the array (H, W) on a frame, its unit (None = none) and what it shows."""

    name: str
    array: np.ndarray
    frame: Dataset
    unit: str | None
    words: str


@dataclasses.dataclass(frozen=True)
class Shown:
    """A fit as its files show it: figures by the name of their file, the overview first, and images.

    panels: those of one scene, by name, each drawn on axes that are given. sheet: the figures whose panels, side by
    side, are the first figure, which then need not be drawn itself.
    """

    figures: Mapping[str, Callable[[], Figure]]
    planes: tuple[Plane, ...]
    panels: Mapping[str, Callable[[Axes], None]]
    sheet: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Addition:
    """A model with one component more: what that is in words, and the values where it starts, by name."""

    words: str
    model: LensModel
    starts: tuple[Mapping[str, float], ...]


def panels_of(scene: Any, panels: Mapping[str, Callable[[Axes, Any], None]]) -> dict[str, Callable[[Axes], None]]:
    """The panels of a scene."""

    def on(panel: Callable[[Axes, Any], None]) -> Callable[[Axes], None]:
        return lambda axes: panel(axes, scene)

    return {name: on(panel) for name, panel in panels.items()}


def planes_of(scene: AnyScene, frame: Dataset) -> tuple[Plane, ...]:
    """The images of a scene."""
    return tuple(Plane(name, array, frame, unit, words) for name, array, unit, words in scene.planes())


class Observation(ABC):
    """Data of one kind, and what is done with them on the road.

    A new kind of data is its dataset, its term and its `Observation`.

    kind: its name. standard: models to start from, by name, each a function of `frame` and `mass`; default: the one
    that is taken where none is named. counted: what chi2 sums over. overview: what the first figure shows.
    """

    kind: ClassVar[str]
    standard: ClassVar[Mapping[str, Callable[..., LensModel]]]
    default: ClassVar[str]
    counted: ClassVar[str]
    overview: ClassVar[str]

    @abstractmethod
    def asked(self, section: DataSection) -> Self:
        """With what a recipe says of the region and the calibration. Raises DataError where it cannot be had."""

    # What is observed

    @property
    @abstractmethod
    def frame(self) -> Dataset:
        """The dataset whose image grid, unit and celestial coordinates are those of the fit."""

    @property
    def frames(self) -> dict[str, Dataset]:
        """The frame of each dataset that has a model of its own, by name; of one alone the name is empty."""
        return {"": self.frame}

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What was done to the input, in plain words."""

    @abstractmethod
    def region(self, standard: bool = True) -> Self:
        """The same data with the part of the sky that is fitted chosen from them, unless it was given; for a standard
        model, which can have the galaxies beside the lens, or for one of one's own, which they are kept away from."""

    def model(self, name: str | None, mass: MassModel | None = None) -> LensModel:
        """The standard model of that name with that mass, None = the default, with priors scaled from the data."""
        return self.standard_model(self.frame, name, mass)

    def standard_model(self, frame: Any, name: str | None, mass: MassModel | None) -> LensModel:
        """The same with priors scaled from a frame."""
        chosen = self.default if name is None else name
        if chosen not in self.standard:
            known = " or ".join(self.standard)
            raise ModelError(f"the standard model {chosen} is not for {self.kind}: use {known}")
        return self.standard[chosen](frame, **({} if mass is None else {"mass": mass}))

    def structured(self, light: Structure | None, source: Structure | None) -> Self:
        """The same data with these structures of light in several bands, for its standard model; None = by default.

        Raises:
            ModelError: they are given and the data are no images in several bands.
        """
        if light or source:
            raise ModelError(f"a structure of light in several bands is for images with a name each, no {self.kind}")
        return self

    @abstractmethod
    def term(self, model: Any) -> Any:
        """ln L of these data, or their ln evidence where the model's source is on pixels."""

    # What only some kinds have

    left_out: tuple[Companion, ...] = ()

    def companions(self, term: Any, model: LensModel) -> tuple[Companion, ...]:
        """Light that neither lens nor source of a fitted model of numbers explains, brightest first."""
        return ()

    def without(self, companions: tuple[Companion, ...]) -> Self:
        """The same data with companions left out, and a note for each."""
        raise ModelError(f"{self.kind} have no companions to leave out")

    holds_galaxies: ClassVar[bool] = False
    """Whether galaxies beside the lens can be added to a standard model."""

    @property
    def galaxies_in_the_model(self) -> tuple[Galaxy, ...]:
        """Galaxies beside the lens that a standard model has, number k as galaxy_k from 1 on."""
        return ()

    def suspects(self) -> tuple[Galaxy, ...]:
        """What may be a galaxy among the arcs, the brightest first."""
        return ()

    def with_galaxies(self, galaxies: tuple[Galaxy, ...]) -> Self:
        """With further galaxies in a standard model, and a note for each."""
        raise ModelError(f"{self.kind} can have no galaxies added")

    def without_mass(self, numbers: Collection[int]) -> Self:
        """With the light alone of the galaxies of these numbers, and a note for each."""
        raise ModelError(f"{self.kind} have no galaxies in their model")

    @property
    def free(self) -> int:
        """Number of calibration parameters that are fitted with the model."""
        return 0

    def aligned(self) -> Self:
        """With what can be calibrated without a model."""
        return self

    def calibrated(self, term: Any, model: LensModel) -> Self:
        """With the calibration at its best for a fitted model of numbers."""
        return self

    def calibrated_with(self, case: Case, thetas: Sequence[np.ndarray]) -> Self:
        """With the calibration at its joint optimum with the model, the best of those near thetas, (n,) each, of the
        case's space."""
        return self

    def calibration_notes(self) -> tuple[str, ...]:
        """What the calibration came out at, in plain words."""
        return ()

    def advice(self, term: Any, model: LensModel) -> tuple[str, ...]:
        """What a fitted model of numbers says should be fitted along, in plain words."""
        return ()

    def additions(self, problem: Problem, found: LensModel, known: Mapping[str, float]) -> tuple[Addition, ...]:
        """The models with one component more that are worth a try: found is the fitted one of numbers, known the values
        of a source like its first one, beside it, where that was fitted too."""
        return ()

    source_by_data: ClassVar[bool] = False
    """Whether its source can be made what the data ask for, see `lensfit.analysis.AutoSource`."""
    source_by_components: ClassVar[bool] = False
    """Whether that is by `additions`, in place of pixels."""

    band: ClassVar[bool] = False
    """Whether several of them with names are placed on each other, and their standard models tied: by all that an
    `ImageObservation` has."""

    drawn_live: ClassVar[bool] = False
    """Whether a fit under way can be drawn."""

    def glance(self, term: Any, model: LensModel) -> Glance:
        """What is drawn of a fit under way."""
        raise ModelError(f"a fit of {self.kind} cannot be drawn while it runs")

    # What is written

    @abstractmethod
    def shown(
        self, term: Any, model: LensModel, found: Reconstruction | None, redshifts: Redshifts | None = None
    ) -> Shown:
        """The figures of a fitted model of numbers, or of the source that was found on pixels; bars of scale are in kpc
        too where redshifts are known."""

    @abstractmethod
    def figure(self) -> Figure:
        """What `lensfit inspect` draws."""

    def field(self) -> list[tuple[str, str]]:
        """(label, text) of each object that was seen in the field before any fit."""
        return []

    @abstractmethod
    def describe(self) -> list[tuple[str, str]]:
        """(label, text) of everything that is understood of the data."""

    def document(self) -> dict[str, Any]:
        """What result.json says of the data, among it what the report shows and what `restored` needs."""
        told = {*((role, path) for role, path, _ in self.frame.sources), *(("note", note) for note in self.notes)}
        return {
            "kind": self.kind,
            "counted": self.counted,
            "overview": self.overview,
            "described": [row for row in self.describe() if row not in told],
            **self.frame.document(),
        }

    @abstractmethod
    def restored(self, document: dict[str, Any], masks: Mapping[str, np.ndarray], model: Any) -> Self:
        """These data, read again, with the region and the calibration of a fit of which were kept: `document`, the
        MASKs (H, W) of model.fits by name, and the model of numbers."""
