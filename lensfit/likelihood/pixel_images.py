"""ln evidence of images of a lens whose source is on pixels."""
from __future__ import annotations

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import binary_dilation

from lensfit.datasets import Imaging
from lensfit.errors import ModelError
from lensfit.grid import Grid
from lensfit.inversion.images import Rays, normal
from lensfit.inversion.mapping import entries
from lensfit.inversion.solve import Normal, Solution, solution
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.reconstruction import (
    WIDTH,
    Reconstruction,
    Seen,
    amplitudes_of,
    columns_of,
    lensed_image,
    pixels_of,
    ray_ends,
    reconstruction,
)
from lensfit.model import LensModel
from lensfit.native import Engine
from lensfit.operators.psf import convolve
from lensfit.profiles import PixelSource
from lensfit.pytree import pytree, replace, static
from lensfit.terms import Evidence

SUB_PIXELS = 2
"""Rays per pixel and axis."""
LIGHTS = 32
"""Numbers of positive amplitudes of light that is held are filled up to multiples of this one, so that few shapes are
compiled."""


@pytree
class HeldLight:
    """Light of fixed shape over the M pixels with data of one image, whitened.

    target (M,): the data less what has no amplitude. columns (K, M): of unit amplitude, those first that are to be
    positive. Columns of zeros fill them up: their amplitudes are zero, and ln evidence does not see them.
    """

    target: jax.Array
    columns: jax.Array


@pytree
class PixelImagingLikelihood(Evidence):
    """ln evidence of one or several images, the source's coefficients and all `Solved` amplitudes integrated out.

    The amplitudes are normal about zero a priori with standard deviation `width`, wide of anything the data say;
    those that are to be positive are kept so. Lens light and sky with numbers are subtracted from the data. Where
    light is `held` it is in no model any more, and what is reconstructed are images without it.

    Attributes:
        images: the data, each with its ln L.
        rays: where they start, of each image.
        width: standard deviation of the amplitudes a priori, in the data's unit.
        held: light that is in no model, of each image.
        held_positive: whether the amplitude of each is kept positive.
        engine: "native" or "xla".
    """

    kind = "pixels image"

    images: tuple[ImagingLikelihood, ...]
    rays: tuple[Rays, ...]
    width: jax.Array
    held: tuple[HeldLight, ...] = ()
    held_positive: tuple[bool, ...] = static(default=())
    engine: Engine = static(default="native")

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Of the datasets."""
        return tuple(image.grid for image in self.images)

    @classmethod
    def of(
        cls, *imaging: Imaging, sub_pixels: int = SUB_PIXELS, oversampling: int | np.ndarray | None = None,
        width: float | None = None,
    ) -> PixelImagingLikelihood:
        """From checked data, images of one source in one unit of brightness.

        Args:
            imaging: the images, each with its mask.
            sub_pixels: rays per pixel and axis.
            oversampling: of the lens light, see `ImagingLikelihood.of`.
            width: see the class; None = WIDTH times the largest datum.

        Raises:
            ModelError: there is no image.
        """
        if not imaging:
            raise ModelError("PixelImagingLikelihood.of needs at least one image")
        largest = max(float(np.max(np.abs(data.data[~data.mask]))) for data in imaging)
        images = tuple(ImagingLikelihood.of(data, oversampling) for data in imaging)
        return cls(
            images=images,
            rays=tuple(_rays(image, sub_pixels) for image in images),
            width=jnp.asarray(WIDTH * largest if width is None else float(width)),
        )

    def coarser(self) -> PixelImagingLikelihood:
        """The data binned 2x2, with as many rays a pixel."""
        binned = (image.observed().binned(2) for image in self.images)
        made = PixelImagingLikelihood.of(*binned, sub_pixels=self.rays[0].sub_pixels, width=float(self.width))
        return replace(made, engine=self.engine)

    def away(self, model: LensModel) -> tuple[jax.Array, ...]:
        """See `Evidence.away`."""
        source, _ = pixels_of(model)
        middle, found = (source.pixels - 1) / 2, []
        for rays in self.rays:
            u, v = source.position(*ray_ends(model, rays.x, rays.y))
            found.append(jnp.maximum(jnp.abs(u - middle), jnp.abs(v - middle)) / (middle + source.order))
        return tuple(found)

    def reach(self, away: tuple[Any, ...], margin: float) -> tuple[np.ndarray, ...]:
        """See `Evidence.reach`; a pixel counts with any of its rays, and so do its neighbours."""
        regions = []
        for rays, far in zip(self.rays, away, strict=True):
            region = np.zeros(rays.shape, bool)
            region.ravel()[np.asarray(rays.pixels)[(np.asarray(far) < margin).any(-1)]] = True
            regions.append(binary_dilation(region, iterations=2))
        return tuple(regions)

    def within(self, *regions: np.ndarray) -> PixelImagingLikelihood:
        """See `Evidence.within`."""
        triples = zip(self.images, self.rays, regions, strict=True)
        rays = [(_rays(image, old.sub_pixels, region), old) for image, old, region in triples]
        same = ((new, old.seen, old.inverse_noise) for new, old in rays)  # as many as light that is held has
        return replace(self, rays=tuple(replace(new, seen=s, inverse_noise=i) for new, s, i in same))

    def __call__(self, model: LensModel) -> jax.Array:
        """ln evidence of a model whose leaves are numbers or `Solved`."""
        return self.solution(model).log_evidence

    def light_of(self, model: LensModel) -> tuple[tuple[jax.Array, jax.Array], ...]:
        """See `Evidence.light_of`: of each image target (M,) and columns (K, M) in the order of the amplitudes."""
        pairs = zip(self.images, self.rays, strict=True)
        return tuple((_target(image, rays.seen, model), _at(image.columns(model), rays.seen)) for image, rays in pairs)

    def holding(self, model: LensModel, light: Any) -> tuple[Evidence, LensModel, np.ndarray]:
        """See `Evidence.holding`: columns of light are computed once, and models are without it. As it is where the
        light is not given, or the model has sources of profiles too."""
        if not light or len(model.source) > 1:
            return super().holding(model, light)
        positive = pixels_of(model)[1].positive()
        firm, free = np.flatnonzero(positive), np.flatnonzero(~positive)
        more = -len(firm) % LIGHTS
        held = []
        for target, given in light:
            columns = np.asarray(given)
            filled = np.concatenate([columns[firm], np.zeros((more, columns.shape[1])), columns[free]])
            held.append(HeldLight(target=target, columns=jnp.asarray(filled)))
        places = np.empty(len(positive), int)
        places[firm], places[free] = np.arange(len(firm)), len(firm) + more + np.arange(len(free))
        flags = (True,) * (len(firm) + more) + (False,) * len(free)
        return replace(self, held=tuple(held), held_positive=flags), replace(model, light={}, sky=0.0), places

    def less_source(self, found: Reconstruction) -> ImagingLikelihood | None:
        """See `Evidence.less_source`; of one image."""
        image, *others = self.images
        return None if others else image.minus(np.asarray(found.seen[0].source) * np.asarray(image.inverse_noise))

    def coefficients(self, model: LensModel) -> int:
        """See `Evidence.coefficients`."""
        return pixels_of(model)[0].pixels ** 2

    def solution(self, model: LensModel) -> Solution:
        """The most probable source and amplitudes, and the terms of ln evidence."""
        source, rest = pixels_of(model)
        positive = np.array(self.held_positive) if self.held else rest.positive()
        return solution(self.normal(model), source, self.width, positive, self.engine)

    def normal(self, model: LensModel) -> Normal:
        """See `Evidence.normal`."""
        source, rest = pixels_of(model)
        total, *parts = (self._normal(k, model, source, rest) for k in range(len(self.images)))
        for part in parts:
            total = total.plus(part)
        return total

    def _normal(self, k: int, model: LensModel, source: PixelSource, rest: LensModel) -> Normal:
        rays = self.rays[k]
        target, columns = self._light(k, rest)
        u, v = source.position(*ray_ends(model, rays.x, rays.y))
        mesh = source.pixels, source.order
        curvature, vector = normal(rays, u, v, columns, target, mesh, self.engine, bool(self.held))
        return Normal(
            curvature=curvature, vector=vector, constant=target @ target, log_norm=self.images[k].log_norm
        )

    def _light(self, k: int, rest: LensModel) -> tuple[jax.Array, jax.Array]:
        """Target (M,) and columns (K, M) of an image, held or of the model without its source on pixels."""
        if self.held:
            return self.held[k].target, self.held[k].columns
        image, seen = self.images[k], self.rays[k].seen
        return _target(image, seen, rest), _at(columns_of(image, rest), seen)

    def products(self, model: LensModel, images: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        """See `Evidence.products`."""
        source, rest = pixels_of(model)
        across, own = zip(*(self._products(k, model, source, rest, more) for k, more in enumerate(images)), strict=True)
        return reduce(jnp.add, across), reduce(jnp.add, own)

    def _products(
        self, k: int, model: LensModel, source: PixelSource, rest: LensModel, more: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        image, rays = self.images[k], self.rays[k]
        whitened = image.whiten(more)
        rows = whitened.reshape(len(more), -1)[:, rays.seen]
        _, columns = self._light(k, rest)
        back = convolve(whitened * image.inverse_noise, jnp.conj(image.transfer)).reshape(len(more), -1)[:, rays.pixels]
        u, v = source.position(*ray_ends(model, rays.x, rays.y))
        indices, weights = entries(u, v, source.pixels, source.order, self.engine)
        shares = weights[..., None] * back.T[:, None]
        of_source = jnp.zeros((source.pixels**2, len(more))).at[indices].add(shares)
        return jnp.concatenate([of_source, columns @ rows.T]), rows @ rows.T

    def lensed(self, model: LensModel, coefficients: jax.Array) -> tuple[jax.Array, ...]:
        """See `Evidence.lensed`; zero where no ray is followed."""
        return tuple(lensed_image(model, coefficients, r.x, r.y, r.pixels, r.shape) for r in self.rays)

    def reconstruct(self, model: LensModel) -> Reconstruction:
        """The source, its uncertainty and the images, for a model whose leaves are numbers or `Solved`."""
        source, rest = pixels_of(model)
        found = self.solution(model)
        coefficients = found.s[: source.pixels**2].reshape(source.pixels, -1)
        filled = rest.filled(amplitudes_of(found, source, model))
        lensed = self.lensed(model, coefficients)
        seen = [_seen(image, filled, light) for image, light in zip(self.images, lensed, strict=True)]
        area = self.images[0].grid.pixel_scale ** 2
        return reconstruction(model, source, found, tuple(seen), area * jnp.sum(seen[0].lensed))

    def amplitudes(self, model: LensModel) -> jax.Array:
        """The `Solved` amplitudes (K,) of lens light and sky, most probable together with the source."""
        return amplitudes_of(self.solution(model), pixels_of(model)[0], model)

    @property
    def data_count(self) -> int:
        """Number of pixels with data."""
        return sum(image.data_count for image in self.images)

    @property
    def log_norm(self) -> jax.Array:
        """-1/2 sum ln(2 pi sigma^2)."""
        return jnp.sum(jnp.stack([image.log_norm for image in self.images]))


def _target(image: ImagingLikelihood, seen: jax.Array, rest: LensModel) -> jax.Array:
    """See `HeldLight`: (M,), at the pixels `seen` (M,)."""
    return -image.residuals(rest).ravel()[seen]


def _at(images: jax.Array, seen: jax.Array) -> jax.Array:
    """Images (K, H, W) at pixels (M,)."""
    return images.reshape(len(images), images.shape[1] * images.shape[2])[:, seen]


def _seen(image: ImagingLikelihood, rest: LensModel, lensed: jax.Array) -> Seen:
    """What an image shows of a lensed source (H, W), beside the rest of its model of numbers."""
    source, light = convolve(lensed, image.transfer), image.image(rest)
    total = source + light
    return Seen(
        image=total, source=source, light=light, lensed=lensed,
        residuals=total * image.inverse_noise - image.whitened_data, used=image.grid.gather >= 0,
    )


def _rays(image: ImagingLikelihood, sub_pixels: int, region: np.ndarray | bool = True) -> Rays:
    return Rays.of(
        *image.grid.coordinates(), needed=(np.asarray(image.grid.gather) >= 0) & region,
        inverse_noise=np.asarray(image.inverse_noise), psf=np.asarray(image.psf),
        pixel_scale=float(image.grid.pixel_scale), sub_pixels=sub_pixels,
    )
