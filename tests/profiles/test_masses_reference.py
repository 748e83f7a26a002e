"""Masses against lenstronomy and against integrals of their convergence (tests/reference/make_masses.py)."""

import functools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from lensfit import profiles
from lensfit.profiles.epl import CORE
from lensfit.profiles.nfw import ERROR

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "masses.json").read_text())
KINDS = sorted({case["profile"] for case in REFERENCE["cases"] if "lenstronomy" in case})
INTEGRATED = sorted({case["profile"] for case in REFERENCE["cases"] if "integral" in case})


@functools.cache
def _compiled(kind):
    return jax.jit(jax.vmap(lambda mass, x, y: (*mass.deflection(x, y), mass.convergence(x, y), mass.potential(x, y))))


def compared(kind, code):
    """Our rows, theirs, and the distances from the centre, of all points of a profile's cases."""
    cases = [c for c in REFERENCE["cases"] if c["profile"] == kind and code in c]
    cls = getattr(profiles, kind)
    masses = [cls(**c["parameters"]) for c in cases for _ in c["x"]]
    stacked = jax.tree.map(lambda *v: np.array(v, float), *masses)
    x, y = (np.concatenate([c[key] for c in cases]) for key in ("x", "y"))
    ours = np.stack(_compiled(kind)(stacked, x, y), 1)
    distance = np.hypot(x - getattr(stacked, "center_x", 0.0), y - getattr(stacked, "center_y", 0.0))
    return ours, np.array([row for c in cases for row in c[code]]), distance


@pytest.mark.parametrize("kind", KINDS)
def test_masses_equal_lenstronomy(kind):
    ours, theirs, distance = compared(kind, "lenstronomy")
    soft = 10 * (CORE / distance) ** 2
    allowed = 1e-8 + soft + (ERROR if kind == "NFW" else 0.0)
    size = np.hypot(*theirs[:, :2].T)
    assert (np.hypot(*(ours - theirs)[:, :2].T) <= allowed * size).all()
    differences = 1e-4 if kind == "DPIE" else 0.0  # by which NIE takes its convergence, over 1e-10
    most = 3 * allowed * (np.abs(theirs[:, 2]) + size / distance) + differences
    assert (np.abs(ours - theirs)[:, 2] <= most).all()
    points = len(REFERENCE["cases"][0]["x"])
    psi = (ours[:, 3].reshape(-1, points) - ours[::points, 3:]).ravel()
    scale = np.maximum(size * distance, np.abs(theirs[:, 3])) + np.repeat((size * distance)[::points], points)
    assert (np.abs(psi - theirs[:, 3]) <= 10 * allowed * scale).all()


@pytest.mark.parametrize("kind", INTEGRATED)
def test_deflections_equal_the_integral_of_the_convergence(kind):
    error = ERROR if kind == "NFW" else 1e-10
    ours, theirs, distance = compared(kind, "integral")
    size = np.hypot(*theirs.T)
    assert (np.hypot(*(ours[:, :2] - theirs).T) <= (error + 10 * (CORE / distance) ** 2) * size).all()


def test_an_epl_of_slope_2_is_the_sie_and_round_masses_are_round():
    x, y = np.random.default_rng(0).normal(0, 1, (2, 20))
    center = {"center_x": 0.1, "center_y": -0.2}
    size = center | {"einstein_radius": 1.2}
    pairs = [
        (profiles.EPL(**size, e1=-0.2, e2=0.3, slope=2.0), profiles.SIE(**size, e1=-0.2, e2=0.3)),
        (profiles.SIE(**size, e1=0.0, e2=0.0), profiles.SIS(**size)),
        (profiles.DPIE(**size, e1=0.3, e2=0.1, core_radius=0.0, cut_radius=1e6),
         profiles.SIE(**size, e1=0.3, e2=0.1)),
    ]
    for one, other in pairs:
        reach = 3e-6 * (1 + 1 / np.hypot(x - 0.1, y + 0.2))  # of the cores
        assert (np.hypot(*np.subtract(one.deflection(x, y), other.deflection(x, y))) < reach).all()
        np.testing.assert_allclose(one.convergence(x, y), other.convergence(x, y), rtol=1e-4)
