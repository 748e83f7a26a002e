"""Visibilities of a lens on the road: one dataset, or several of one lens on one image grid."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure

from lensfit.datasets import Interferometer, read_interferometer
from lensfit.datasets._visibility_files import holds_visibilities
from lensfit.datasets.interferometer import wide_grid
from lensfit.errors import DataError
from lensfit.likelihood.interferometer import OVERSAMPLING
from lensfit.likelihood.joint import Observations
from lensfit.likelihood.pixel_visibilities import PixelInterferometerLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.observations.observation import Observation, Plane, Rows, Shown, source_rows
from lensfit.observations.region import choose_window
from lensfit.plots import (
    PIXEL_VISIBILITY_FIGURES,
    VISIBILITY_FIGURES,
    VisibilityScene,
    inspect_visibilities,
    pixel_visibility_scene,
)
from lensfit.recipe import DataSection
from lensfit.staged.calibrate import align, calibrate, seen
from lensfit.staged.case import Case
from lensfit.standard import VISIBILITIES

IMAGE_ONLY = ("noise", "psf", "mask", "mask_radius")
OVERVIEW = (
    "Dirty images of data, model and their difference over the noise; sky of the model with critical curves, source "
    "plane with caustics, residuals of the visibilities against baseline length."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class VisibilityObservation(Observation):
    """Visibilities. settled: their image grid was given and stays as it is."""

    kind: ClassVar[str] = "visibilities"
    standard: ClassVar[Mapping[str, Callable[[Any], LensModel]]] = VISIBILITIES
    default: ClassVar[str] = "one_source"
    counted: ClassVar[str] = "real numbers"

    datasets: tuple[Interferometer, ...]
    antenna_phases: bool = False
    settled: bool = False
    joint: Observations | None = None

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Whether a file or folder holds visibilities."""
        return path.exists() and holds_visibilities(path)

    @classmethod
    def read(cls, section: DataSection) -> VisibilityObservation:
        """The datasets that are named, to be put on the image grid that is named or on one chosen from them."""
        assert section.path is not None
        given = [name for name in IMAGE_ONLY if getattr(section, name) is not None]
        if given:
            raise DataError(f"{section.path}: holds visibilities, and {', '.join(given)} can be given for images alone")
        datasets = [
            read_interferometer(
                path,
                pixel_scale=section.pixel_scale,
                shape=section.shape,
                origin=section.origin,
                sign=section.sign,
                east=section.east,
                wavelength=section.wavelength,
                primary_beam=section.primary_beam,
                nan="drop" if section.nan == "mask" else "error",
            )
            for path in (section.path, *section.more)
        ]
        settled = section.pixel_scale is not None or section.shape is not None
        return cls(datasets=tuple(datasets), antenna_phases=section.antenna_phases, settled=settled)

    @classmethod
    def of(cls, data: Any) -> VisibilityObservation | None:
        """Of an `Interferometer`, a list of them, or `Observations`.

        Their image grid stays as it is, but for the wide one that a reader makes where none is stated.
        """
        if isinstance(data, Observations):
            return cls(datasets=data.datasets, settled=True, joint=data)
        datasets = tuple(data) if isinstance(data, Sequence) and not isinstance(data, str) else (data,)
        if not datasets or not all(isinstance(one, Interferometer) for one in datasets):
            return None
        return cls(datasets=datasets, settled=not all(_is_wide(one) for one in datasets))

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

    def region(self) -> VisibilityObservation:
        """On a square about the brightest group of emission, fine enough for a fit."""
        datasets = self.datasets if self.settled else tuple(choose_window(self.datasets))
        joint = self.joint or Observations.of(datasets, antenna_phases=self.antenna_phases)
        return dataclasses.replace(self, datasets=datasets, settled=True, joint=joint)

    def term(self, model: LensModel) -> Any:
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

    def calibrated_with(self, case: Case, theta: np.ndarray) -> VisibilityObservation:
        """At the joint optimum of model and calibration."""
        return self._with(calibrate(case, self.observations, theta))

    def calibration_notes(self) -> tuple[str, ...]:
        """Flux scale, shift and phases of each dataset."""
        notes = []
        for number, c in enumerate(self.observations.calibrations):
            if c.aligned:
                scale, x, y = np.exp(c.numbers[0]), *c.numbers[1:3]
                notes.append(f"dataset {number + 1}: flux scale {scale:.4f}, shift ({x:.4f}, {y:.4f}) arcsec")
            if c.basis.size:
                phases = np.degrees(c.basis @ c.numbers[3 * c.aligned :])
                notes.append(f"dataset {number + 1}: phases of {len(phases)} antennas, rms {np.std(phases):.1f} degrees")
        return tuple(notes)

    def shown(self, term: Any, model: LensModel, found: Reconstruction | None) -> Shown:
        """Dirty images, sky, source and residuals by baseline."""
        if found is None:
            scene, figures = VisibilityScene.of(self.observations, model), VISIBILITY_FIGURES
        else:
            scene, figures = pixel_visibility_scene(self.observations, found), PIXEL_VISIBILITY_FIGURES
        made = {name: partial(figure, scene) for name, figure in figures.items()}
        return Shown(made, _planes(scene))

    def rows(self) -> Rows:
        """Everything that is understood of the visibilities."""
        first = self.frame
        found = []
        for data in self.datasets:
            table = data.visibilities
            length = np.hypot(table.u, table.v)
            known = "known" if table.antenna1 is not None else "unknown"
            found += [
                *((role, path) for role, path, _ in table.sources),
                ("visibilities", f"{len(table)}, antennas {known}"),
                ("baselines", f"{length.min():.4g} to {length.max():.4g} wavelengths"),
                ("noise", f"{1e3 * table.sigma_re.min():.4g} to {1e3 * table.sigma_re.max():.4g} mJy per real part"),
                *(("note", note) for note in data.notes),
            ]
        beam = "flat" if first.primary_beam is None else f"{first.primary_beam:.4g} arcsec wide at half maximum"
        return [
            *found,
            ("primary beam", beam),
            ("image", f"{first.shape[0]} rows x {first.shape[1]} columns of {first.pixel_scale:.4g} arcsec"),
            ("centre", f"x = {first.origin[0]:.4g}, y = {first.origin[1]:.4g} arcsec from the phase centre"),
        ]

    def figure(self) -> Figure:
        """Baselines, real parts, dirty image and dirty beam."""
        return inspect_visibilities(self.observations)

    def document(self) -> dict[str, Any]:
        """What result.json says of the visibilities."""
        first, counts = self.frame, [len(data.visibilities) for data in self.datasets]
        height, width = first.shape
        beam = "flat" if first.primary_beam is None else f"{first.primary_beam:.5g} arcsec wide at half maximum"
        centre = ", ".join(f"{value:.5g}" for value in first.origin)
        return {
            "kind": self.kind,
            "counted": self.counted,
            "visibilities": counts,
            "shape": first.shape,
            "pixel_scale": first.pixel_scale,
            "origin": first.origin,
            "unit": first.unit,
            "primary_beam": first.primary_beam,
            "hash": ", ".join(data.hash for data in self.datasets),
            "calibration": [_calibration(c) for c in self.observations.calibrations],
            "sources": [row for data in self.datasets for row in source_rows(data.visibilities.sources)],
            "notes": self.notes,
            "overview": OVERVIEW,
            "described": [
                ("visibilities", ", ".join(str(count) for count in counts)),
                ("image", f"{width} x {height} pixels of {first.pixel_scale:.5g} arcsec"),
                ("centre", f"{centre} arcsec from the phase centre"),
                ("primary beam", beam),
                ("unit", first.unit),
            ],
        }

    def restored(self, document: dict[str, Any], mask: np.ndarray) -> VisibilityObservation:
        """On the image grid of the fit, calibrated as there."""
        grid = {"pixel_scale": document["pixel_scale"], "shape": tuple(document["shape"]),
                "origin": tuple(document["origin"])}  # fmt: skip
        datasets = tuple(data.regridded(**grid) for data in self.datasets)
        joint = Observations.of(datasets, antenna_phases=self.antenna_phases)
        kept = zip(joint.calibrations, document["calibration"], strict=True)
        calibrations = tuple(dataclasses.replace(c, numbers=np.array(row["numbers"], float)) for c, row in kept)
        joint = dataclasses.replace(joint, calibrations=calibrations)
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


def _planes(scene: VisibilityScene) -> tuple[Plane, ...]:
    frame = scene.imaging
    return (
        Plane("MODEL", scene.sky, frame.unit, "sky of the model, before the primary beam"),
        Plane("RESIDUAL", scene.dirty_residual, None, "dirty image of data less model over its noise"),
        Plane("DIRTY", scene.dirty, None, "dirty image of the data over its noise"),
        Plane("SOURCE", scene.source, frame.unit, "lensed source, before the primary beam"),
        Plane("MASK", frame.mask.astype(np.uint8), None, "1 = no emission is modelled"),
    )
