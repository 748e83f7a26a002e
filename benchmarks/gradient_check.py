"""Gradient of ln L against finite differences at draws of the prior.

    python benchmarks/gradient_check.py [draws]

The standard 25-parameter model on a small mock. A derivative is compared with central differences of fourth
order along each parameter, for three step sizes from 1e-3 to 1e-5 of the prior's width at the draw, of which
the nearest counts: where a cusp lies between two points of a difference, the larger steps are wrong. The
difference of two ln L is summed over the pixels as (r- - r+)(r- + r+)/2, which does not lose digits where
chi2 is 1e12. Parameters are in widths of the prior.
"""
from __future__ import annotations

import sys
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from lensfit.datasets import Imaging  # noqa: E402
from lensfit.likelihood.imaging import ImagingLikelihood  # noqa: E402
from lensfit.problem import Problem  # noqa: E402
from lensfit.standard import parametric  # noqa: E402

STEPS = 10.0 ** np.array([-3.0, -4.0, -5.0])


def mock(shape: tuple[int, int] = (40, 44), scale: float = 0.1) -> Imaging:
    """A ring about a round galaxy: enough for the priors to find their scales."""
    y, x = (scale * (np.indices(shape)[k] - (shape[k] - 1) / 2) for k in (0, 1))
    radius = np.hypot(x, y)
    image = 3 * np.exp(-radius / 0.3) + np.exp(-0.5 * ((radius - 1.1) / 0.15) ** 2) * (1 + 0.5 * x)
    noise = 0.03 * np.sqrt(1 + image)
    t = np.arange(-3, 4)
    psf = np.exp(-0.5 * (t**2 + (t[:, None] - 0.2) ** 2) / 1.1**2)
    data = image + noise * np.random.default_rng(1).standard_normal(shape)
    return Imaging.from_arrays(data, noise, psf, pixel_scale=scale).circular_mask(1.9)


@jax.jit
def _differences(space, likelihood, theta, widths, step):
    """Central differences (n,) of ln L along each parameter, in units of `widths` (n,)."""

    def residuals(move):
        return likelihood.residuals(space.build(theta + move * widths))

    def along(k):
        unit = step * jnp.eye(space.ndim)[k]
        r = [residuals(m * unit) for m in (1, -1, 2, -2)]
        near, far = (0.5 * jnp.sum((r[i + 1] - r[i]) * (r[i + 1] + r[i])) for i in (0, 2))
        return (8 * near - far) / (12 * step)

    return jax.lax.map(along, jnp.arange(space.ndim))


@jax.jit
def _widths(space, z):
    return jnp.abs(jnp.diagonal(jax.jacfwd(space.to_theta)(z)))


def check(problem: Problem, z: np.ndarray) -> np.ndarray:
    """Relative errors at one draw z (n,), of the gradient as a vector and of its worst component.

    A component below a millionth of the largest is compared with that; NaN where anything is not finite.
    """
    theta, widths = problem.to_theta(z), _widths(problem.space, z)
    value, gradient = problem.value_and_grad(theta)
    gradient = np.asarray(gradient * widths)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return np.array([np.nan, np.nan])
    numeric = [_differences(problem.space, problem.likelihood, theta, widths, step) for step in STEPS]
    error = np.abs(np.asarray(numeric) - gradient).min(0)
    size = np.maximum(np.abs(gradient), 1e-6 * np.abs(gradient).max())
    return np.array([np.linalg.norm(error) / np.linalg.norm(gradient), (error / size).max()])


def run(draws: int, seed: int = 0) -> np.ndarray:
    """Errors (draws, 2): of the gradient as a vector, and of its worst component."""
    imaging = mock()
    problem = Problem(parametric(imaging), ImagingLikelihood.of(imaging, 4))
    points = np.random.default_rng(seed).standard_normal((draws, problem.ndim))
    return np.array([check(problem, z) for z in points])


if __name__ == "__main__":
    started = time.perf_counter()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    errors = run(count)
    finite = np.isfinite(errors).all(1)
    print(f"{count} draws of the prior, 25 parameters, {time.perf_counter() - started:.0f} s")
    print(f"finite value and gradient: {finite.sum()} of {count}")
    for name, column in zip(("gradient as a vector", "worst component"), errors[finite].T, strict=True):
        print(f"{name}: median {np.median(column):.1e}, 99 % below {np.quantile(column, 0.99):.1e}, "
              f"worst {column.max():.1e}")
