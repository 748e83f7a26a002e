"""Small models made at random: numbers, priors on each other, ties, pairs and solved amplitudes."""

import hypothesis.strategies as st
import numpy as np

from lensfit.model import LensModel
from lensfit.priors import Disk, LogNormal, LogUniform, Normal, Solved, TruncatedNormal, Uniform
from lensfit.profiles import SIE, Exponential, Gaussian, MultiGaussian, PixelSource, Sersic, Shear

numbers = st.floats(-1.0, 1.0)
widths = st.floats(0.01, 2.0)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def priors_of_one(draw, known):
    """A prior of one parameter; where one is known, it may depend on it."""
    center = draw(st.sampled_from(known)) if known and draw(st.booleans()) else draw(numbers)
    low = draw(st.floats(0.1, 1.0))
    return draw(
        st.sampled_from([
            Normal(mean=center, sigma=draw(widths)),
            TruncatedNormal(mean=center, sigma=draw(widths), low=-2.0, high=2.0),
            Uniform(low=low, high=low + draw(widths)),
            LogUniform(low=low, high=low + draw(widths)),
            LogNormal(median=low, sigma=draw(widths)),
        ])
    )


def place(draw, known, new):
    """A leaf: a number, a new parameter, or one that is known."""
    choice = draw(st.sampled_from(["number", "new", "known"]))
    if choice == "number" or (choice == "known" and not known):
        return draw(st.floats(0.1, 0.9))
    if choice == "known":
        return draw(st.sampled_from(known))
    leaf = draw(new)
    known.append(leaf)
    return leaf


def pair(draw, known):
    """Two leaves: numbers, parts of a new disk, or a part that is known."""
    choice = draw(st.sampled_from(["numbers", "disk", "known"]))
    if choice == "disk":
        parts = Disk(scale=draw(widths), limit=0.8, center_1=draw(st.floats(-0.5, 0.5))).parts
        known.extend(parts)
        return parts
    if choice == "known" and known:
        return draw(st.sampled_from(known)), 0.05
    return draw(st.floats(-0.4, 0.4)), draw(st.floats(-0.4, 0.4))


def light(draw, known):
    kind = draw(st.sampled_from([Sersic, Exponential, Gaussian, MultiGaussian]))
    e1, e2 = pair(draw, known)
    new = priors_of_one(list(known))
    leaves = {name: place(draw, known, new) for name in ("center_x", "center_y")}
    amplitude = Solved(positive=draw(st.booleans())) if draw(st.booleans()) else place(draw, known, new)
    rest = {"effective_radius": 0.4, "sersic_index": 1.5, "sigma": place(draw, known, new)}
    if kind is MultiGaussian:
        rest = {"sigmas": np.array([0.1, 0.3])}
        amplitude = amplitude if isinstance(amplitude, Solved) else np.array([1.0, 2.5])
    rest = {name: value for name, value in rest.items() if name in kind.__dataclass_fields__}
    return kind(**leaves, e1=e1, e2=e2, intensity=amplitude, **rest)


def on_pixels(draw, known):
    kind = draw(st.sampled_from(["gradient", "curvature", "matern", "adaptive"]))
    new = priors_of_one(list(known))
    leaves = {name: place(draw, known, new) for name in ("center_x", "center_y", "half_width", "strength")}
    if kind == "matern":
        leaves["length"] = place(draw, known, new)
    if kind == "adaptive":
        leaves |= {"contrast": place(draw, known, new), "reference": np.arange(9.0).reshape(3, 3)}
    order, positive = draw(st.sampled_from([1, 2, 3])), draw(st.booleans())
    return PixelSource(**leaves, pixels=3, order=order, regularisation=kind, positive=positive)


@st.composite
def models(draw):
    known, sources = [], draw(st.sampled_from([light, on_pixels]))
    lights = {name: light(draw, known) for name in sorted(draw(st.sets(names, max_size=2)))}
    gamma1, gamma2 = pair(draw, known)
    e1, e2 = pair(draw, known)
    new = priors_of_one(list(known))
    x, y, radius = (place(draw, known, new) for _ in range(3))
    return LensModel(
        light=lights,
        mass={
            "shear": Shear(gamma1=gamma1, gamma2=gamma2),
            "sie": SIE(center_x=x, center_y=y, e1=e1, e2=e2, einstein_radius=radius),
        },
        source={name: sources(draw, known) for name in sorted(draw(st.sets(names, max_size=2)))},
        sky=Solved(positive=False) if draw(st.booleans()) else place(draw, known, new),
    )
