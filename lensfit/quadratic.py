"""Linear amplitudes solved exactly: chi2(a) = a^T G a - 2 a^T b + c, with a >= 0 where asked."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.pytree import pytree

RIDGE = 1e-11
"""Share of each amplitude's own curvature added before a solve: two columns may be the same image."""

STEPS = 10
"""Steps of the active set for each amplitude; two or three are the rule."""


@pytree
class Quadratic:
    """chi2 as a function of the amplitudes a (K,): `gram` G (K, K), `projection` b (K,), `constant` c."""

    gram: jax.Array
    projection: jax.Array
    constant: jax.Array

    @classmethod
    def of(cls, columns: jax.Array, target: jax.Array) -> Quadratic:
        """From whitened columns (K, ...) and a whitened target (...)."""
        flat = columns.reshape(columns.shape[0], -1)
        y = target.ravel()
        return cls(gram=flat @ flat.T, projection=flat @ y, constant=y @ y)

    def chi2(self, amplitudes: jax.Array) -> jax.Array:
        """chi2 at the amplitudes (K,)."""
        return amplitudes @ (self.gram @ amplitudes) - 2 * amplitudes @ self.projection + self.constant

    def solve(self, positive: jax.Array | np.ndarray) -> jax.Array:
        """The amplitudes (K,) of least chi2, those flagged in positive (K,) kept >= 0.

        Active-set method of Lawson & Hanson (1974) on the normal equations, started with every column in
        use; those that come out negative are dropped together. A column that is zero gets amplitude zero.
        """
        diagonal = jnp.diagonal(self.gram)
        scale = jnp.where(diagonal > 0, 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0)), 0.0)
        gram = self.gram * scale * scale[:, None]
        return _non_negative(gram, self.projection * scale, jnp.asarray(positive), diagonal > 0) * scale


def _non_negative(gram: jax.Array, b: jax.Array, positive: jax.Array, usable: jax.Array) -> jax.Array:
    """Minimise x^T gram x - 2 x^T b with x >= 0 where positive, over the usable entries; NaN if STEPS for each
    entry are too few to find it."""
    size = b.shape[0]
    tolerance = 1e-10 * (jnp.max(jnp.abs(b)) + 1e-300)

    def least(passive: jax.Array) -> jax.Array:
        both = passive[:, None] & passive[None]
        matrix = jnp.where(both, gram, 0.0) + jnp.diag(jnp.where(passive, RIDGE, 1.0))
        return jnp.linalg.solve(matrix, jnp.where(passive, b, 0.0))

    def step(state: Any) -> Any:
        passive, x, count, _ = state
        new = least(passive)
        bad = passive & positive & (new <= 0)
        ratio = jnp.where(bad, x / jnp.where(bad & (x > new), x - new, 1.0), jnp.inf)
        share = jnp.minimum(jnp.min(ratio), 1.0)
        inside = ~jnp.any(bad)
        moved = jnp.where(inside, new, x + share * (new - x))
        kept = passive & ~(bad & (ratio <= share))
        pull = jnp.where(usable & ~kept, b - gram @ moved, -jnp.inf)
        best = jnp.argmax(pull)
        add = inside & (pull[best] > tolerance)
        grown = kept | (add & (jnp.arange(size) == best))
        moved = jnp.where(grown, moved, 0.0)
        return grown, moved, count + 1, inside & ~add

    state = (usable, jnp.zeros(size), 0, jnp.asarray(False))
    end = lax.while_loop(lambda s: ~s[3] & (s[2] < STEPS * size), step, state)
    return jnp.where(end[3], end[1], jnp.nan)
