"""What a profile stands for: its mass makes its deflection, its effective radius holds half of its light."""

import dataclasses

import family
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammainc

from lensfit import profiles
from lensfit.profiles import SIE, Exponential, Gaussian, MultiGaussian, Sersic
from lensfit.profiles.sersic import sersic_b
from lensfit.profiles.sie import CORE

SOFTENED = {"sie", "epl", "sis", "dpie", "point_mass", "multipole1", "multipole3", "multipole4"}
"""Masses whose formulae have a core of `CORE`."""
ROUND = {"center_x": 0.0, "center_y": 0.0, "e1": 0.0, "e2": 0.0}


@pytest.mark.parametrize("name", family.MASSES)
@given(data=st.data())
@settings(max_examples=60)
def test_mass_makes_the_deflection(name, data):
    vector = data.draw(family.drawn(name))
    first, _ = family.derivatives(name, vector)
    (xx, xy), (yx, yy) = np.asarray(first[0])[:, :2]
    profile = family.FAMILY[name][0](**dict(zip(family.fields(name), vector[2:], strict=True)))
    size = np.hypot(np.hypot(xx, yy), xy)
    core = 4 * (CORE / np.hypot(*(vector[:2] - vector[2:4]))) ** 2 if name in SOFTENED else 0.0
    assert abs(xx + yy - 2 * profile.convergence(*vector[:2])) <= (1e-10 + core) * size, "div alpha = 2 kappa"
    assert abs(xy - yx) <= (1e-10 + core) * size, "curl alpha = 0"
    value, (psi, slope, curvature) = family.values(name, vector), family.potentials(name, vector)
    reach = np.hypot(*value[0])
    soft = core * 4  # an EPL's potential feels it more, as 1 / (3 - slope)
    np.testing.assert_allclose(slope[0], value[0], rtol=0, atol=(1e-10 + soft) * reach)
    np.testing.assert_allclose(curvature[0], first[0][:, :2], rtol=0, atol=(1e-9 + soft) * size)
    assert np.isfinite(psi).all()
    if name == "sie":
        kappa = profile.convergence(*vector[:2])
        inverse = (1 - xx) * (1 - yy) - xy * yx
        assert inverse == pytest.approx(1 - 2 * kappa, abs=(1e-9 + core) * (1 + size) ** 2)


def test_critical_curve_of_the_sie_holds_the_area_of_the_einstein_radius():
    e1, e2, theta = -0.2, 0.15, 1.3
    e, phi, t = np.hypot(e1, e2), 0.5 * np.arctan2(e2, e1), np.linspace(0, 2 * np.pi, 12)
    q = (1 - e) / (1 + e)
    u, v = theta * np.cos(t) / np.sqrt(q), theta * np.sin(t) * np.sqrt(q)  # area pi theta^2
    x, y = u * np.cos(phi) - v * np.sin(phi), u * np.sin(phi) + v * np.cos(phi)
    sie = SIE(center_x=0.0, center_y=0.0, e1=e1, e2=e2, einstein_radius=theta)
    np.testing.assert_allclose(sie.convergence(x, y), 0.5, rtol=1e-10)
    shape = {"center_x": 0.0, "center_y": 0.0, "e1": e1, "e2": e2, "einstein_radius": theta}
    vectors = [family.numbers("sie", x=a, y=b, **shape) for a, b in zip(x, y, strict=True)]
    slopes = np.eye(2) - family.derivatives("sie", vectors)[0][:, :, :2]
    np.testing.assert_allclose(np.linalg.det(slopes), 0, atol=1e-9)


def flux(profile, e1, e2, radius=np.inf):
    """Integral of the brightness over the plane, or inside the ellipse of that circularised radius."""
    e, phi = np.hypot(e1, e2), 0.5 * np.arctan2(e2, e1)
    q = (1 - e) / (1 + e)
    angle = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    edge = radius / np.sqrt(q * np.cos(angle - phi) ** 2 + np.sin(angle - phi) ** 2 / q)

    def ring(s):  # r = edge s^3, fine near the cusp; for the plane r = s^3 / (1 - s)^3
        inside = np.isfinite(radius)
        reach = edge if inside else np.ones_like(angle)
        r = reach * (s if inside else s / (1 - s)) ** 3
        slope = reach * 3 * s**2 / (1.0 if inside else (1 - s) ** 4)
        light = profile.brightness(r * np.cos(angle), r * np.sin(angle))
        return 2 * np.pi * np.mean(np.asarray(light) * r * slope)

    return quad(ring, 0, 1, epsabs=0, epsrel=1e-10, limit=400)[0]


SHAPES = [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.25)]


@pytest.mark.parametrize("n", [0.36, 0.5, 1.0, 2.5, 4.0, 8.0])
def test_half_of_sersic_light_is_inside_the_effective_radius(n):
    profile = Sersic(**ROUND | {"e1": -0.2, "e2": 0.25}, intensity=2.0, effective_radius=0.7, sersic_index=n)
    half = flux(profile, -0.2, 0.25, radius=0.7) / flux(profile, -0.2, 0.25)
    assert half == pytest.approx(gammainc(2 * n, sersic_b(n)), abs=1e-8)
    error = {0.36: 5e-3, 0.5: 5e-4}.get(n, 2e-5)  # of the series for b_n (Ciotti & Bertin 1999)
    assert half == pytest.approx(0.5, abs=error)


@pytest.mark.parametrize("kind", ["exponential", "gaussian", "multi_gaussian", "sersic"])
def test_flux_does_not_depend_on_ellipticity(kind):
    cls, own = family.FAMILY[kind]
    own = {key: np.asarray(value) for key, value in own.items() if "center" not in key}
    intensity = np.array([1.0, 0.5, 0.2]) if kind == "multi_gaussian" else 1.5
    totals = [flux(cls(**ROUND | {"e1": a, "e2": b}, intensity=intensity, **own), a, b) for a, b in SHAPES]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-8)
    if kind == "gaussian":
        assert totals[0] == pytest.approx(2 * np.pi * own["sigma"] ** 2 * intensity, rel=1e-8)
    if kind == "exponential":
        b = 2 - 1 / 3 + 4 / 405 + 46 / 25515 + 131 / 1148175 - 2194697 / 30690717750
        expected = 2 * np.pi * intensity * np.exp(b) * (own["effective_radius"] / b) ** 2
        assert totals[0] == pytest.approx(expected, rel=1e-8)


def test_relations_within_the_family():
    x, y = np.random.default_rng(0).normal(0, 1, (2, 50))
    shape = {"center_x": 0.1, "center_y": -0.2, "e1": 0.2, "e2": -0.1}
    exponential = Exponential(**shape, intensity=2.0, effective_radius=0.7)
    sersic = Sersic(**shape, intensity=2.0, effective_radius=0.7, sersic_index=1.0)
    np.testing.assert_allclose(exponential.brightness(x, y), sersic.brightness(x, y), rtol=1e-12)

    sigmas, amplitudes = np.array([0.3, 0.8, 2.0]), np.array([3.0, 1.0, 0.2])
    together = MultiGaussian(**shape, intensity=amplitudes, sigmas=sigmas)
    alone = [Gaussian(**shape, intensity=a, sigma=s) for a, s in zip(amplitudes, sigmas, strict=True)]
    np.testing.assert_allclose(together.brightness(x, y), sum(g.brightness(x, y) for g in alone), rtol=1e-12)
    assert together.count == 3 and len(together.shapes(0.0, 0.0)) == 3

    center = Sersic(**shape, intensity=2.0, effective_radius=0.7, sersic_index=0.5).brightness(0.1, -0.2)
    series = 2 * np.log(2) / 2  # exact b of n = 1/2, the Gaussian
    assert center == pytest.approx(2 * np.exp(series), rel=1e-3)


def test_every_profile_is_tried():
    bases = (profiles.LightProfile, profiles.MassProfile)  # the mesh of a PixelSource: tests/inversion
    classes = {c for c in vars(profiles).values() if isinstance(c, type) and issubclass(c, bases)}
    final = {c for c in classes if dataclasses.is_dataclass(c)}
    assert final == {cls for cls, _ in family.FAMILY.values()}
    for cls in final:
        told = {"unit", "symbol", "role", "above", "typical"}
        assert all(set(field.metadata) == told for field in dataclasses.fields(cls))
