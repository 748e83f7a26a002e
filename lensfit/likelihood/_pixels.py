"""What the likelihoods of sources on pixels share."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lensfit.errors import ModelError
from lensfit.inversion.evidence import Solution
from lensfit.inversion.regularisation import check_source
from lensfit.likelihood._numbers import with_numbers
from lensfit.model import LensModel
from lensfit.priors import Solved
from lensfit.profiles import PixelSource
from lensfit.surface import surface

WIDTH = 100.0
"""Standard deviation of the prior of a `Solved` amplitude of lens light or sky, over the largest datum."""


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


def amplitudes_of(found: Solution, model: LensModel) -> jax.Array:
    """The `Solved` amplitudes (K,) of a model in the solution for it: behind the source's coefficients."""
    return found.s[len(found.s) - len(model.positive()) :]


def columns_of(data: Any, model: LensModel) -> jax.Array:
    """`columns(model)` (K, H, W) of a likelihood of images or visibilities, with derivatives."""
    count = len(model.positive()) - isinstance(model.sky, Solved)
    formula, numbers = with_numbers(model, LensModel.solved_shapes)
    columns = [_column(data, formula, numbers, k) for k in range(count)]
    if isinstance(model.sky, Solved):
        columns.append(data.inverse_noise)
    return jnp.stack(columns) if columns else jnp.zeros((0, *data.shape))


def _column(data: Any, formula: Any, numbers: list[Any], k: int) -> jax.Array:
    return data.whiten(surface(lambda values, x, y: formula(values, x, y)[k], numbers, data.grid))
