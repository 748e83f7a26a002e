"""Simulated lenses drawn at random, for counting how often a fit ends at the truth.

`ordinary(k)`, `hard(k)` and `epl(k)` give the true model of lens k and the seed of its noise and of a fit's start;
`observed` gives its data. The draws do not come from lensfit's priors.
"""
from __future__ import annotations

import numpy as np

from lensfit.datasets import Imaging
from lensfit.instruments import jwst_f150w
from lensfit.model import LensModel
from lensfit.profiles import EPL, SIE, Exponential, LightProfile, Sersic, Shear
from lensfit.pytree import replace
from lensfit.simulate import model_image, simulate_imaging

SHAPE = (150, 150)
MASK_RADIUS = 2.0
FIRST_ORDINARY, FIRST_HARD, FIRST_EPL = 10_000, 50_000, 90_000
SLOPES, SIGNAL = (1.5, 2.5), (40.0, 60.0)
"""Between which the slopes of `epl` are drawn, and the signal over noise of the brightest pixel of their arcs."""


def ordinary(k: int) -> tuple[LensModel, int]:
    """Truth and seed of lens k: Einstein radii of 0.9 to 1.65 arcsec, arcs of peak S/N about 20 to 70."""
    seed = FIRST_ORDINARY + k
    return _draw(np.random.default_rng(seed), smallest=0.9, shear=0.04, offset=0.25, brightness=1.0), seed


def hard(k: int) -> tuple[LensModel, int]:
    """The same with a quarter of the source's brightness and half as much offset again, nearly twice the
    shear, and Einstein radii down to 0.6 arcsec: arcs of peak S/N about 6 to 35, some beyond the mask."""
    seed = FIRST_HARD + k
    return _draw(np.random.default_rng(seed), smallest=0.6, shear=0.072, offset=0.375, brightness=0.25), seed


def epl(k: int) -> tuple[LensModel, int]:
    """Power laws of slope 1.5 to 2.5 and Einstein radii of 0.6 to 1.65 arcsec, arcs of peak S/N 40 to 60."""
    seed = FIRST_EPL + k
    random = np.random.default_rng(seed)
    drawn = _draw(random, smallest=0.6, shear=0.04, offset=0.25, brightness=1.0)
    slope, signal = random.uniform(*SLOPES), random.uniform(*SIGNAL)
    model = replace(drawn, mass={"epl": EPL(**vars(drawn.mass["sie"]), slope=slope), "shear": drawn.mass["shear"]})
    return _of_signal(model, signal), seed


def _of_signal(model: LensModel, signal: float) -> LensModel:
    """The model with its source as bright as gives its arcs that signal over noise, in their brightest pixel."""
    source, instrument = model.source["sersic"], jwst_f150w()
    light, arcs = (model_image(model.only(group), instrument, SHAPE) for group in ("light", "source"))
    factor = 1.0
    for _ in range(30):
        factor *= signal / float(np.max(factor * arcs / instrument.noise(light + factor * arcs)))
    return replace(model, source={"sersic": replace(source, intensity=factor * source.intensity)})  # pyright: ignore


def observed(model: LensModel, seed: int) -> Imaging:
    """The model as the JWST-like instrument sees it, the disc of 2 arcsec used."""
    return simulate_imaging(model, jwst_f150w(), SHAPE, seed=seed).circular_mask(MASK_RADIUS)


def _draw(
    random: np.random.Generator, smallest: float, shear: float, offset: float, brightness: float
) -> LensModel:
    """A truth: smallest Einstein radius [arcsec], scatter of each shear component, largest offset of the
    source in Einstein radii, factor of its brightness."""
    x, y = 0.04 * random.standard_normal(2)
    mass_x, mass_y = (x, y) + 0.02 * random.standard_normal(2)
    radius = random.uniform(smallest, 1.65)
    ellipticity = _ellipticity(random, 0.12)
    gamma1, gamma2 = shear * random.standard_normal(2)
    return LensModel(
        light=_lens_light(random, {"center_x": x, "center_y": y}),
        mass={
            "sie": SIE(center_x=mass_x, center_y=mass_y, **ellipticity, einstein_radius=radius),
            "shear": Shear(gamma1=gamma1, gamma2=gamma2),
        },
        source={"sersic": _source(random, mass_x, mass_y, offset * radius, brightness)},
    )


def _lens_light(random: np.random.Generator, center: dict[str, float]) -> dict[str, LightProfile]:
    return {
        "bulge": Sersic(
            **center,
            **_ellipticity(random, 0.12),
            intensity=random.uniform(0.4, 1.4),
            effective_radius=random.uniform(0.2, 0.8),
            sersic_index=random.uniform(1.5, 5.5),
        ),
        "disk": Exponential(
            **center,
            **_ellipticity(random, 0.12),
            intensity=random.uniform(0.1, 0.4),
            effective_radius=random.uniform(0.7, 1.6),
        ),
    }


def _source(random: np.random.Generator, x: float, y: float, largest: float, brightness: float) -> Sersic:
    """Uniform in the disc of radius `largest` [arcsec] about the mass; dimmer where it is cuspier."""
    angle, distance = random.uniform(0, 2 * np.pi), largest * np.sqrt(random.uniform())
    sersic_index = random.uniform(0.6, 3.0)
    return Sersic(
        center_x=x + distance * np.cos(angle),
        center_y=y + distance * np.sin(angle),
        **_ellipticity(random, 0.2),
        intensity=brightness * random.uniform(0.25, 0.8) / sersic_index,
        effective_radius=random.uniform(0.05, 0.25),
        sersic_index=sersic_index,
    )


def _ellipticity(random: np.random.Generator, scale: float) -> dict[str, float]:
    """Nearly normal of that standard deviation in each component, inside the unit disc."""
    e1, e2 = scale * random.standard_normal(2)
    inside = 1 / np.sqrt(1 + e1 * e1 + e2 * e2)
    return {"e1": e1 * inside, "e2": e2 * inside}
