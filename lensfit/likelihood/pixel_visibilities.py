"""ln evidence of visibilities of a lens whose source is on pixels; its cost does not depend on their number."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Interferometer
from lensfit.grid import Grid
from lensfit.inversion import MappingMatrix, curvature
from lensfit.inversion.images import sub_pixel_positions
from lensfit.inversion.mapping import entries
from lensfit.inversion.solve import Normal, Solution, solution
from lensfit.likelihood.interferometer import InterferometerLikelihood
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
from lensfit.profiles import PixelSource
from lensfit.pytree import pytree, static
from lensfit.terms import Evidence

SUB_PIXELS = 2
"""Rays per pixel and axis, and points whose mean a pixel is taken to be."""


@pytree
class PixelInterferometerLikelihood(Evidence):
    """ln evidence of visibilities, the source's coefficients and all `Solved` amplitudes integrated out.

    Attributes:
        visibilities: the data, of one or of several datasets (see `of_likelihood`).
        w_compact, h_compact: the distinct values of w_tilde.
        x, y: (M, Q) where rays start [arcsec].
        pixels: (M,) the pixels that may hold emission.
        width: standard deviation of the amplitudes a priori, about zero [Jy/pixel].
        route: how F is made, None = the quickest for the numbers at hand.
    """

    kind = "pixels visibilities"

    visibilities: InterferometerLikelihood
    w_compact: jax.Array
    h_compact: jax.Array | None
    x: jax.Array
    y: jax.Array
    pixels: jax.Array
    width: jax.Array
    route: str | None = static(default=None)

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Of the one image that all datasets are of."""
        return (self.visibilities.grid,)

    @classmethod
    def of(
        cls, interferometer: Interferometer, sub_pixels: int = SUB_PIXELS, width: float | None = None
    ) -> PixelInterferometerLikelihood:
        """From checked data; one pass over the visibilities.

        Args:
            interferometer: the data; the mask says where there is no emission.
            sub_pixels: rays per pixel and axis.
            width: see the class; None = WIDTH times the largest of the dirty image, in Jy per beam.
        """
        return cls.of_likelihood(InterferometerLikelihood.of(interferometer, sub_pixels), sub_pixels, width)

    @classmethod
    def of_likelihood(
        cls, visibilities: InterferometerLikelihood, sub_pixels: int, width: float | None = None
    ) -> PixelInterferometerLikelihood:
        """From the likelihood of one or several datasets, see `lensfit.likelihood.calibration.Observations`.

        Args:
            visibilities: what they say.
            sub_pixels: rays per pixel and axis, as many as the oversampling that it was made for.
            width: see the class; None = WIDTH times the largest of the dirty image, in Jy per beam.
        """
        needed = np.asarray(visibilities.grid.gather) >= 0
        x, y = (axis[needed] for axis in visibilities.grid.coordinates())
        starts = sub_pixel_positions(x, y, float(visibilities.grid.pixel_scale), sub_pixels)
        tables = visibilities.w_tilde.distinct()
        brightest = jnp.max(jnp.abs(visibilities.dirty) / visibilities.dirty_sigma**2)
        return cls(
            visibilities=visibilities,
            w_compact=jnp.asarray(tables[0]),
            h_compact=None if tables[1] is None else jnp.asarray(tables[1]),
            x=starts[0],
            y=starts[1],
            pixels=jnp.asarray(np.flatnonzero(needed), jnp.int32),
            width=WIDTH * brightest if width is None else jnp.asarray(float(width)),
        )

    def __call__(self, model: LensModel) -> jax.Array:
        """ln evidence of a model whose leaves are numbers or `Solved`."""
        return self.solution(model).log_evidence

    def coefficients(self, model: LensModel) -> int:
        """See `Evidence.coefficients`."""
        return pixels_of(model)[0].pixels ** 2

    def solution(self, model: LensModel) -> Solution:
        """The most probable source and amplitudes, and the terms of ln evidence."""
        source, rest = pixels_of(model)
        return solution(self.normal(model), source, self.width, rest.positive(), "native")

    def normal(self, model: LensModel) -> Normal:
        """See `Evidence.normal`."""
        source, rest = pixels_of(model)
        fixed, columns = self.visibilities.image(rest), columns_of(self.visibilities, rest)
        return self._normal(self.mapping(model, source), columns, fixed)

    def products(self, model: LensModel, images: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        """See `Evidence.products`."""
        source, rest = pixels_of(model)
        data, more = self.visibilities, self.visibilities.whiten(images[0])
        rows = jnp.concatenate([columns_of(data, rest), more])
        across = jax.vmap(self.mapping(model, source).data_vector)(data.w_tilde.apply(more))
        gram, count = data.gram(rows), len(more)
        return jnp.concatenate([across.T, gram[:-count, -count:]]), gram[-count:, -count:]

    def lensed(self, model: LensModel, coefficients: jax.Array) -> tuple[jax.Array, ...]:
        """See `Evidence.lensed`; zero where no ray is followed."""
        return (lensed_image(model, coefficients, self.x, self.y, self.pixels, self.visibilities.shape),)

    def mapping(self, model: LensModel, source: PixelSource) -> MappingMatrix:
        """T: what the antennas see of unit coefficients [Jy/pixel]."""
        u, v = source.position(*ray_ends(model, self.x, self.y))
        indices, weights = entries(u, v, source.pixels, source.order, "native")
        response = jnp.ravel(self.visibilities.response)[self.pixels]
        return MappingMatrix(
            indices=indices, weights=weights * response[:, None], pixels=self.pixels,
            source_pixels=source.pixels**2, shape=self.visibilities.shape,
        )

    def _normal(self, mapping: MappingMatrix, images: jax.Array, fixed: jax.Array) -> Normal:
        """Of the source, images (K, H, W) of unit amplitude, and a fixed one (H, W)."""
        data = self.visibilities
        left = data.dirty - data.w_tilde.apply(fixed)
        removed = jax.vmap(mapping.data_vector)(data.w_tilde.removed)
        matrix = curvature(mapping, self.w_compact, self.h_compact, route=self.route) - removed.T @ removed
        vector = mapping.data_vector(left)
        if len(images):
            across = jax.vmap(mapping.data_vector)(data.w_tilde.apply(images))
            matrix = jnp.block([[matrix, across.T], [across, data.gram(images)]])
            vector = jnp.concatenate([vector, jnp.tensordot(images, left, 2)])
        return Normal(curvature=matrix, vector=vector, constant=data.chi2(fixed), log_norm=data.log_norm)

    def reconstruct(self, model: LensModel) -> Reconstruction:
        """The source, its uncertainty and the images, for a model whose leaves are numbers or `Solved`."""
        source, rest = pixels_of(model)
        found, data = self.solution(model), self.visibilities
        size = source.pixels**2
        coefficients = found.s[:size].reshape(source.pixels, -1)
        (lensed,) = self.lensed(model, coefficients)
        light = data.image(rest.filled(found.s[size:]))
        image = data.whiten(lensed) + light
        seen = Seen(
            image=image, source=data.whiten(lensed), light=light, lensed=lensed,
            residuals=-data.dirty_residual(image), used=data.grid.gather >= 0,
        )
        return reconstruction(model, source, found, (seen,), data.grid.pixel_scale**2 * jnp.sum(lensed))

    def amplitudes(self, model: LensModel) -> jax.Array:
        """The `Solved` amplitudes (K,) of lens light, most probable together with the source."""
        return amplitudes_of(self.solution(model), pixels_of(model)[0], model)

    @property
    def data_count(self) -> int:
        """Number of real numbers that ln L sums over."""
        return self.visibilities.data_count

    @property
    def log_norm(self) -> jax.Array:
        """-1/2 sum ln(2 pi sigma^2)."""
        return self.visibilities.log_norm
