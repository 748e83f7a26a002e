"""An image of a lens on the road."""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure

from lensfit.cosmology import Redshifts
from lensfit.datasets import USED_AS_IT_IS, FieldObject, FieldTable, Galaxy, Imaging, leaves_a_region
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.pixel_images import PixelImagingLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.names import IMAGE_MODELS, MassModel
from lensfit.observations.companions import Companion, find_companions, leave_out
from lensfit.observations.observation import Observation, Shown, panels_of, planes_of
from lensfit.observations.region import add_note, choose_mask, see_field
from lensfit.plots import (
    FIGURES,
    OVERVIEW_PANELS,
    PANELS,
    PIXEL_FIGURES,
    PIXEL_PANELS,
    Glance,
    Scene,
    inspect_figure,
    pixel_scene,
)
from lensfit.recipe import DataSection
from lensfit.standard import STANDARD, with_galaxies, with_named

LENS_UNSEEN = "source_only"
"""The standard model of images in which the lens is not seen."""
SUSPECTS = 2
"""Objects among the arcs that are tried as galaxies where a fit does not explain these."""
OVERVIEW = (
    "Data, model and normalised residual; lens light, data without lens light, and the source "
    "with the caustics. Data, model and lens light share one scale. Grey: masked."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageObservation(Observation):
    """One image. settled: its mask was given and stays as it is. table: of its field, if that was looked at; galaxies:
    those of it whose wings a standard model has; left_out: companions that are masked."""

    kind: ClassVar[str] = "images"
    standard: ClassVar[Mapping[str, Callable[..., LensModel]]] = STANDARD
    default: ClassVar[str] = IMAGE_MODELS[0]
    counted: ClassVar[str] = "pixels"
    overview: ClassVar[str] = OVERVIEW
    drawn_live: ClassVar[bool] = True
    source_by_data: ClassVar[bool] = True
    band: ClassVar[bool] = True
    holds_galaxies: ClassVar[bool] = True

    imaging: Imaging
    settled: bool = False
    table: FieldTable | None = None
    galaxies: tuple[FieldObject, ...] = ()
    left_out: tuple[Companion, ...] = ()

    @classmethod
    def of(cls, imaging: Imaging) -> ImageObservation:
        """A mask that was named, or that is no file's and leaves a region of the image, stays as it is."""
        found = any(role == "mask" for role, _, _ in imaging.sources)
        return cls(imaging=imaging, settled=imaging.settled or (not found and leaves_a_region(imaging.mask)))

    def asked(self, section: DataSection) -> ImageObservation:
        """A mask or a disc that is named stays as it is."""
        return dataclasses.replace(self, settled=self.imaging.settled)

    @property
    def frame(self) -> Imaging:
        """The image."""
        return self.imaging

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the image."""
        return self.imaging.notes

    def region(self, standard: bool = True) -> ImageObservation:
        """With a disc about the lens that holds its arcs, less galaxies that are not lensed and what a mask found
        beside the data leaves out.

        A mask found that leaves only a region of the image is used as it is.
        """
        if self.settled:
            return self
        if any(role == "mask" for role, _, _ in self.imaging.sources) and leaves_a_region(self.imaging.mask):
            return dataclasses.replace(self, imaging=add_note(self.imaging, USED_AS_IT_IS), settled=True)
        imaging, table, galaxies = choose_mask(self.imaging, standard)
        return dataclasses.replace(self, imaging=imaging, settled=True, table=table, galaxies=galaxies)

    def model(self, name: str | None, mass: MassModel | None = None) -> LensModel:
        """The standard model, with the galaxies that were named and the light of others beside the lens. Where the
        field was looked at, the lens is where it was seen, as the mean place of all light, that of arcs and wings of
        others included, is not."""
        imaging, unseen = self.imaging, name == LENS_UNSEEN and not (self.galaxies or self.imaging.galaxies)
        if self.table is not None and not unseen:
            imaging = dataclasses.replace(imaging, center=imaging.center or self.table.lens)
        made = self.standard_model(imaging, name, mass)
        named = with_named(made, imaging) if imaging.galaxies else made
        return with_galaxies(named, imaging, self.galaxies) if self.galaxies else named

    def term(self, model: Any) -> Any:
        """ln L of the image, or its ln evidence."""
        return PixelImagingLikelihood.of(self.imaging) if model.pixels() else ImagingLikelihood.of(self.imaging)

    def companions(self, term: Any, model: LensModel) -> tuple[Companion, ...]:
        """See `lensfit.observations.companions`."""
        return find_companions(term, model)

    def without(self, companions: tuple[Companion, ...]) -> ImageObservation:
        """The same with discs about the companions masked."""
        imaging = leave_out(self.imaging, companions)
        return dataclasses.replace(self, imaging=imaging, left_out=(*self.left_out, *companions))

    @property
    def galaxies_in_the_model(self) -> tuple[Galaxy, ...]:
        """Those that were named or seen."""
        return self.imaging.galaxies

    def suspects(self) -> tuple[Galaxy, ...]:
        """The brightest objects within the arcs, that may be images or galaxies and are not in the model."""
        inner = [] if self.table is None else self.table.within_the_arcs()[:SUSPECTS]
        known = {(one.x, one.y) for one in self.imaging.galaxies}
        return tuple(Galaxy(one.x, one.y, seen=True) for one in inner if (one.x, one.y) not in known)

    def with_galaxies(self, galaxies: tuple[Galaxy, ...]) -> ImageObservation:
        """With these in the model beside those that it has."""
        imaging = self.imaging.with_galaxies((*self.imaging.galaxies, *galaxies))
        return self._told(imaging, (f"galaxy in the model, {one.told}" for one in galaxies))

    def without_mass(self, numbers: Collection[int]) -> ImageObservation:
        """With the light alone of some galaxies."""
        made = [dataclasses.replace(one, has="light") if k in numbers else one
                for k, one in enumerate(self.imaging.galaxies, 1)]  # fmt: skip
        told = (f"galaxy in the model, {made[k - 1].told}: the data want no mass there" for k in numbers)
        return self._told(self.imaging.with_galaxies(made), told)

    def _told(self, imaging: Imaging, notes: Iterable[str]) -> ImageObservation:
        return dataclasses.replace(self, imaging=functools.reduce(add_note, notes, imaging))

    def glance(self, term: Any, model: LensModel) -> Glance:
        """Data, model and residual."""
        return Glance.of(self.imaging, term, model)

    def shown(
        self, term: Any, model: LensModel, found: Reconstruction | None, redshifts: Redshifts | None = None
    ) -> Shown:
        """Figures on the frame of the image."""
        if found is None:
            return self.drawn(self.scene(term, model, redshifts))
        return self.drawn(pixel_scene(self.imaging, term, found, redshifts), PIXEL_FIGURES, PIXEL_PANELS, ())

    def scene(self, term: Any, model: LensModel, redshifts: Redshifts | None) -> Scene:
        """What the figures of a fitted model of numbers show."""
        return Scene.of(self.imaging, term, model, redshifts)

    def drawn(
        self, scene: Scene, figures: Mapping[str, Callable[[Scene], Figure]] = FIGURES,
        panels: Mapping[str, Any] = PANELS, sheet: tuple[str, ...] = OVERVIEW_PANELS,
    ) -> Shown:
        """The figures, panels and images of a scene."""
        made = {name: partial(figure, scene) for name, figure in figures.items()}
        return Shown(made, planes_of(scene, self.imaging), panels_of(scene, panels), sheet)

    def describe(self) -> list[tuple[str, str]]:
        """That of the image."""
        return self.imaging.describe()

    def figure(self) -> Figure:
        """Data with what is in the field, noise map, signal over noise and PSF."""
        return inspect_figure(self.imaging, self._seen)

    def field(self) -> list[tuple[str, str]]:
        """Lens, galaxies and arcs, each with where it is and why it is taken for that."""
        return self._seen.describe()

    @cached_property
    def _seen(self) -> FieldTable:
        """The table of the field; where the mask was given, of what that leaves."""
        return see_field(self.imaging) if self.table is None else self.table

    def restored(self, document: dict[str, Any], masks: Mapping[str, np.ndarray], model: Any) -> ImageObservation:
        """With the mask of the fit and the galaxies of its model."""
        galaxies = tuple(Galaxy(**one) for one in document["galaxies"])
        imaging = dataclasses.replace(self.imaging.with_mask(masks["MASK"]), notes=tuple(document["notes"]),
                                      galaxies=galaxies)  # fmt: skip
        return dataclasses.replace(self, imaging=imaging, settled=True)
