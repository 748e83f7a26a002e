"""An image of a lens on the road."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import zoom

from lensfit.datasets import Imaging, read_imaging
from lensfit.errors import DataError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.pixels import PixelImagingLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel
from lensfit.observations.companions import Companion, find_companions, leave_out
from lensfit.observations.observation import Observation, Plane, Rows, Shown, source_rows
from lensfit.observations.region import add_note, choose_mask, leaves_a_region
from lensfit.plots import FIGURES, PIXEL_FIGURES, Glance, ModelImages, Scene, inspect_figure, pixel_scene
from lensfit.recipe import DataSection
from lensfit.standard import STANDARD

FINE = 8
"""Sub-pixels per axis on which the width of the PSF is measured."""
OVERVIEW = (
    "Data, model and normalised residual; lens light, data without lens light, and the source "
    "with the caustics. Data, model and lens light share one scale. Grey: masked."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageObservation(Observation):
    """One image. settled: its mask was given and stays as it is. scale_from: what gave the pixel scale."""

    kind: ClassVar[str] = "images"
    standard: ClassVar[Mapping[str, Callable[[Any], LensModel]]] = STANDARD
    default: ClassVar[str] = "parametric"
    counted: ClassVar[str] = "pixels"

    imaging: Imaging
    settled: bool = False
    scale_from: str | None = None

    @classmethod
    def reads(cls, path: Path) -> bool:
        """True: what is nothing else is taken to be an image."""
        return True

    @classmethod
    def read(cls, section: DataSection) -> ImageObservation:
        """The image with the mask that is named, or the disc of a radius that is."""
        imaging = _read(section)
        radius = section.mask_radius
        if radius is not None:
            if not radius > 0:
                raise DataError(f"a mask of mask_radius={radius:g} arcsec keeps no pixel; give a radius above 0")
            imaging = imaging.circular_mask(radius)
        given = "--pixel-scale" if section.pixel_scale is not None else None
        return cls(imaging=imaging, settled=not (radius is None and section.mask is None), scale_from=given)

    @classmethod
    def of(cls, data: Any) -> ImageObservation | None:
        """Of an `Imaging`; a mask that leaves a region of it stays as it is."""
        if not isinstance(data, Imaging):
            return None
        found = any(role == "mask" for role, _, _ in data.sources)
        return cls(imaging=data, settled=not found and leaves_a_region(data))

    @property
    def frame(self) -> Imaging:
        """The image."""
        return self.imaging

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the image."""
        return self.imaging.notes

    def region(self) -> ImageObservation:
        """With a disc about the lens that holds its arcs, less what a mask found beside the data leaves out.

        A mask found that leaves only a region of the image is used as it is.
        """
        if self.settled:
            return self
        if any(role == "mask" for role, _, _ in self.imaging.sources) and leaves_a_region(self.imaging):
            chosen = add_note(self.imaging, "the mask found leaves only a region of the image: used as it is")
        else:
            chosen = choose_mask(self.imaging)
        return dataclasses.replace(self, imaging=chosen, settled=True)

    def term(self, model: LensModel) -> Any:
        """ln L of the image, or its ln evidence."""
        return PixelImagingLikelihood.of(self.imaging) if model.pixels() else ImagingLikelihood.of(self.imaging)

    def companions(self, term: Any, model: LensModel) -> tuple[Companion, ...]:
        """See `lensfit.observations.companions`."""
        return find_companions(term, model)

    def without(self, companions: tuple[Companion, ...]) -> ImageObservation:
        """The same with discs about the companions masked."""
        return dataclasses.replace(self, imaging=leave_out(self.imaging, companions))

    def glance(self, term: Any, model: LensModel) -> Glance:
        """Data, model and residual."""
        return Glance.of(self.imaging, term, model)

    def shown(self, term: Any, model: LensModel, found: Reconstruction | None) -> Shown:
        """Figures on the frame of the image."""
        if found is None:
            scene, figures = Scene.of(self.imaging, term, model), FIGURES
        else:
            scene, figures = pixel_scene(self.imaging, term, found), PIXEL_FIGURES
        made = {name: partial(figure, scene) for name, figure in figures.items()}
        return Shown(made, _planes(self.imaging, scene.images))

    def rows(self) -> Rows:
        """Everything that is understood of the image."""
        imaging = self.imaging
        good = ~imaging.mask
        used, noise = int(np.count_nonzero(good)), imaging.noise[good]
        unit = imaging.unit or "unknown unit"
        height, width = imaging.psf.shape
        width_of_psf = fwhm(imaging.psf) * imaging.pixel_scale
        return [
            *((role, path) for role, path, _ in imaging.sources),
            ("shape", f"{imaging.shape[0]} rows x {imaging.shape[1]} columns"),
            ("pixel scale", f"{imaging.pixel_scale:.6g} arcsec, from {self.scale_from or _origin_of_scale(imaging)}"),
            ("centre", f"x = {imaging.origin[0]:.6g}, y = {imaging.origin[1]:.6g} arcsec"),
            ("sky", "no celestial coordinates" if imaging.wcs is None else "celestial coordinates of the header"),
            ("unit", unit),
            ("pixels", f"{used} used, {imaging.mask.sum()} masked"),
            ("data", f"{imaging.data[good].min():.4g} to {imaging.data[good].max():.4g} {unit}"),
            ("noise", f"{noise.min():.4g} to {noise.max():.4g} {unit}, median {np.median(noise):.4g}"),
            ("signal/noise", f"up to {np.max(imaging.data[good] / noise):.4g}"),
            ("PSF", f"{height} x {width} pixels, FWHM {width_of_psf:.3g} arcsec, sum 1"),
            *(("note", note) for note in imaging.notes),
        ]

    def figure(self) -> Figure:
        """Data, noise map, signal over noise and PSF."""
        return inspect_figure(self.imaging)

    def document(self) -> dict[str, Any]:
        """What result.json says of the image."""
        imaging = self.imaging
        height, width = imaging.shape
        used = int(np.count_nonzero(~imaging.mask))
        return {
            "kind": self.kind,
            "counted": self.counted,
            "shape": imaging.shape,
            "pixel_scale": imaging.pixel_scale,
            "unit": imaging.unit,
            "pixels_used": used,
            "psf_shape": imaging.psf.shape,
            "has_wcs": imaging.wcs is not None,
            "hash": imaging.hash,
            "sources": source_rows(imaging.sources),
            "notes": imaging.notes,
            "overview": OVERVIEW,
            "described": [
                ("image", f"{width} x {height} pixels of {imaging.pixel_scale:.5g} arcsec"),
                ("pixels used", str(used)),
                ("unit", imaging.unit),
                ("PSF", f"{imaging.psf.shape[1]} x {imaging.psf.shape[0]} pixels"),
                ("WCS", "unknown" if imaging.wcs is None else "known"),
            ],
        }

    def restored(self, document: dict[str, Any], mask: np.ndarray) -> ImageObservation:
        """With the mask of the fit."""
        imaging = dataclasses.replace(self.imaging.with_mask(mask), notes=tuple(document["notes"]))
        return dataclasses.replace(self, imaging=imaging, settled=True)


def fwhm(psf: np.ndarray) -> float:
    """Diameter in pixels of the disc as large as the part of the PSF above half of its peak."""
    fine = np.asarray(zoom(psf, FINE, order=3, grid_mode=True, mode="grid-constant"))
    return 2 * float(np.sqrt(np.count_nonzero(fine > fine.max() / 2) / np.pi)) / FINE


def _read(section: DataSection) -> Imaging:
    assert section.path is not None
    return read_imaging(
        section.path,
        noise=section.noise,
        psf=section.psf,
        mask=section.mask,
        pixel_scale=section.pixel_scale,
        nan=section.nan,
    )


def _origin_of_scale(imaging: Imaging) -> str:
    for role, path, _ in imaging.sources:
        if role == "info" and "pixel_scale" in json.loads(Path(path).read_text(encoding="utf-8")):
            return path
    return "the file of the data"


def _planes(imaging: Imaging, images: ModelImages) -> tuple[Plane, ...]:
    return (
        Plane("MODEL", images.model, imaging.unit, "lens light, lensed source and sky, convolved"),
        Plane("RESIDUAL", images.residual, None, "(data - model) / sigma"),
        Plane("LENS_LIGHT", images.light, imaging.unit, "lens light and sky, convolved"),
        Plane("SOURCE", images.source, imaging.unit, "lensed source, convolved"),
        Plane("MASK", imaging.mask.astype(np.uint8), None, "1 = left out of the fit"),
    )
