"""Gaussian light, and a sum of Gaussians that share centre and ellipticity."""
from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lensfit.profiles.base import LightProfile, parameter
from lensfit.profiles.shared_formulae import radius_squared
from lensfit.pytree import pytree


def gaussian(x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, sigma: Any) -> Any:
    """I / I_0 = exp{-R^2 / (2 sigma^2)}, R circularised. Dimensionless."""
    return jnp.exp((-0.5 / (sigma * sigma)) * radius_squared(x, y, center_x, center_y, e1, e2))


def multi_gaussian(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, sigmas: Any
) -> tuple[Any, ...]:
    """The unit Gaussians of a multi-Gaussian expansion (Emsellem et al. 1994), one for each of sigmas (K,)."""
    square = radius_squared(x, y, center_x, center_y, e1, e2)
    return tuple(jnp.exp((-0.5 / (sigmas[k] * sigmas[k])) * square) for k in range(sigmas.shape[0]))


@pytree
class Gaussian(LightProfile):
    """Elliptical Gaussian; `intensity` is the central brightness, `sigma` the circularised width."""

    formula = staticmethod(gaussian)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    intensity: Any = parameter("data unit", "I_0", "amplitude")
    sigma: Any = parameter("arcsec", r"\sigma", "radius")


@pytree
class MultiGaussian(LightProfile):
    """Gaussians of fixed widths `sigmas` (K,) with one centre and ellipticity; `intensity` is (K,)."""

    formula = staticmethod(multi_gaussian)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    intensity: Any = parameter("data unit", "I_k", "amplitude")
    sigmas: Any = parameter("arcsec", r"\sigma_k", "radius")

    @property
    def count(self) -> int:
        return len(self.sigmas)
