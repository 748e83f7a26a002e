"""Visibilities of a lens on the road: one dataset, or several of one lens on one image grid."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
from matplotlib.figure import Figure

from lensfit.cosmology import Redshifts
from lensfit.datasets import Interferometer
from lensfit.datasets.interferometer import wide_grid
from lensfit.likelihood.calibration import Observations
from lensfit.likelihood.interferometer import OVERSAMPLING
from lensfit.likelihood.pixel_visibilities import PixelInterferometerLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.names import VISIBILITY_MODELS
from lensfit.observations.additions import additions
from lensfit.observations.elsewhere import Unlensed, take_out
from lensfit.observations.observation import Addition, Observation, Shown, panels_of, planes_of
from lensfit.observations.window import choose_window, look_at_window
from lensfit.plots import (
    PIXEL_VISIBILITY_FIGURES,
    PIXEL_VISIBILITY_PANELS,
    VISIBILITY_FIGURES,
    VISIBILITY_PANELS,
    VisibilityScene,
    inspect_visibilities,
    pixel_visibility_scene,
)
from lensfit.problem import Problem
from lensfit.recipe import DataSection
from lensfit.staged.case import Case
from lensfit.staged.visibility_stages import align, calibrate, seen
from lensfit.standard import VISIBILITIES

ASKED_FOR = 2.0
"""Fall of chi2 over their number from which on phases of the antennas are advised."""
OVERVIEW = (
    "Dirty images of data, model and their difference over the noise; sky of the model with critical curves, source "
    "plane with caustics, residuals of the visibilities against baseline length."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class VisibilityObservation(Observation):
    """Visibilities. settled: their image grid was given and stays as it is."""

    kind: ClassVar[str] = "visibilities"
    standard: ClassVar[Mapping[str, Callable[..., LensModel]]] = VISIBILITIES
    default: ClassVar[str] = VISIBILITY_MODELS[0]
    counted: ClassVar[str] = "numbers"
    source_by_data: ClassVar[bool] = True
    source_by_components: ClassVar[bool] = True
    overview: ClassVar[str] = OVERVIEW

    datasets: tuple[Interferometer, ...]
    antenna_phases: bool = False
    settled: bool = False
    joint: Observations | None = None

    @classmethod
    def of(cls, *datasets: Interferometer) -> VisibilityObservation:
        """Their image grid stays as it is, but for the wide one that a reader makes where none is stated."""
        return cls(datasets=datasets, settled=not all(_is_wide(one) for one in datasets))

    @classmethod
    def of_joint(cls, joint: Observations) -> VisibilityObservation:
        """Of datasets that were put together already."""
        return cls(datasets=joint.datasets, settled=True, joint=joint)

    def asked(self, section: DataSection) -> VisibilityObservation:
        """On the image grid that is named, with the phases of the antennas fitted if that is asked for."""
        settled = section.pixel_scale is not None or section.shape is not None
        return dataclasses.replace(self, antenna_phases=section.antenna_phases, settled=settled)

    @property
    def frame(self) -> Interferometer:
        """The first dataset, whose image grid is that of all."""
        return self.datasets[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of all datasets."""
        return tuple(note for data in self.datasets for note in data.notes)

    @property
    def observations(self) -> Observations:
        """The datasets together, calibrated as far as they are."""
        if self.joint is not None:
            return self.joint
        return Observations.of(self.datasets, antenna_phases=self.antenna_phases)

    def region(self, standard: bool = True) -> VisibilityObservation:
        """On a square about the emission of the lens, fine enough for a fit; what the grid holds of it is looked up."""
        if self.joint is not None:
            return self
        datasets = tuple((look_at_window if self.settled else choose_window)(self.datasets))
        joint = Observations.of(datasets, antenna_phases=self.antenna_phases)
        return dataclasses.replace(self, datasets=datasets, settled=True, joint=joint)

    def term(self, model: Any) -> Any:
        """ln L of all datasets, or their ln evidence."""
        likelihood = self.observations.likelihood()
        if not model.pixels():
            return likelihood
        return PixelInterferometerLikelihood.of_likelihood(likelihood, OVERSAMPLING)

    @property
    def free(self) -> int:
        """Flux scales, shifts and antenna phases that are fitted with the model."""
        return self.observations.free

    def _with(self, joint: Observations) -> VisibilityObservation:
        return dataclasses.replace(self, joint=joint)

    def aligned(self) -> VisibilityObservation:
        """Shifts of the further datasets from the non-negative image of all."""
        return self._with(align(self.observations))

    def calibrated(self, term: Any, model: LensModel) -> VisibilityObservation:
        """All calibrations at their best for what the antennas see of a model of numbers."""
        return self._with(self.observations.calibrated(np.asarray(seen(term, model))))

    def calibrated_with(self, case: Case, thetas: Sequence[np.ndarray]) -> VisibilityObservation:
        """At the best joint optimum of model and calibration."""
        return self._with(calibrate(case, self.observations, thetas))

    def advice(self, term: Any, model: LensModel) -> tuple[str, ...]:
        """To fit the antennas' phases, where they would lower chi2 by more than errors of nothing would."""
        if model.pixels():
            return ()
        gain, count = self.observations.phase_gain(np.asarray(seen(term, model)))
        if not count or gain < ASKED_FOR * count:
            return ()
        return (
            f"phases of the antennas, {count} parameters, would lower chi2 by about {gain:.0f}, where {count} are "
            "expected of antennas without errors: --antenna-phases fits them along",
        )

    def additions(self, problem: Problem, found: LensModel, known: Mapping[str, float]) -> tuple[Addition, ...]:
        """A further lensed source, and emission that is not lensed, each where the dirty residual asks for it."""
        return additions(self.frame, problem.likelihood, cast(LensModel, problem.model), found, known)

    def calibration_notes(self) -> tuple[str, ...]:
        """Flux scale, shift and phases of each dataset."""
        notes = []
        for number, c in enumerate(self.observations.calibrations):
            if c.aligned:
                scale, x, y = np.exp(c.numbers[0]), *c.numbers[1:3]
                notes.append(f"dataset {number + 1}: flux scale {scale:.4f}, shift ({x:.4f}, {y:.4f}) arcsec")
            if c.basis.size:
                phases = np.degrees(c.basis @ c.numbers[3 * c.aligned :])
                rms = f"rms {np.std(phases):.1f} degrees"
                notes.append(f"dataset {number + 1}: phases of {len(phases)} antennas, {rms}")
        return tuple(notes)

    def shown(
        self, term: Any, model: LensModel, found: Reconstruction | None, redshifts: Redshifts | None = None
    ) -> Shown:
        """Dirty images, sky, source and residuals by baseline."""
        if found is None:
            scene, figures = VisibilityScene.of(self.observations, model, redshifts), VISIBILITY_FIGURES
            panels = VISIBILITY_PANELS
        else:
            scene, figures = pixel_visibility_scene(self.observations, found, redshifts), PIXEL_VISIBILITY_FIGURES
            panels = PIXEL_VISIBILITY_PANELS
        made = {name: partial(figure, scene) for name, figure in figures.items()}
        return Shown(made, planes_of(scene, self.frame), panels_of(scene, panels))

    def describe(self) -> list[tuple[str, str]]:
        """That of all datasets."""
        return [row for data in self.datasets for row in data.describe()]

    def figure(self) -> Figure:
        """Baselines, real parts, dirty image and dirty beam."""
        return inspect_visibilities(self.observations)

    def document(self) -> dict[str, Any]:
        """What result.json says of the visibilities."""
        every = [data.document() for data in self.datasets]
        return super().document() | {
            "visibilities": [one["visibilities"] for one in every],
            "hash": ", ".join(one["hash"] for one in every),
            "taken_out": [one["taken_out"] for one in every],
            "calibration": [_calibration(c) for c in self.observations.calibrations],
            "sources": [row for one in every for row in one["sources"]],
            "notes": self.notes,
        }

    def restored(self, document: dict[str, Any], masks: Mapping[str, np.ndarray], model: Any) -> VisibilityObservation:
        """On the image grid of the fit, calibrated as there."""
        grid = {"pixel_scale": document["pixel_scale"], "shape": tuple(document["shape"]),
                "origin": tuple(document["origin"])}  # fmt: skip
        datasets = tuple(
            take_out(data, [Unlensed(*one) for one in gone]).regridded(**grid).with_mask(masks["MASK"])
            for data, gone in zip(self.datasets, document["taken_out"], strict=True)
        )
        joint = Observations.of(datasets, antenna_phases=self.antenna_phases)
        kept = zip(joint.calibrations, document["calibration"], strict=True)
        calibrations = tuple(dataclasses.replace(c, numbers=np.array(row["numbers"], float)) for c, row in kept)
        joint = dataclasses.replace(joint, calibrations=calibrations)
        if joint.free:
            joint = dataclasses.replace(joint, about=np.asarray(seen(joint.likelihood(), model)))
        return dataclasses.replace(self, datasets=datasets, settled=True, joint=joint)


def _is_wide(data: Interferometer) -> bool:
    """Whether the image grid is the one that a reader makes where none is stated."""
    return (data.pixel_scale, data.shape) == wide_grid(data.visibilities, data.primary_beam)


def _calibration(c: Any) -> dict[str, Any]:
    return {
        "scale": c.scale,
        "shift": c.numbers[1:3] if c.aligned else (0.0, 0.0),
        "antenna_phases_deg": np.degrees(c.basis @ c.numbers[3 * c.aligned :]),
        "numbers": c.numbers,
    }
