"""Several observations of one lens, each with a name: their terms make a sum, their models share priors."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, cast

import numpy as np
from matplotlib.figure import Figure

from lensfit.cosmology import Redshifts
from lensfit.datasets import Dataset, Galaxy
from lensfit.errors import DataError, ModelError
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel, Models
from lensfit.names import SEVERAL_TAKEN, MassModel, Structure
from lensfit.observations.bands import Ties, beside, tied
from lensfit.observations.companions import Companion, turned
from lensfit.observations.image_observation import ImageObservation
from lensfit.observations.observation import Observation, Shown
from lensfit.observations.placing import leading, moved, on_region, place
from lensfit.observations.region import add_note
from lensfit.plots import band_figures
from lensfit.recipe import DataSection
from lensfit.terms import Sum
from lensfit.trust.of_bands import colours_of

LEADS = "its arcs stand out most: the search begins here, and the mass is in these coordinates"


BANDS = (
    "A row for each band: data, model, normalised residual, data without lens light, and the source with the caustics. "
    "Data and model of a band share one scale. Grey: masked."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NamedObservations(Observation):
    """Observations by name; the first one's frame is that of the whole.

    reference: the image whose coordinates are those of the mass, where there are any. angles: by how much the other
    images are turned against it [degrees]. light_bands, source_bands: how their standard models hang together, see
    `lensfit.observations.bands`.
    """

    kind: ClassVar[str] = "several data"
    counted: ClassVar[str] = "data"
    overview: ClassVar[str] = ""

    observations: dict[str, Observation]
    reference: str = ""
    angles: dict[str, float] = dataclasses.field(default_factory=dict)
    light_bands: Structure = "own"
    source_bands: Structure = "own"

    @classmethod
    def of(cls, observations: Mapping[str, Observation]) -> NamedObservations:
        """Raises DataError where a name is none, or stands for something else."""
        for name in observations:
            if not name.isidentifier() or name in SEVERAL_TAKEN:
                taken = ", ".join(SEVERAL_TAKEN)
                raise DataError(
                    f"{name!r} is no name of data: use letters, digits and _, as F444W or alma, and none of {taken}"
                )
        return cls(observations=dict(observations))

    def structured(self, light: Structure | None, source: Structure | None) -> NamedObservations:
        """See `Observation`."""
        if (light or source) and len(self._images) < 2:
            return super().structured(light, source)
        return dataclasses.replace(self, light_bands=light or "own", source_bands=source or "own")

    @property
    def standard(self) -> Mapping[str, Callable[..., LensModel]]:  # pyright: ignore
        """Those for images, where there are any."""
        return ImageObservation.standard if self._images else {}

    @property
    def default(self) -> str:  # pyright: ignore
        """That for images, where there are any."""
        return ImageObservation.default if self._images else ""

    @property
    def source_by_data(self) -> bool:  # pyright: ignore
        """Where all are images."""
        return len(self._images) == len(self.observations)

    @property
    def _images(self) -> dict[str, ImageObservation]:
        """The observations of images."""
        return {name: cast(ImageObservation, one) for name, one in self.observations.items() if one.band}

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

    def region(self, standard: bool = True) -> NamedObservations:
        """Of each; of images the one region of that whose arcs stand out most, in whose coordinates all are placed."""
        images = self._images
        if not images or self.reference:
            return self._each(lambda one: one.region(standard))
        if len(images) == 1:
            return dataclasses.replace(self._each(lambda one: one.region(standard)), reference=next(iter(images)))
        name = leading({key: one.imaging for key, one in images.items()})
        first = images[name].region(standard)
        made, angles = {}, {}
        for key, one in self.observations.items():
            if key not in images:
                made[key] = one.region(standard)
                continue
            if key == name:
                made[key] = dataclasses.replace(first, imaging=add_note(first.imaging, LEADS))
                continue
            placed = place(images[name].imaging, images[key].imaging, key, name)
            imaging = placed.imaging if images[key].settled else on_region(first.imaging, placed, key, name)
            imaging = dataclasses.replace(imaging, galaxies=first.imaging.galaxies)
            if len(images[key].imaging.galaxies) > len(images[name].imaging.galaxies):
                raise DataError(f"galaxies= of {key}: the search begins with {name}; name them in [data.{name}], too")
            made[key] = dataclasses.replace(images[key], imaging=imaging, settled=True, galaxies=first.galaxies)
            angles[key] = placed.angle
        return dataclasses.replace(self, observations=made, reference=name, angles=angles)

    @property
    def galaxies_in_the_model(self) -> tuple[Galaxy, ...]:
        """Those of the images, which have the same."""
        return max((one.galaxies_in_the_model for one in self._images.values()), key=len, default=())

    @property
    def holds_galaxies(self) -> bool:  # pyright: ignore
        """Where there are images."""
        return bool(self._images)

    def suspects(self) -> tuple[Galaxy, ...]:
        """Those of the image that leads."""
        return self._images[self.reference].suspects() if self.reference else ()

    def with_galaxies(self, galaxies: tuple[Galaxy, ...]) -> NamedObservations:
        """In the model of every image."""
        return self._with({name: one.with_galaxies(galaxies) for name, one in self._images.items()})

    def without_mass(self, numbers: Collection[int]) -> NamedObservations:
        """In every image."""
        return self._with({name: one.without_mass(numbers) for name, one in self._images.items()})

    def _with(self, images: Mapping[str, Observation]) -> NamedObservations:
        return dataclasses.replace(self, observations={**self.observations, **images})

    def _each(self, change: Callable[[Observation], Observation]) -> NamedObservations:
        return dataclasses.replace(self, observations={name: change(one) for name, one in self.observations.items()})

    def model(self, name: str | None, mass: MassModel | None = None) -> Any:
        """Of images the standard model of each, tied together, and of visibilities beside them their default one with
        the same mass: see `lensfit.observations.bands`."""
        images = {key: one.model(name, mass) for key, one in self._images.items()}
        if not images:
            raise self._no_model("no standard model is for several data")
        reference = self.reference or next(iter(images))
        ties = Ties(reference=reference, angles=self.angles, light=self.light_bands, source=self.source_bands)
        made = tied(images, ties).terms if len(images) > 1 else images
        first, frame = made[reference], self._images[reference].imaging
        return {key: made[key] if key in made else beside(one.model(None, mass), first, one.frame, frame)
                for key, one in self.observations.items()}  # fmt: skip

    def _no_model(self, told: str) -> ModelError:
        return ModelError(
            f"{told}: give model= a mapping of {', '.join(self.observations)} to models that share the priors of what "
            "they share"
        )

    def term(self, model: Any) -> Sum:
        """The sum of the terms, each for its own model."""
        if not isinstance(model, Mapping) or sorted(model) != sorted(self.observations):
            raise self._no_model("each of several data has a model of its own")
        return Sum(terms={name: one.term(model[name]) for name, one in self.observations.items()})

    def companions(self, term: Any, model: Any) -> tuple[Companion, ...]:
        """Those of each image, brightest first, each once; their places are in the frame of the mass."""
        every = [c for name, one in self._images.items() for c in one.companions(term.terms[name], model[name])]
        found: list[Companion] = []
        for one in sorted(every, key=lambda c: -c.signal):
            if all(np.hypot(one.x - c.x, one.y - c.y) > max(one.radius, c.radius) for c in found):
                found.append(one)
        return tuple(found)

    def without(self, companions: tuple[Companion, ...]) -> NamedObservations:
        """The same with them left out of every image: what is a blob in one may be hidden in another's arcs."""
        return self._with({
            name: one.without(turned(companions, self.angles.get(name, 0.0))) for name, one in self._images.items()
        })

    def advice(self, term: Any, model: Any) -> tuple[str, ...]:
        """That of each, after its name."""
        said = {name: one.advice(term.terms[name], model[name]) for name, one in self.observations.items()}
        return tuple(f"{name}: {words}" for name, some in said.items() for words in some)

    def shown(
        self, term: Any, model: Any, found: Reconstruction | None, redshifts: Redshifts | None = None
    ) -> Shown:
        """Figures and images of each, their names after its own; of several images first those of all together."""
        images = self._images if len(self._images) > 1 else {}
        scenes = {name: one.scene(term.terms[name], model[name], redshifts) for name, one in images.items()}
        colours = colours_of([(name, term.terms[name], model[name]) for name in scenes])
        figures, planes, panels = band_figures(scenes, colours) if scenes else {}, [], {}
        for name, one in self.observations.items():
            scene = scenes.get(name)
            if scene is None:
                shown = one.shown(term.terms[name], model[name], None, redshifts)
            else:
                shown = images[name].drawn(scene)
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
            "overview": self._told(parts),
            "described": rows,
            "unit": self.frame.unit,
            "hash": ", ".join(part["hash"] for part in parts.values()),
            "sources": [row for part in parts.values() for row in part["sources"]],
            "notes": self.notes,
            "parts": parts,
            "reference": self.reference,
            "places": {name: [*one.frame.origin, self.angles.get(name, 0.0)] for name, one in self._images.items()},
        }

    def _told(self, parts: dict[str, Any]) -> str:
        """What the first figure shows."""
        if len(self._images) > 1:
            return BANDS
        return "; ".join(f"{name}: {part['overview']}" for name, part in parts.items())

    def restored(self, document: dict[str, Any], masks: Mapping[str, np.ndarray], model: Models) -> NamedObservations:
        """Each as it was."""
        made, places = {}, document.get("places", {})
        for name, one in self._placed(places).observations.items():
            own = {key.removeprefix(f"{name}_"): mask for key, mask in masks.items() if key.startswith(f"{name}_")}
            made[name] = one.restored(document["parts"][name], own, model[name])
        angles = {name: place[2] for name, place in places.items() if name != document["reference"]}
        return dataclasses.replace(self, observations=made, reference=document.get("reference", ""), angles=angles)

    def _placed(self, places: Mapping[str, Any]) -> NamedObservations:
        """With the middle of each image at its place (x, y)."""
        made = {name: dataclasses.replace(one, imaging=moved(one.imaging, places[name][:2])) if name in places else one
                for name, one in {**self.observations, **self._images}.items()}  # fmt: skip
        return dataclasses.replace(self, observations=made)
