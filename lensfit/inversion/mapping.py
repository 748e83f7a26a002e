"""The mapping matrix T of a pixelised source: sparse, M image pixels by S source pixels."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lensfit.errors import ModelError
from lensfit.pytree import pytree, static


@pytree
class MappingMatrix:
    """T[m, s] = sum of weights[m, b] over the b with indices[m, b] = s.

    Attributes:
        indices: (M, B) source pixels, 0 to S - 1; or -1 for an entry of weight 0 whose derivative nobody asks for.
        weights: (M, B) interpolation weights; 0 where an entry is not used. Repeated indices add up.
        pixels: (M,) image pixels, Nx row + column, ascending.
        source_pixels: S.
        shape: (Ny, Nx) of the image.
    """

    indices: jax.Array
    weights: jax.Array
    pixels: jax.Array
    source_pixels: int = static()
    shape: tuple[int, int] = static()

    @classmethod
    def of(
        cls, indices: jax.Array | np.ndarray, weights: jax.Array | np.ndarray, mask: np.ndarray, source_pixels: int
    ) -> MappingMatrix:
        """T of the M pixels where `mask` (Ny, Nx) is True, row by row. Indices and weights may be traced.

        Raises:
            ModelError: shapes do not fit together, or an index is no source pixel. Of traced indices that
                cannot be said here: F comes out NaN.
        """
        pixels = np.flatnonzero(mask)
        wanted = (len(pixels), *indices.shape[1:])
        if indices.ndim != 2 or indices.shape != wanted or weights.shape != wanted:
            raise ModelError(
                f"mapping matrix: indices {indices.shape} and weights {weights.shape} must both be "
                f"(M, B), with M = {len(pixels)}, the pixels of the mask"
            )
        if not isinstance(indices, Tracer):
            wrong = np.argwhere((np.asarray(indices) < 0) | (np.asarray(indices) >= source_pixels))
            if len(wrong):
                raise ModelError(
                    f"mapping matrix: {len(wrong)} indices are no source pixel 0 to {source_pixels - 1}, the first "
                    f"at {tuple(wrong[0].tolist())}; give an entry that is not used any of them, and weight 0"
                )
        return cls(
            indices=jnp.asarray(indices, jnp.int32),
            weights=jnp.asarray(weights),
            pixels=jnp.asarray(pixels, jnp.int32),
            source_pixels=source_pixels,
            shape=(mask.shape[0], mask.shape[1]),
        )

    def image(self, source: jax.Array) -> jax.Array:
        """T s of a source (S,) as an image (Ny, Nx), 0 outside the mask."""
        values = jnp.sum(self.weights * source[self.indices], axis=1)
        flat = jnp.zeros(self.shape[0] * self.shape[1]).at[self.pixels].set(values)
        return flat.reshape(self.shape)

    def data_vector(self, dirty: jax.Array) -> jax.Array:
        """D = T^T d (S,) of the noise-weighted dirty image d (Ny, Nx) (Warren & Dye 2003)."""
        products = self.weights * jnp.ravel(dirty)[self.pixels][:, None]
        return jnp.zeros(self.source_pixels).at[self.indices].add(products)
