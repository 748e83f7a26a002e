"""What the figures show, computed once: images of the model on the frame of the data, curves, positions."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from scipy.ndimage import binary_erosion

from lensfit.datasets import Imaging, Interferometer
from lensfit.lensing import (
    CriticalCurves,
    Field,
    Image,
    brightness_at,
    centers,
    critical_curves,
    image_positions,
    unlensed,
)
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel

PIXELS = 400
"""Pixels along a side of the picture of the source plane."""
FAINT = 0.03
"""Share of the source's peak down to which the picture of the source plane must reach."""


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
        light, source = (_image(likelihood, model.only(group)) for group in ("light", "source"))
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
    pixels alone: deviation (n, n), the standard deviation of its brightness at the nodes, over mesh_field.
    """

    curves: CriticalCurves
    positions: tuple[Image, ...]
    source_field: Field
    source_plane: np.ndarray
    mesh_field: Field | None = None
    deviation: np.ndarray | None = None

    @classmethod
    def of(cls, model: LensModel, field: Field) -> Plane:
        """Of a model of numbers in a field of the image plane."""
        curves = critical_curves(model, field)
        source_field = _source_field(model, curves, field)
        return cls(
            curves=curves,
            positions=tuple(_positions(model, field)),
            source_field=source_field,
            source_plane=brightness_at(unlensed(model), *source_field.cells(PIXELS)),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """A fit as the figures show it; field: the unmasked part of the image."""

    imaging: Imaging
    images: ModelImages
    model: LensModel
    field: Field
    plane: Plane

    @classmethod
    def of(cls, imaging: Imaging, likelihood: ImagingLikelihood, model: LensModel) -> Scene:
        """Everything that the figures of a model of numbers need."""
        field = unmasked_field(imaging)
        images = ModelImages.of(imaging, likelihood, model)
        return cls(imaging=imaging, images=images, model=model, field=field, plane=Plane.of(model, field))


_image = jax.jit(ImagingLikelihood.image)


def unmasked_field(imaging: Imaging | Interferometer) -> Field:
    """The smallest square about the unmasked pixels, and a little more where the image goes on."""
    good, pixel = ~imaging.mask, imaging.pixel_scale
    places = [axis[good] for axis in (imaging.x, imaging.y)]
    x, y = (0.5 * float(p.min() + p.max()) for p in places)
    edge = max(np.abs(imaging.x - x).max(), np.abs(imaging.y - y).max()) + 0.5 * pixel
    return Field(x, y, float(min(0.5 * max(map(np.ptp, places)) + 2 * pixel, edge)))


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


def _source_field(model: LensModel, curves: CriticalCurves, field: Field) -> Field:
    """The square about the source and the tangential caustics."""
    x, y = field.cells(PIXELS)
    light = brightness_at(unlensed(model), x, y)
    bright = light > FAINT * light.max()
    points = np.concatenate([np.stack([x[bright], y[bright]], -1), *curves.tangential_caustics])
    if not len(points):
        return field
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, 0.6 * float((high - low).max())
    return Field(float(middle[0]), float(middle[1]), half)
