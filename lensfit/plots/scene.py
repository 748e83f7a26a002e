"""What the figures show, computed once: images of the model on the frame of the data, curves, positions."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from scipy.ndimage import binary_erosion

from lensfit.compiled import compiled
from lensfit.cosmology import Redshifts
from lensfit.datasets import Imaging, Interferometer
from lensfit.lensing import (
    CriticalCurves,
    Field,
    Image,
    brightness_at,
    centers,
    critical_curves,
    image_positions,
    source_field,
    unlensed,
    unmasked_field,
)
from lensfit.likelihood.calibration import Observations
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.model import LensModel

Planes = tuple[tuple[str, np.ndarray, str | None, str], ...]
"""Name, image (H, W), unit and meaning of each."""
PIXELS = 400
"""Pixels along a side of the picture of the source plane."""


@dataclasses.dataclass(frozen=True, eq=False)
class ModelImages:
    """Images (H, W) on the frame of the data, in its unit; NaN where the likelihood does not model them.

    model: everything; light: lens light and sky; source: the lensed source, without sky; residual:
    (data - model) / noise, NaN where a pixel is masked; arcs: data - light, likewise.
    """

    model: np.ndarray
    light: np.ndarray
    source: np.ndarray
    residual: np.ndarray
    arcs: np.ndarray

    @classmethod
    def of(cls, imaging: Imaging, likelihood: ImagingLikelihood, model: LensModel) -> ModelImages:
        """Images of a model of numbers; the likelihood is of the same data."""
        light, source = (model_image(likelihood, model.only(group)) for group in ("light", "source"))
        return cls.of_parts(imaging, likelihood, light, source)

    @classmethod
    def of_parts(cls, imaging: Imaging, likelihood: ImagingLikelihood, light: Any, source: Any) -> ModelImages:
        """Of the images (H, W) of lens light and lensed source on the box of the likelihood."""
        light, source = (_pasted(np.asarray(image), likelihood, imaging) for image in (light, source))
        data = np.where(imaging.mask, np.nan, imaging.data)
        residual = (data - light - source) / imaging.noise
        return cls(model=light + source, light=light, source=source, residual=residual, arcs=data - light)


@dataclasses.dataclass(frozen=True, eq=False)
class Glance:
    """What is drawn of a fit under way, quickly computed; as in `Scene`."""

    imaging: Imaging
    images: ModelImages
    field: Field

    @classmethod
    def of(cls, imaging: Imaging, likelihood: ImagingLikelihood, model: LensModel) -> Glance:
        """Of a model of numbers."""
        return cls(imaging, ModelImages.of(imaging, likelihood, model), unmasked_field(imaging))


@dataclasses.dataclass(frozen=True, eq=False)
class Plane:
    """What a model looks like whatever the data are.

    curves: critical curves and caustics in the field; positions: images of the brightest centre of the source;
    source_field: the part of the source plane shown, source_plane (PIXELS, PIXELS) its brightness. Of a source on
    pixels alone: deviation (n, n), the standard deviation of its brightness at the nodes, over mesh_field. redshifts:
    of lens and source, None where neither is known.
    """

    curves: CriticalCurves
    positions: tuple[Image, ...]
    source_field: Field
    source_plane: np.ndarray
    mesh_field: Field | None = None
    deviation: np.ndarray | None = None
    redshifts: Redshifts | None = None

    @property
    def lens_kpc(self) -> float | None:
        """Kiloparsecs that an arcsec is at the lens, None where its redshift is not known."""
        return None if self.redshifts is None else self.redshifts.kpc_per_arcsec

    @property
    def source_kpc(self) -> float | None:
        """The same at the source."""
        parsecs = None if self.redshifts is None else self.redshifts.pc_per_arcsec
        return None if parsecs is None else parsecs / 1000

    @classmethod
    def of(cls, model: LensModel, field: Field, redshifts: Redshifts | None = None) -> Plane:
        """Of a model of numbers in a field of the image plane."""
        curves = critical_curves(model, field)
        seen = source_field(model, curves, field)
        return cls(
            curves=curves,
            positions=tuple(_positions(model, field)),
            source_field=seen,
            source_plane=brightness_at(unlensed(model), *seen.cells(PIXELS)),
            redshifts=redshifts,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """A fit as the figures show it; field: the unmasked part of the image."""

    imaging: Imaging
    images: ModelImages
    model: LensModel
    field: Field
    plane: Plane

    @property
    def unit(self) -> str:
        """The unit in which brightness is shown."""
        return self.imaging.unit_label

    @property
    def scale(self) -> float:
        """What brightness is multiplied by to be shown."""
        return 1.0

    def planes(self) -> Planes:
        """The images of the model on the frame of the data."""
        unit, images = self.imaging.unit, self.images
        return (
            ("MODEL", images.model, unit, "lens light, lensed source and sky, convolved"),
            ("RESIDUAL", images.residual, None, "(data - model) / sigma"),
            ("LENS_LIGHT", images.light, unit, "lens light and sky, convolved"),
            ("SOURCE", images.source, unit, "lensed source, convolved"),
            ("MASK", self.imaging.mask.astype(np.uint8), None, "1 = left out of the fit"),
        )

    @classmethod
    def of(
        cls, imaging: Imaging, likelihood: ImagingLikelihood, model: LensModel, redshifts: Redshifts | None = None
    ) -> Scene:
        """Everything that the figures of a model of numbers need."""
        field = unmasked_field(imaging)
        images = ModelImages.of(imaging, likelihood, model)
        plane = Plane.of(model, field, redshifts)
        return cls(imaging=imaging, images=images, model=model, field=field, plane=plane)


@dataclasses.dataclass(frozen=True, eq=False)
class VisibilityScene:
    """A fit to visibilities as the figures show it.

    frame: the first dataset, whose image grid all share. corrected: the datasets with their calibration taken
    out. Images (H, W): `dirty`, `dirty_model` and `dirty_residual` in units of the dirty image's noise, `sky`
    and its lensed part `source`, before the primary beam [Jy/pixel]. The rest is as in `Scene`.
    """

    frame: Interferometer
    corrected: tuple[Interferometer, ...]
    model: LensModel
    dirty: np.ndarray
    dirty_model: np.ndarray
    dirty_residual: np.ndarray
    sky: np.ndarray
    source: np.ndarray
    seen: np.ndarray
    field: Field
    plane: Plane

    @property
    def unit(self) -> str:
        """The unit in which brightness is shown."""
        return "mJy / pixel"

    @property
    def scale(self) -> float:
        """What brightness is multiplied by to be shown."""
        return 1e3

    def planes(self) -> Planes:
        """The images of the model on the frame of the data."""
        unit = self.frame.unit
        return (
            ("MODEL", self.sky, unit, "sky of the model, before the primary beam"),
            ("RESIDUAL", self.dirty_residual, None, "dirty image of data less model over its noise"),
            ("DIRTY", self.dirty, None, "dirty image of the data over its noise"),
            ("SOURCE", self.source, unit, "lensed source, before the primary beam"),
            ("MASK", self.frame.mask.astype(np.uint8), None, "1 = no emission is modelled"),
        )

    @classmethod
    def of(cls, observations: Observations, model: LensModel, redshifts: Redshifts | None = None) -> VisibilityScene:
        """Everything that the figures of a model of numbers need."""
        likelihood = observations.held().likelihood()
        images = _visibility_images(likelihood, model)
        plane = Plane.of(model, unmasked_field(observations.datasets[0]), redshifts)
        return cls(model=model, plane=plane, **seen_by(observations, likelihood, *images))


AnyScene = Scene | VisibilityScene


@compiled
def _visibility_images(likelihood: InterferometerLikelihood, model: LensModel) -> tuple[jax.Array, ...]:
    return likelihood.light(model), likelihood.light(model.only("source")), likelihood.image(model)


def seen_by(
    observations: Observations, likelihood: InterferometerLikelihood, sky: Any, source: Any, seen: Any
) -> dict[str, Any]:
    """The fields of a `VisibilityScene` that its images (H, W) decide; the likelihood is of the held calibration."""
    frame = observations.datasets[0]
    dirty = np.asarray(likelihood.dirty / likelihood.dirty_sigma)
    residual = np.asarray(likelihood.dirty_residual(seen))
    return {
        "frame": frame,
        "corrected": observations.corrected(),
        "dirty": dirty,
        "dirty_model": dirty - residual,
        "dirty_residual": residual,
        "sky": np.asarray(sky),
        "source": np.asarray(source),
        "seen": np.asarray(seen),
        "field": unmasked_field(frame),
    }


model_image = compiled(ImagingLikelihood.image)
"""The image (H, W) of a model of numbers on the box of a likelihood, convolved and with sky: (likelihood, model)."""


def _pasted(image: np.ndarray, likelihood: ImagingLikelihood, imaging: Imaging) -> np.ndarray:
    """From the likelihood's box to the frame of the data; NaN where light that the PSF brings is unknown."""
    footprint = np.ones(2 * [2 * (max(imaging.psf.shape) // 2) + 1])
    complete = binary_erosion(np.asarray(likelihood.grid.gather) >= 0, footprint)
    rows, columns = np.nonzero(complete)
    corner = np.asarray(likelihood.grid.corner) - [imaging.x[0, 0], imaging.y[0, 0]]
    column, row = np.rint(corner / imaging.pixel_scale).astype(int)
    on_frame = (rows + row < imaging.shape[0]) & (columns + column < imaging.shape[1])
    on_frame &= (rows + row >= 0) & (columns + column >= 0)
    rows, columns = rows[on_frame], columns[on_frame]
    frame = np.full(imaging.shape, np.nan)
    frame[rows + row, columns + column] = image[rows, columns]
    return frame


def _positions(model: LensModel, field: Field) -> list[Image]:
    """Images of the centre of a source profile at which the source is brightest."""
    places = list(centers(model.source).values())
    if not places:
        return []
    x, y = np.array(places).T
    best = int(np.argmax(brightness_at(unlensed(model), x, y)))
    return image_positions(model, float(x[best]), float(y[best]), field)
