"""Steps of blackjax's no-U-turn sampler, and what is learnt from them: step size and metric."""
from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.errors import FitError
from lensfit.problem import log_posterior

OLD_METRIC = 1
"""Draws that the metric so far counts for when the next one is learnt."""
FIRST_STEP = 0.5
"""Step size before it is adapted, in standard deviations of the metric."""


def fresh() -> np.ndarray:
    """State (5,) of a dual averaging that has not begun; the second is the averaged ln step size."""
    from blackjax.adaptation.step_size import dual_averaging_adaptation

    return np.array(dual_averaging_adaptation(0.8)[0](FIRST_STEP), float)


@partial(jax.jit, static_argnames=("count", "max_doublings"))
def walk(
    space: Any, likelihood: Any, z: Any, factor: Any, adaptation: Any, key: Any, target: Any, adapting: Any, *,
    count: int, max_doublings: int,
) -> tuple[Any, ...]:
    """`count` steps from z (n,): the adaptation after them, and of each z, slope, ln posterior, divergence, gradients.

    It walks in x, where a point is the start plus factor x; slopes are those along x. The step size is adapted
    where `adapting`, else it is the average that the adaptation came to.
    """
    import blackjax
    from blackjax.adaptation.step_size import DualAveragingAdaptationState, dual_averaging_adaptation

    def density(x: jax.Array) -> jax.Array:
        return log_posterior(space, likelihood, z + factor @ x)

    _, update, _ = dual_averaging_adaptation(target)
    kernel = blackjax.nuts.build_kernel()
    identity = jnp.ones(len(z))

    def step(carry: Any, key: Any) -> Any:
        state, adaptation = carry
        size = jnp.exp(jnp.where(adapting, adaptation[0], adaptation[1]))
        state, info = kernel(key, state, density, size, identity, max_doublings)
        new = jnp.stack([jnp.asarray(v, float) for v in update(
            DualAveragingAdaptationState(*adaptation), info.acceptance_rate)])  # fmt: skip
        made = (z + factor @ state.position, state.logdensity_grad, state.logdensity, info.is_divergent,
                info.num_integration_steps)  # fmt: skip
        return (state, jnp.where(adapting, new, adaptation)), made

    begin = (blackjax.nuts.init(jnp.zeros_like(z), density), jnp.asarray(adaptation))
    (_, adaptation), made = jax.lax.scan(step, begin, jax.random.split(key, count))
    return adaptation, *made


def learnt(factor: np.ndarray, z: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Factor (n, n) of the metric that draws z (S, n) and slopes (S, n), along x of the old factor, ask for.

    A normal posterior of covariance A in x has, whatever the draws are, A G A = C between the covariances C of
    the draws and G of the slopes. So A is taken for the geometric mean of C and the inverse of G: the least
    Fisher divergence (Seyboldt, Carlson & Carpenter 2026). C alone would need many more draws. Both count the old
    metric as one draw more; with five draws a parameter variances are right within a third.

    Raises:
        FitError: the slopes differ by more than double precision can tell apart.
    """
    draws, axes = _half(np.linalg.solve(factor, (z - z.mean(axis=0)).T).T)
    steep, directions = _half(slopes - slopes.mean(axis=0))
    root, inverse = directions * steep @ directions.T, directions / steep @ directions.T
    _, between, rows = np.linalg.svd((axes * draws @ axes.T) @ root)
    mean = inverse @ (rows.T * between @ rows) @ inverse
    try:
        return factor @ np.linalg.cholesky(0.5 * (mean + mean.T))
    except np.linalg.LinAlgError as error:
        raise FitError(
            f"nuts: no metric fits the warm-up, where slopes of ln posterior go up to {abs(slopes).max():.2g} per "
            "standard deviation of the last metric; start from the optimum that `staged` finds, or raise warmup"
        ) from error


def _half(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (n,) and axes (n, n), in columns, of the root of the covariance of rows (S, n) about zero."""
    count, width = rows.shape
    with_old = np.concatenate([rows, np.sqrt(OLD_METRIC) * np.eye(width)])
    _, values, axes = np.linalg.svd(with_old, full_matrices=False)
    return values / np.sqrt(count + OLD_METRIC), axes.T
