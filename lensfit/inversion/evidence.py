"""ln evidence of a pixelised source (Suyu et al. 2006), with the amplitudes of light integrated out as well."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lensfit.errors import ModelError
from lensfit.inversion.regularisation import regularisation
from lensfit.inversion.solve import covariance, log_determinant, solve
from lensfit.native import Engine
from lensfit.profiles import PixelSource
from lensfit.pytree import pytree


@pytree
class Normal:
    """What data say of the unknowns s (N,): chi2(s) = s^T F s - 2 s^T D + constant; `log_norm` makes it ln L.

    Several datasets of one source add up.
    """

    curvature: jax.Array
    vector: jax.Array
    constant: jax.Array
    log_norm: jax.Array

    def plus(self, other: Normal) -> Normal:
        """Of both datasets."""
        return jax.tree.map(jnp.add, self, other)


@pytree
class Solution:
    """The most probable s (N,), S source coefficients and then K amplitudes, and what ln evidence is made of.

    ln evidence = -1/2 (chi2 + penalty + log_det_system - log_det_prior) + log_norm; the penalty is
    lambda s^T C s and for each amplitude its square over that of its prior's width. `system` (N, N) is
    F + lambda C, `moving` (N,) what s >= 0 does not hold at zero.
    """

    s: jax.Array
    moving: jax.Array
    system: jax.Array
    chi2: jax.Array
    penalty: jax.Array
    log_det_system: jax.Array
    log_det_prior: jax.Array
    log_norm: jax.Array
    log_evidence: jax.Array

    def covariance(self) -> jax.Array:
        """Posterior covariance (N, N) of s, zero for what does not move."""
        return covariance(self.system, self.moving)


def solution(normal: Normal, source: PixelSource, width: Any, positive: np.ndarray, engine: Engine) -> Solution:
    """Solve for the source and K amplitudes of light, normal a priori about zero with standard deviation `width`.

    Args:
        positive: (K,) whether each amplitude is kept >= 0.

    Raises:
        ModelError: the system is not positive definite; the pixels that no datum constrains are named. Inside a
            compiled program that cannot be said: ln evidence is NaN.
    """
    held, lights, size = regularisation(source), len(positive), source.pixels**2
    light = np.arange(size, size + lights)
    system = held.plus(normal.curvature).at[light, light].add(width**-2.0)
    flags = (source.positive,) * size + tuple(bool(p) for p in positive)
    s, moving, log_det_system = solve(system, normal.vector, flags, lights, engine)
    log_det_prior = held.log_det
    if source.positive:
        matrix = held.plus(jnp.zeros((size, size)))
        log_det_prior = log_determinant(matrix, moving[:size], engine)
    log_det_prior -= 2 * lights * jnp.log(width)
    total = normal.constant - s @ normal.vector  # s (A s - D) = 0, held or not
    penalty = held.penalty(s[:size]) + jnp.sum((s[size:] / width) ** 2)
    log_evidence = -0.5 * (total + log_det_system - log_det_prior) + normal.log_norm
    _check(log_evidence, normal.curvature, source)
    return Solution(
        s=s, moving=moving, system=system, chi2=total - penalty, penalty=penalty, log_det_system=log_det_system,
        log_det_prior=log_det_prior, log_norm=normal.log_norm, log_evidence=log_evidence,
    )


def _check(log_evidence: jax.Array, curvature: jax.Array, source: PixelSource) -> None:
    if isinstance(log_evidence, Tracer) or np.isfinite(log_evidence):
        return
    seen = np.diag(np.asarray(curvature))[: source.pixels**2]
    if not np.all(np.isfinite(seen)):
        raise ModelError("ln evidence is not finite: a ray of the lens model is not (NaN in the deflection)")
    dark = [divmod(int(k), source.pixels) for k in np.flatnonzero(seen <= 0)]
    named = ", ".join(map(str, dark[:8])) + (", ..." if len(dark) > 8 else "")
    raise ModelError(
        f"the system of the pixelised source is not positive definite at strength {float(source.strength):.3g}: "
        f"no datum constrains {len(dark)} of its {source.pixels**2} pixels{' (row, column) ' if dark else ''}{named}. "
        "Raise the strength, or make half_width smaller"
    )
