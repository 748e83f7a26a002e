"""NFW halo, its ellipticity in the mass: a sum of cored ellipsoids whose deflection is closed.

With X = R / r_s the round profile is kappa = alpha_rs / (2 r_s (1 - ln 2)) times the integral of
2 s^2 / (1 + s^2) (s^2 + X^2)^(-3/2) ds over all cores s: the Stieltjes transform of 2 / (1 + sqrt X). The cores follow
one another by a factor; such a sum errs by exp(-pi^2 / ln(factor)) (Oguri 2021 fitted 44 terms to 1e-4).
"""
from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from lensfit.profiles.base import MassProfile, parameter
from lensfit.profiles.shared_formulae import log, quadratic_form
from lensfit.pytree import pytree

_FACTORS = (
    1.84306419, 1.04156099, 0.868857963, 1.05733977, 0.975747018, 1.01288174, 0.991557291, 1.00634487,
    0.994844504, 1.004359, 0.996255396, 1.00321772, 0.997265596, 1.00227585, 0.998162932, 1.00142366,
    0.998951255, 1.00073291, 0.999505039, 1.00034161, 0.999738546, 1.00022374, 0.999812551, 1.00010308,
    1.00007059, 0.999612644, 1.00104475, 0.997112408, 1.00969768, 0.969212532, 0.977755004, 1.7145395,
)  # by which the weights differ from the trapezoidal rule's; tests/reference/make_nfw_table.py
ERROR = 1e-6
"""Largest relative error of the convergence and of its mean inside a radius, from 1e-4 to 100 scale radii."""

_CORES = np.geomspace(10**-4.6, 10**2.6, len(_FACTORS))
_WEIGHTS = np.array(_FACTORS) * math.log(_CORES[1] / _CORES[0]) * _CORES**3 / (1 + _CORES**2)
TERMS = [(float(s), float(w)) for s, w in zip(_CORES, _WEIGHTS, strict=True)]
"""Core and weight of each ellipsoid w (s^2 + X^2)^(-3/2)."""


def _strength(scale_radius: Any, alpha_rs: Any) -> Any:
    return alpha_rs / (2 * (1 - math.log(2)) * scale_radius)


def _scaled(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, scale_radius: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """The point in scale radii, half the gradient of R^2 there, and q + 1/q."""
    a, b, c = quadratic_form(e1, e2)
    u, v = (x - center_x) / scale_radius, (y - center_y) / scale_radius
    return u, v, a * u + (0.5 * b) * v, (0.5 * b) * u + c * v, a + c


def nfw(
    x: Any, y: Any, center_x: Any, center_y: Any, e1: Any, e2: Any, scale_radius: Any, alpha_rs: Any
) -> tuple[Any, Any]:
    """Deflection [arcsec]; that of one ellipsoid is the gradient of ln(L) / s, L = r^2 + 2 s rho + (q + 1/q) s^2.

    rho^2 = s^2 + R^2 (Keeton & Kochanek 1998, in components of the ellipticity): neither an angle nor a case at e = 0.
    """
    u, v, mu, mv, both = _scaled(x, y, center_x, center_y, e1, e2, scale_radius)
    near, far = u * u + v * v, u * mu + v * mv
    one = two = 0.0
    for s, w in TERMS:
        rho = jnp.sqrt(far + s * s)
        part = w / (rho * (near + (2 * s) * rho + (s * s) * both))
        one, two = one + (1 / s) * rho * part, two + part
    scale = 2 * _strength(scale_radius, alpha_rs) * scale_radius
    return scale * (one * u + two * mu), scale * (one * v + two * mv)


@pytree
class NFW(MassProfile):
    """Elliptical NFW halo (Navarro, Frenk & White 1997) with radii on the intermediate axis.

    `alpha_rs` is the deflection that the round halo has at `scale_radius`, as in lenstronomy.
    """

    formula = staticmethod(nfw)

    center_x: Any = parameter("arcsec", "x", "center_x")
    center_y: Any = parameter("arcsec", "y", "center_y")
    e1: Any = parameter("", "e_1", "e1")
    e2: Any = parameter("", "e_2", "e2")
    scale_radius: Any = parameter("arcsec", r"r_\mathrm{s}", above=0.0)
    alpha_rs: Any = parameter("arcsec", r"\alpha_{r_\mathrm{s}}", "strength")

    def _point(self, x: Any, y: Any) -> tuple[Any, Any, Any, Any, Any]:
        return _scaled(x, y, self.center_x, self.center_y, self.e1, self.e2, self.scale_radius)

    def convergence(self, x: Any, y: Any) -> Any:
        """kappa, the sum of the ellipsoids': within `ERROR` of the closed profile."""
        u, v, mu, mv, _ = self._point(x, y)
        square = u * mu + v * mv
        total = sum(w * (square + s * s) ** -1.5 for s, w in TERMS)
        return _strength(self.scale_radius, self.alpha_rs) * total

    def potential(self, x: Any, y: Any) -> Any:
        """psi [arcsec^2], 0 at the centre."""
        u, v, mu, mv, both = self._point(x, y)
        near, far = u * u + v * v, u * mu + v * mv
        total = 0.0
        for s, w in TERMS:
            whole = near + (2 * s) * jnp.sqrt(far + s * s) + (s * s) * both
            total = total + (w / s) * log(whole / ((s * s) * (2 + both)))
        return _strength(self.scale_radius, self.alpha_rs) * self.scale_radius * self.scale_radius * total
