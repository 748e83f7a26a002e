"""The models that people start from, with priors scaled from the data."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lensfit.datasets import FieldObject, Galaxy, Imaging, Interferometer, level_of_sky
from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.names import GALAXY, IMAGE_MODELS, VISIBILITY_MODELS, MassModel
from lensfit.priors import Disk, LogNormal, LogUniform, Normal, Part, Prior, Solved, TruncatedNormal, Uniform
from lensfit.profiles import EPL, SIE, Exponential, LightProfile, MassProfile, MultiGaussian, PixelSource, Sersic, Shear
from lensfit.pytree import replace

MASS_FROM_LIGHT = 0.15
"""Scale of the mass's ellipticity about that of one set of Gaussians. From the light as a whole it would be 0.05
(axis ratios within 0.11, angles within 10 degrees: Koopmans et al. 2006); one set may be far from the whole."""
CENTER, EINSTEIN_RADIUS = 0.3, 0.8
"""Width of the prior of the lens's centre, and middle of that of its Einstein radius, in units of the radius of the
circle about the lensed emission of visibilities."""
GRID_FILLED = 0.6
"""Share of half an image grid that this circle takes up where it was not looked for."""

SLOPE = (2.08, 0.16)
"""Mean and scatter of the slopes of early-type galaxies: SLACS, Auger et al. 2010."""


GALAXY_WIDTHS = 8
"""Gaussians of the light of a galaxy beside the lens, from one pixel to GALAXY_REACH times the radius of the field."""
GALAXY_REACH = 1.5
MOST_GALAXIES = 6
"""Galaxies beside the lens whose light is in a standard model: the brightest ones."""
NAMED_WIDTHS, NAMED_REACH = 10, 0.6
"""Gaussians of the light of a galaxy that was named, and the widest one in radii of the field."""
NAMED_PLACE = 2.0
"""Width of the prior of its place [pixels]."""
MIDDLE = 0.5
"""Einstein radius of a lens in radii of its field, about."""
FACTOR = 3.0
"""Within which its Einstein radius is that of the lens times the root of its share of light."""
UNSEEN_SHARE = 0.04
"""The lens's share of light that a mass is taken to have whose light, or that of the lens, is not in the model."""
HEAVY = 0.25
"""Share of the lens's light, the square of the ratio of their Einstein radii, from which on the ellipticity of a galaxy
that was only seen is fitted too."""
APERTURE = 0.3
"""Radius of the disc in which galaxies are compared [arcsec], and its share of their distance at most."""
FAINTEST, BRIGHTEST = 1e-3, 0.8
"""Least and largest share of the lens's light that counts. A brighter galaxy beside the lens may well have the larger
mass, but the arcs are about the lens: the middle of its prior stays the largest, by which the search knows it."""


class Scales:
    """What the data say about the size of things: field radius [arcsec], pixel [arcsec], peak, noise, and the sky's
    level where it is not at zero; where the lens is, unless that was stated: the mean place of the light."""

    def __init__(self, imaging: Imaging) -> None:
        good = ~imaging.mask
        self.pixel = imaging.pixel_scale
        self.peak = float(np.max(imaging.data[good]))
        self.noise = float(np.median(imaging.noise[good]))
        self.sky = level_of_sky(imaging.data, imaging.noise, imaging.mask)
        self.radius = float(np.sqrt(np.count_nonzero(good) / np.pi)) * self.pixel
        x, y = imaging.x[good], imaging.y[good]
        weight = np.clip((imaging.data[good] - self.sky) / imaging.noise[good] - 3, 0, None) ** 2
        weight = weight + 1e-12
        found = (float(np.average(x, weights=weight)), float(np.average(y, weights=weight)))
        self.center = imaging.center or found


def parametric(imaging: Imaging, mass: MassModel = "sie") -> LensModel:
    """The 25-parameter model: Sersic and Exponential lens light of one centre, SIE and shear, Sersic source.

    Where the sky at the border of the image is not at zero, a constant sky too, solved. mass: "epl" frees the slope.
    """
    s = Scales(imaging)
    x, y = _center(s)
    bulge = _ellipticity(0.3)
    disk = _ellipticity(0.3)
    mass_x, mass_y = Normal(mean=x, sigma=0.05 * s.radius), Normal(mean=y, sigma=0.05 * s.radius)
    return LensModel(
        light={
            "bulge": Sersic(
                center_x=x,
                center_y=y,
                e1=bulge[0],
                e2=bulge[1],
                intensity=_intensity(s),
                effective_radius=_radius(s),
                sersic_index=Uniform(low=0.5, high=8.0),
            ),
            "disk": Exponential(
                center_x=x,
                center_y=y,
                e1=disk[0],
                e2=disk[1],
                intensity=_intensity(s),
                effective_radius=_radius(s),
            ),
        },
        mass=_mass(mass, s, mass_x, mass_y, _ellipticity(0.3), shear=0.1),
        source={
            "sersic": _source(
                s, _intensity(s),
                size=LogNormal(median=max(0.07 * s.radius, s.pixel), sigma=0.7),
                index=Uniform(low=0.5, high=8.0),
            )
        },
        sky=Solved(positive=False) if s.sky else 0.0,
    )


def with_named(model: LensModel, imaging: Imaging) -> LensModel:
    """A standard model with the galaxies that were named in the image, `imaging.galaxies`.

    Their light is a set of Gaussians with solved amplitudes; their mass an isothermal ellipsoid at the place of their
    light, as round or not as that, give or take; that of one which was only seen, with less than HEAVY of the light of
    the lens, an isothermal sphere. Its Einstein radius is within a factor of 3 of the lens's times the root of its
    share of the light (Faber & Jackson 1976: luminosity goes with the fourth power of the velocity dispersion, whose
    square the radius goes with).
    """
    s = Scales(imaging)
    sigmas = np.geomspace(0.4 * s.pixel, max(NAMED_REACH * s.radius, s.pixel), NAMED_WIDTHS)
    light, mass = dict(model.light), dict(model.mass)
    for number, one in enumerate(imaging.galaxies, 1):
        name = f"{GALAXY}{number}"
        x, y = (Normal(mean=at, sigma=NAMED_PLACE * s.pixel) for at in (one.x, one.y))
        shape = _ellipticity(0.25)
        if one.light:
            light[name] = MultiGaussian(center_x=x, center_y=y, e1=shape[0], e2=shape[1], intensity=Solved(),
                                        sigmas=sigmas)  # fmt: skip
        if one.mass:
            share = _share_of_light(imaging, s, one) if one.light and model.light else UNSEEN_SHARE
            near = Disk(scale=MASS_FROM_LIGHT, limit=0.8, center_1=shape[0], center_2=shape[1]).parts
            of_light = near if one.light else _ellipticity(MASS_FROM_LIGHT)
            e = (0.0, 0.0) if one.seen and share < HEAVY else of_light
            radius = LogNormal(median=MIDDLE * s.radius * share**0.5, sigma=float(np.log(FACTOR)))
            mass[name] = SIE(center_x=x, center_y=y, e1=e[0], e2=e[1], einstein_radius=radius)
    return replace(model, light=light, mass=mass)


def _share_of_light(imaging: Imaging, s: Scales, galaxy: Galaxy) -> float:
    """Light of a galaxy, less that of the lens at the place opposite to it, over that of the lens, in discs."""
    away = np.array([galaxy.x, galaxy.y]) - s.center
    reach = max(min(APERTURE, APERTURE * float(np.hypot(*away))), 2 * s.pixel)

    def light(x: float, y: float) -> float:
        inside = np.hypot(imaging.x - x, imaging.y - y) < reach
        return float(np.mean(imaging.data[inside])) - (s.sky or 0.0) if inside.any() else 0.0

    lens, opposite = light(*s.center), max(light(*(s.center - away)), 0.0)
    return float(np.clip((light(galaxy.x, galaxy.y) - opposite) / max(lens, s.noise), FAINTEST, BRIGHTEST))


def with_galaxies(model: LensModel, imaging: Imaging, galaxies: Sequence[FieldObject]) -> LensModel:
    """A standard model with the light of galaxies beside the lens, whose wings lie below its arcs.

    Each is a set of Gaussians of fixed place and shape, those that were seen, with solved amplitudes: no parameter
    more is searched. A model without lens light stays as it is.
    """
    if not model.light:
        return model
    sigmas = np.geomspace(imaging.pixel_scale, GALAXY_REACH * Scales(imaging).radius, GALAXY_WIDTHS)
    brightest = sorted(galaxies, key=lambda one: -one.flux)[:MOST_GALAXIES]
    sets: dict[str, LightProfile] = {}
    for number, one in enumerate(brightest, 1 + len(imaging.galaxies)):
        size, twice = (1 - one.axis_ratio) / (1 + one.axis_ratio), np.radians(2 * one.angle)
        sets[f"{GALAXY}{number}"] = MultiGaussian(
            center_x=one.x, center_y=one.y, e1=float(size * np.cos(twice)), e2=float(size * np.sin(twice)),
            intensity=Solved(), sigmas=sigmas,
        )  # fmt: skip
    return replace(model, light={**model.light, **sets})


def flexible(imaging: Imaging, sources: int = 1, gaussians: int = 12, mass: MassModel = "epl") -> LensModel:
    """For real lenses: two sets of Gaussians, a power law and shear near the light, one or two Sersic sources, sky.

    The priors that keep real fits out of wrong optima are part of the model: mass centre and ellipticity are
    near the light's, shear is of order 0.05, and a source is smaller than a quarter of the field and not
    cuspier than a de Vaucouleurs profile, lest it take up the halo of the lens. All amplitudes are solved.

    Raises:
        ModelError: sources is not 1 or 2.
    """
    if sources not in (1, 2):
        raise ModelError(f"sources={sources}: this model has 1 or 2; add profiles to its `source` for more")
    s = Scales(imaging)
    x, y = _center(s)
    widths = np.geomspace(0.4 * s.pixel, 1.2 * s.radius, gaussians)
    first = _ellipticity(0.25)
    second = Disk(scale=0.25, limit=0.8, center_1=first[0], center_2=first[1]).parts
    mass_x, mass_y = Normal(mean=x, sigma=0.02 * s.radius), Normal(mean=y, sigma=0.02 * s.radius)
    near = Disk(scale=MASS_FROM_LIGHT, limit=0.8, center_1=first[0], center_2=first[1]).parts
    source: dict[str, LightProfile | PixelSource] = {
        name: _source(
            s, Solved(),
            size=LogUniform(low=0.3 * s.pixel, high=0.25 * s.radius),
            index=TruncatedNormal(mean=1.3, sigma=0.8, low=0.4, high=4.0),
        )
        for name in ("sersic", "second")[:sources]
    }  # fmt: skip
    sets: dict[str, LightProfile] = {
        name: MultiGaussian(center_x=x, center_y=y, e1=e[0], e2=e[1], intensity=Solved(), sigmas=widths)
        for name, e in (("gaussians_1", first), ("gaussians_2", second))
    }
    return LensModel(
        light=sets,
        mass=_mass(mass, s, mass_x, mass_y, near, shear=0.05),
        source=source,
        sky=Solved(positive=False),
    )


def source_only(imaging: Imaging, mass: MassModel = "sie") -> LensModel:
    """For images in which the lens is not seen, of dust or lines or with the lens light taken out: SIE, shear, a
    Sersic source and the sky. Both amplitudes are solved.

    The arcs alone say less of where the lens is than its light does: the prior of its centre is wider.
    """
    s = Scales(imaging)
    width = max((0.15 if imaging.center is None else 0.05) * s.radius, s.pixel)
    x, y = (Normal(mean=mean, sigma=width) for mean in s.center)
    source = _source(
        s, Solved(),
        size=LogUniform(low=0.3 * s.pixel, high=0.25 * s.radius),
        index=TruncatedNormal(mean=1.0, sigma=0.5, low=0.4, high=5.0),
    )  # fmt: skip
    return LensModel(
        light={},
        mass=_mass(mass, s, x, y, _ellipticity(0.3), shear=0.1),
        source={"sersic": source},
        sky=Solved(positive=False),
    )


def one_source(data: Interferometer, mass: MassModel = "sie") -> LensModel:
    """For visibilities of a dusty or line-emitting source: SIE, shear and a Sersic source, amplitude solved.

    The priors are scaled from the circle about the emission: the lens is near its centre, the Einstein radius near
    its radius, the source small in it.
    """
    x, y = _middle(data)
    return LensModel(light={}, mass=_mass_of_visibilities(mass, data, x, y), source={"sersic": _compact(data)})


def emission_circle(data: Interferometer) -> tuple[float, float, float]:
    """x, y and radius [arcsec] of the circle about the lensed emission: that which was found in the visibilities
    (`lensfit.observations.window`), else one that fills GRID_FILLED of the image grid, which is then a window."""
    if data.emission is None:
        return (*data.origin, GRID_FILLED * 0.5 * min(data.shape) * data.pixel_scale)
    x, y, radius = data.emission
    return x, y, max(radius, data.nyquist)


def two_sources(data: Interferometer, mass: MassModel = "sie") -> LensModel:
    """`one_source` with a second Sersic source."""
    model = one_source(data, mass)
    return replace(model, source=model.source | {"second": _compact(data)})


def one_source_and_core(data: Interferometer, mass: MassModel = "sie") -> LensModel:
    """`one_source` with emission that is not lensed near the lens's centre: an active nucleus, or dust of its own."""
    x, y = _middle(data)
    near = [Normal(mean=center, sigma=data.pixel_scale) for center in (x, y)]
    model = replace(one_source(data), mass=_mass_of_visibilities(mass, data, *near))
    core = Exponential(
        center_x=x,
        center_y=y,
        e1=0.0,
        e2=0.0,
        intensity=Solved(),
        effective_radius=LogNormal(median=data.pixel_scale, sigma=0.7),
    )
    return replace(model, light={"core": core})


def unlensed(data: Interferometer, x: float, y: float) -> Exponential:
    """Compact emission that is not lensed, seen near a place (x, y) [arcsec] of visibilities, amplitude solved."""
    return Exponential(
        center_x=Normal(mean=x, sigma=data.nyquist),
        center_y=Normal(mean=y, sigma=data.nyquist),
        e1=0.0,
        e2=0.0,
        intensity=Solved(),
        effective_radius=LogNormal(median=data.pixel_scale, sigma=0.7),
    )


STANDARD: dict[str, Callable[..., LensModel]] = {name: globals()[name] for name in IMAGE_MODELS}
"""Models for images, by name."""
VISIBILITIES: dict[str, Callable[..., LensModel]] = {name: globals()[name] for name in VISIBILITY_MODELS}
"""Models for visibilities, by name."""


def _middle(data: Interferometer) -> tuple[Prior, Prior]:
    """Where the lens is: near the centre of the circle about the lensed emission."""
    *place, reach = emission_circle(data)
    x, y = (Normal(mean=mean, sigma=CENTER * reach) for mean in place)
    return x, y


def _mass_of_visibilities(mass: MassModel, data: Interferometer, x: Any, y: Any) -> dict[str, MassProfile]:
    e, gamma = _ellipticity(0.3), Disk(scale=0.1, limit=0.5).parts
    radius = LogNormal(median=EINSTEIN_RADIUS * emission_circle(data)[2], sigma=0.5)
    return _masses(mass, gamma, center_x=x, center_y=y, e1=e[0], e2=e[1], einstein_radius=radius)


def _compact(data: Interferometer) -> Sersic:
    """A source about where the lens equation sends emission from all around the lens: the centre of the circle."""
    e, (x, y, reach) = _ellipticity(0.3), emission_circle(data)
    return Sersic(
        center_x=Normal(mean=x, sigma=0.42 * reach),
        center_y=Normal(mean=y, sigma=0.42 * reach),
        e1=e[0],
        e2=e[1],
        intensity=Solved(),
        effective_radius=LogNormal(median=0.07 * reach, sigma=0.8),
        sersic_index=TruncatedNormal(mean=1.0, sigma=0.5, low=0.4, high=5.0),
    )


def _center(s: Scales) -> tuple[Prior, Prior]:
    width = max(0.05 * s.radius, s.pixel)
    return Normal(mean=s.center[0], sigma=width), Normal(mean=s.center[1], sigma=width)


def _ellipticity(scale: float) -> tuple[Part, Part]:
    return Disk(scale=scale, limit=0.8).parts


def _intensity(s: Scales) -> Prior:
    return LogUniform(low=1e-5 * s.peak, high=100 * s.peak)


def _radius(s: Scales) -> Prior:
    return LogUniform(low=0.5 * s.pixel, high=3 * s.radius)


def _mass(
    mass: MassModel, s: Scales, x: Any, y: Any, e: tuple[Part, Part], shear: float
) -> dict[str, MassProfile]:
    gamma = Disk(scale=shear, limit=0.5).parts
    radius = Uniform(low=2 * s.pixel, high=0.95 * s.radius)
    return _masses(mass, gamma, center_x=x, center_y=y, e1=e[0], e2=e[1], einstein_radius=radius)


def _masses(mass: MassModel, gamma: tuple[Part, Part], **shared: Any) -> dict[str, MassProfile]:
    """The main mass, named as its kind, and shear."""
    kinds: dict[str, Callable[[], MassProfile]] = {
        "sie": lambda: SIE(**shared),
        "epl": lambda: EPL(**shared, slope=Normal(mean=SLOPE[0], sigma=SLOPE[1])),
    }
    if mass not in kinds:
        raise ModelError(f"no mass of a standard model is named {mass!r}: use {' or '.join(kinds)}")
    return {mass: kinds[mass](), "shear": Shear(gamma1=gamma[0], gamma2=gamma[1])}


def _source(s: Scales, intensity: Any, *, size: Any, index: Any) -> Sersic:
    """A source about where the lens equation sends arcs from all around the lens: to its middle, whatever its mass."""
    e, (x, y) = _ellipticity(0.25), s.center
    return Sersic(
        center_x=Normal(mean=x, sigma=0.2 * s.radius),
        center_y=Normal(mean=y, sigma=0.2 * s.radius),
        e1=e[0],
        e2=e[1],
        intensity=intensity,
        effective_radius=size,
        sersic_index=index,
    )
