"""Every profile of lensfit with numbers to try it on: a new profile is one more entry in FAMILY."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from lensfit import profiles

CENTER = {"center_x": 0.1, "center_y": -0.2}
FAMILY = {
    "sersic": (profiles.Sersic, CENTER | {"effective_radius": 0.8, "sersic_index": 2.5}),
    "exponential": (profiles.Exponential, CENTER | {"effective_radius": 0.8}),
    "gaussian": (profiles.Gaussian, CENTER | {"sigma": 0.6}),
    "multi_gaussian": (profiles.MultiGaussian, CENTER | {"sigmas": (0.2, 0.6, 1.7)}),
    "sie": (profiles.SIE, CENTER | {"einstein_radius": 1.3}),
    "epl": (profiles.EPL, CENTER | {"einstein_radius": 1.3, "slope": 2.1}),
    "sis": (profiles.SIS, CENTER | {"einstein_radius": 1.3}),
    "dpie": (profiles.DPIE, CENTER | {"einstein_radius": 1.3, "core_radius": 0.2, "cut_radius": 2.5}),
    "nfw": (profiles.NFW, CENTER | {"scale_radius": 3.0, "alpha_rs": 1.1}),
    "point_mass": (profiles.PointMass, CENTER | {"einstein_radius": 0.6}),
    "multipole1": (profiles.Multipole1, CENTER | {"a1": 0.05, "a2": -0.03}),
    "multipole3": (profiles.Multipole3, CENTER | {"a1": 0.05, "a2": -0.03}),
    "multipole4": (profiles.Multipole4, CENTER | {"a1": 0.05, "a2": -0.03}),
    "sheet": (profiles.ConvergenceSheet, {"kappa": 0.1}),
    "shear": (profiles.Shear, {"gamma1": 0.07, "gamma2": -0.04}),
}
SHAPE = {"e1": 0.0, "e2": 0.0}
CHUNK = 64
SIZES = {
    "effective_radius", "sigma", "sigmas", "einstein_radius", "core_radius", "cut_radius", "scale_radius", "alpha_rs",
}
"""Fields in arcsec that grow with the profile."""
TURNS = {("e1", "e2"): {}, ("a1", "a2"): {"multipole1": 1, "multipole3": 3, "multipole4": 4}}
"""Pairs of fields that turn with the frame, by 2 or by another multiple of its angle."""


def fields(name):
    """The numbers of a profile's formula, in order."""
    cls = FAMILY[name][0]
    light = issubclass(cls, profiles.LightProfile)
    return [f.name for f in dataclasses.fields(cls) if not (light and f.name == cls.amplitude)]


LIGHTS = [name for name, (cls, _) in FAMILY.items() if issubclass(cls, profiles.LightProfile)]
MASSES = [name for name, (cls, _) in FAMILY.items() if issubclass(cls, profiles.MassProfile)]
CENTERED = [name for name in FAMILY if "center_x" in fields(name)]
ELLIPTICAL = [name for name in FAMILY if "e1" in fields(name)]


def numbers(name, **changes):
    """The vector (x, y, *numbers) of a formula, from its entry in the family with changes made."""
    values = FAMILY[name][1] | SHAPE | {"x": 0.7, "y": 0.5} | changes
    return np.concatenate([np.atleast_1d(values[key]) for key in ("x", "y", *fields(name))]).astype(float)


def vector_formula(name):
    """The formula as a function of one vector, its values stacked."""
    formula, count = FAMILY[name][0].formula, len(fields(name)) + 2

    def values(v):
        plain = [v[k] for k in range(count)]
        if name == "multi_gaussian":
            plain[-1] = v[count - 1 :]
        out = formula(*plain)
        return jnp.stack(out) if isinstance(out, tuple) else jnp.reshape(out, 1)

    return values


def in_chunks(function, vectors):
    """function (CHUNK, P) -> arrays, called on any number of vectors: one compilation serves all tests."""
    vectors = np.atleast_2d(vectors)
    parts = []
    for start in range(0, len(vectors), CHUNK):
        some = vectors[start : start + CHUNK]
        out = function(np.pad(some, ((0, CHUNK - len(some)), (0, 0)), mode="edge"))
        parts.append([np.asarray(array)[: len(some)] for array in out])
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


@functools.cache
def _compiled(name):
    formula = vector_formula(name)
    first = jax.jacfwd(formula)
    both = jax.jacfwd(lambda v: (first(v),) * 2, has_aux=True)  # second and first, the latter made once
    return jax.jit(jax.vmap(lambda v: (formula(v),))), jax.jit(jax.vmap(lambda v: both(v)[::-1]))


def potential(name, vector):
    """psi of a mass at a vector (x, y, *numbers)."""
    mass = FAMILY[name][0](**dict(zip(fields(name), vector[2:], strict=True)))
    return mass.potential(vector[0], vector[1])


@functools.cache
def _compiled_potential(name):
    def every(v):
        def slope(point):
            value, slope = jax.value_and_grad(lambda p: potential(name, jnp.concatenate([p, v[2:]])))(point)
            return slope, (value, slope)

        bend, lower = jax.jacfwd(slope, has_aux=True)(v[:2])
        return *lower, bend

    return jax.jit(jax.vmap(every))


def potentials(name, vectors):
    """Vectors (N, P) -> psi (N,), and its derivatives (N, 2) and (N, 2, 2) over the sky."""
    return in_chunks(_compiled_potential(name), vectors)


def values(name, vectors):
    """Vectors (N, P) -> values (N, O)."""
    return in_chunks(_compiled(name)[0], vectors)[0]


def derivatives(name, vectors):
    """Vectors (N, P) -> first (N, O, P) and second (N, O, P, P) derivatives."""
    return in_chunks(_compiled(name)[1], vectors)


def finite_difference(function, vector, step):
    """Derivative of function: (N, P) -> (N, ...) at vector (P,) by five points, error of order step^4."""
    moves = np.concatenate([k * np.diag(step) for k in (1, -1, 2, -2)])
    plus, minus, plus2, minus2 = np.split(np.asarray(function(vector + moves)), 4)
    scale = np.reshape(step, (-1, *[1] * (plus.ndim - 1)))
    return np.moveaxis((8 * (plus - minus) - (plus2 - minus2)) / (12 * scale), 0, -1)


@st.composite
def ellipticities(draw, most=0.75):
    """(e1, e2) in the disk; often round, often along an axis."""
    e = draw(st.one_of(st.just(0.0), st.floats(1e-9, most), st.floats(0.05, most)))
    angle = draw(st.one_of(st.sampled_from([0, 0.5, 1.0, 1.5]), st.floats(0, 2)))
    return e * np.cos(np.pi * angle), e * np.sin(np.pi * angle)


@st.composite
def drawn(draw, name):
    """A vector of a formula: any ellipticity and index, sizes over two decades, the point nearby."""
    size = 10 ** draw(st.floats(-1, 1))
    r, angle = size * draw(st.floats(0.05, 5.0)), draw(st.floats(0, 2 * np.pi))
    e1, e2 = draw(ellipticities())
    own = {key: value for key, value in FAMILY[name][1].items() if key in SIZES}
    changes = {key: np.multiply(value, size) / np.max(next(iter(own.values()))) for key, value in own.items()}
    changes |= {"e1": e1, "e2": e2, "x": 0.1 + r * np.cos(angle), "y": -0.2 + r * np.sin(angle)}
    if name == "sersic":
        changes["sersic_index"] = draw(st.floats(0.36, 10.0))
    if name == "epl":
        changes["slope"] = draw(st.one_of(st.just(2.0), st.floats(1.2, 2.8)))
    if name == "shear":
        changes |= {"gamma1": draw(st.floats(-0.5, 0.5)), "gamma2": draw(st.floats(-0.5, 0.5))}
    return numbers(name, **changes)
