"""What can be wrong with a model whose tables are all in order."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import ModelError
from lensfit.inversion.regularisation import check_source
from lensfit.priors import Part, Prior, Solved
from lensfit.profiles import LightProfile, PixelSource
from lensfit.pytree import replace
from lensfit.space import Space


def check_lists(profile: Any, where: str) -> None:
    """Raise ModelError where a profile has a list for a number or a number for a list."""
    if isinstance(profile, PixelSource):
        check_source(profile, where)
        return
    leaves = {f.name: getattr(profile, f.name) for f in dataclasses.fields(profile)}
    try:
        with jax.enable_x64(True):
            good = _is_evaluable(profile, leaves)
    except (TypeError, ValueError, IndexError):
        good = False
    if not good:
        lists = [name for name, value in leaves.items() if np.ndim(value)]
        raise ModelError(
            f"{where}: {type(profile).__name__} cannot be evaluated with lists for "
            f"{', '.join(lists) or 'nothing'}; give a number where it has one and a list where it has several"
        )


def _is_evaluable(profile: Any, leaves: dict[str, Any]) -> bool:
    free = (Prior, Part, Solved)
    numbers = {n: np.array(0.5) if isinstance(v, free) else np.asarray(v) for n, v in leaves.items()}
    method = "deflection"
    if isinstance(profile, LightProfile):
        count = replace(profile, **numbers).count
        expected = () if count == 1 else (count,)
        if not isinstance(leaves[profile.amplitude], Solved) and numbers[profile.amplitude].shape != expected:
            return False
        numbers[profile.amplitude] = np.ones(expected)
        method = "brightness"
    images = jax.eval_shape(getattr(replace(profile, **numbers), method), 0.3, 0.4)
    return all(image.shape == () for image in jax.tree.leaves(images))


def check_priors(space: Space) -> None:
    """Raise ModelError where a prior is no distribution, as with a width of zero or low above high."""
    with jax.enable_x64(True):
        middle, slopes = _at_middle(space)
    good = np.isfinite(middle) & (np.diag(slopes) > 0)
    bad = [name for name, fine in zip(space.names, good, strict=True) if not fine]
    if bad:
        raise ModelError(
            f"{bad[0]}: its prior is no distribution; give positive widths, low < high (above 0 if "
            "logarithmic), and a centre inside"
        )


@jax.jit
def _at_middle(space: Space) -> tuple[jax.Array, jax.Array]:
    """theta at z = 0, and its derivatives (ndim, ndim)."""
    z = jnp.zeros(space.ndim)
    return space.to_theta(z), jax.jacfwd(space.to_theta)(z)
