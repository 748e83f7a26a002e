"""A source on pixels: taken out of a model, and put back as it was solved for, with its uncertainty and its images."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lensfit.errors import ModelError
from lensfit.inversion.mapping import by_xla, interpolated
from lensfit.inversion.regularisation import check_source
from lensfit.inversion.solve import Solution
from lensfit.model import LensModel, as_formula
from lensfit.priors import Solved
from lensfit.profiles import PixelSource
from lensfit.profiles.shared_formulae import CORE
from lensfit.pytree import pytree
from lensfit.surface import surface

STEEP, FALL = 12.0, 4
"""Mean convergence of a mass within a radius at which its deflection is doubled for a source on pixels, and the power
of its square by which that grows inwards; see `ray_ends`."""
WIDTH = 100.0
"""Standard deviation of the prior of a `Solved` amplitude of lens light or sky, over the largest datum."""


@pytree
class Seen:
    """What one dataset shows of a reconstruction, images (H, W) on the box of its likelihood.

    Attributes:
        image: the model, as the instrument sees it.
        source, light: its shares of the lensed source, and of lens light and sky.
        lensed: the lensed source before the instrument, zero where no ray was followed.
        residuals: (model - data) / sigma, zero where a pixel is left out; of visibilities the dirty image of
            model less data, over its noise.
        used: where rays were followed.
    """

    image: jax.Array
    source: jax.Array
    light: jax.Array
    lensed: jax.Array
    residuals: jax.Array
    used: jax.Array


@pytree
class Reconstruction:
    """The most probable source on the mesh, given the model's other numbers.

    Attributes:
        coefficients: (n, n) of the B-splines, `[row, column]`.
        x, y: (n,) the nodes [arcsec].
        brightness, deviation: (n, n) at the nodes, and its posterior standard deviation; 0 where s >= 0 holds it.
        amplitudes, amplitude_deviations: (K,) of the model's `Solved` leaves, sky last.
        magnification: flux of the lensed source over that of the source.
        source_flux: brightness times arcsec^2.
        seen: one for each dataset.
        model: with numbers for its `Solved` amplitudes.
        solution: chi2, and the other terms of ln evidence.
    """

    coefficients: jax.Array
    x: jax.Array
    y: jax.Array
    brightness: jax.Array
    deviation: jax.Array
    amplitudes: jax.Array
    amplitude_deviations: jax.Array
    magnification: jax.Array
    source_flux: jax.Array
    seen: tuple[Seen, ...]
    model: LensModel
    solution: Solution

    def at(self, x: Any, y: Any) -> jax.Array:
        """Source brightness at source-plane points (x, y) [arcsec], of any shape."""
        return brightness_of(self.source, self.coefficients, jnp.asarray(x), jnp.asarray(y))

    @property
    def source(self) -> PixelSource:
        """The mesh, with its numbers."""
        return next(iter(self.model.pixels().values()))

    @property
    def lensed_flux(self) -> jax.Array:
        """Brightness times arcsec^2 of the lensed source."""
        return self.magnification * self.source_flux


def brightness_of(source: PixelSource, coefficients: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Brightness at source-plane points (x, y) [arcsec] of coefficients (n, n)."""
    return interpolated(source.order, coefficients, *source.position(x, y))


def ray_ends(model: LensModel, x: Any, y: Any) -> tuple[Any, Any]:
    """Where rays from points (x, y) [arcsec] end on the plane of a source on pixels [arcsec].

    It is the lens equation, but for rays that pass a centre of mass so closely that no image lies there but one ten
    times fainter than its source: these are led off every mesh. A singular mass sends neighbours to opposite sides, and
    ln evidence would jump whenever a centre passes between two of the few rays of a pixel. alpha is made
    1 + (mean convergence / STEEP)^(2 FALL) times as long, with alpha / r for the mean convergence within r.
    """
    ends_x, ends_y = x, y
    for _, mass in sorted(model.mass.items()):
        ax, ay = mass.deflection(x, y)
        more = 1.0
        if mass.center is not None:
            square = (x - mass.center[0]) ** 2 + (y - mass.center[1]) ** 2
            more = 1 + ((ax * ax + ay * ay) / (STEEP**2 * (square + CORE**2))) ** FALL
        ends_x, ends_y = ends_x - more * ax, ends_y - more * ay
    return ends_x, ends_y


def lensed_image(
    model: LensModel, coefficients: jax.Array, x: jax.Array, y: jax.Array, pixels: jax.Array, shape: tuple[int, int]
) -> jax.Array:
    """The source of coefficients (S,) as it is lensed, before the instrument: an image of a shape (H, W), zero but at
    the pixels (E,) whose rays start at x, y (E, Q) [arcsec]."""
    source, _ = pixels_of(model)
    square = coefficients.reshape(source.pixels, -1)
    values = brightness_of(source, square, *ray_ends(model, x, y)).mean(-1)
    return jnp.zeros(shape[0] * shape[1]).at[pixels].set(values).reshape(shape)


def reconstruction(
    model: LensModel, source: PixelSource, found: Solution, seen: tuple[Seen, ...], image_flux: jax.Array
) -> Reconstruction:
    """Put together; `image_flux` is brightness times arcsec^2 of the lensed source."""
    n, order = source.pixels, source.order
    nodes = jnp.arange(n) - (n - 1) / 2
    x, y = source.center_x + source.step * nodes, source.center_y + source.step * nodes
    coefficients, amplitudes = found.s[: n * n].reshape(n, n), amplitudes_of(found, source, model)
    spread = found.covariance()
    column, row = (axis.reshape(-1, 1) for axis in jnp.meshgrid(jnp.arange(n) * 1.0, jnp.arange(n) * 1.0))
    indices, weights = by_xla(n, order, column, row)
    pairs = spread[indices[:, :, None], indices[:, None]]
    variance = jnp.einsum("ma,mb,mab->m", weights, weights, pairs)
    source_flux = jnp.sum(coefficients) * source.step**2
    return Reconstruction(
        coefficients=coefficients,
        x=x,
        y=y,
        brightness=jnp.sum(weights * coefficients.ravel()[indices], -1).reshape(n, n),
        deviation=jnp.sqrt(jnp.maximum(variance, 0.0)).reshape(n, n),
        amplitudes=amplitudes,
        amplitude_deviations=jnp.sqrt(jnp.diagonal(spread)[n * n : n * n + len(amplitudes)]),
        magnification=image_flux / source_flux,
        source_flux=source_flux,
        seen=seen,
        model=model.filled(amplitudes),
        solution=found,
    )


def pixels_of(model: LensModel) -> tuple[PixelSource, LensModel]:
    """The source on pixels, and the model without it.

    Raises:
        ModelError: there is none, or more than one, or it cannot be solved for.
    """
    found = model.pixels()
    if len(found) != 1:
        raise ModelError(
            f"the model has {len(found)} sources on pixels{': ' if found else ''}{', '.join(found)}; a pixel "
            "likelihood needs exactly one PixelSource in `source`"
        )
    for name, source in found.items():
        check_source(source, f"source.{name}")
    return next(iter(found.values())), model.without_pixels()


def amplitudes_of(found: Solution, source: PixelSource, model: LensModel) -> jax.Array:
    """The `Solved` amplitudes (K,) of a model in the solution for it: behind the source's coefficients."""
    first = source.pixels**2
    return found.s[first : first + len(model.positive())]


def columns_of(data: Any, model: LensModel) -> jax.Array:
    """`columns(model)` (K, H, W) of a likelihood of images or visibilities, with derivatives."""
    count = len(model.positive()) - isinstance(model.sky, Solved)
    formula, numbers = as_formula(model, LensModel.solved_shapes)
    columns = [_column(data, formula, numbers, k) for k in range(count)]
    if isinstance(model.sky, Solved):
        columns.append(data.inverse_noise)
    return jnp.stack(columns) if columns else jnp.zeros((0, *data.shape))


def _column(data: Any, formula: Any, numbers: list[Any], k: int) -> jax.Array:
    return data.whiten(surface(lambda values, x, y: formula(values, x, y)[k], numbers, data.grid))
