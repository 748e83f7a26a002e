"""A population of mock lenses as interferometers see them: the true model of each, and its visibilities.

Half the layouts are the baselines and weights of real ALMA data (../shared/data), half Earth-rotation tracks of made-up
configurations. Flux is scaled so that the dirty image peaks where it is asked to.
"""
from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from lensfit.datasets import Interferometer, read_interferometer
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.model import LensModel
from lensfit.profiles import SIE, Sersic, Shear
from lensfit.simulate import simulate_interferometer

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = ("visilens_spt0202/SPT0202-61_ext.npz", "visilens_spt0346/SPT0346-52_cont.npz")
TRACKS = ((24, 700.0, 870e-6), (36, 1600.0, 1.1e-3))
"""Antennas, longest baseline [m] and wavelength [m]."""
FIELD = 22.0
"""Side of the field in which emission lies [arcsec]."""


@dataclasses.dataclass(frozen=True)
class Mock:
    """One lens: its layout, the true model whose lensed sources are the brightest first, the height of the dirty
    image's peak over the noise, and the phase errors of the antennas [degrees]."""

    layout: str
    truth: LensModel
    peak: float
    phase_errors: float
    data: Interferometer

    @property
    def kind(self) -> str:
        """In words what is drawn."""
        return components(self.truth)


def components(model: LensModel) -> str:
    """How many lensed sources a model has, and how many components that are not lensed."""
    return f"{len(model.source)} components" + f", {len(model.light)} unlensed" * bool(model.light)


def layouts() -> tuple[str, ...]:
    """Names of the layouts."""
    return (*(name.split("/")[0].removeprefix("visilens_") for name in FILES),
            *(f"{antennas} antennas, {longest:g} m" for antennas, longest, _ in TRACKS))  # fmt: skip


@functools.cache
def layout_of(name: str, data: Path = DATA) -> Interferometer:
    """Baselines and noise of a layout, without a source."""
    number = layouts().index(name)
    if number < len(FILES):
        return _on_field(read_interferometer(data / FILES[number], sign=1, east="left"))
    antennas, longest, wavelength = TRACKS[number - len(FILES)]
    rows = earth_rotation(
        spiral(antennas, longest), latitude=-23.0, declination=-45.0, hour_angles=np.linspace(-1.5, 1.5, 24),
        wavelength=wavelength, noise=5e-3,
    )  # fmt: skip
    return _on_field(Interferometer.of(rows, pixel_scale=0.05, shape=(400, 400), primary_beam=20.0))


def _on_field(data: Interferometer) -> Interferometer:
    pixel = 0.7 * data.nyquist
    count = 2 * int(FIELD / pixel / 2)
    return data.regridded(pixel_scale=pixel, shape=(count, count), origin=(0.0, 0.0))


def draw(seed: int) -> Mock:
    """The mock of a seed: same seed, same mock."""
    rng = np.random.default_rng([seed, 21])
    name = layouts()[seed % len(layouts())]
    layout = layout_of(name)
    x, y = 2.0 * np.sqrt(rng.random()) * _direction(rng)
    radius, ratio = rng.uniform(0.5, 1.6), rng.uniform(0.5, 0.95)
    e, gamma = (1 - ratio) / (1 + ratio) * _direction(rng), 0.12 * rng.random() * _direction(rng)
    mass = {
        "sie": SIE(center_x=x, center_y=y, e1=e[0], e2=e[1], einstein_radius=radius),
        "shear": Shear(gamma1=gamma[0], gamma2=gamma[1]),
    }
    here = np.array([x * (1 - gamma[0]) - gamma[1] * y, y * (1 + gamma[0]) - gamma[1] * x])
    here = here + radius * rng.uniform(0.03, 0.4) * _direction(rng)
    source = _sources(rng, here, rng.integers(1, 5))
    light = {}
    if rng.random() < 0.3:
        place = np.array([x, y]) + rng.uniform(2 * radius + 1.5, 7.0) * _direction(rng)
        share = rng.uniform(0.5, 4.0)
        size = rng.uniform(0.05, 0.15)
        total = sum(flux_of(s) for s in source.values())
        light["unlensed"] = _sersic(place, share * total, size, 1.0, np.zeros(2))
    peak = float(np.exp(rng.uniform(np.log(20), np.log(150))))
    errors = float(rng.choice([0.0, rng.uniform(2.0, 15.0)]))
    truth = _scaled(LensModel(light=light, mass=mass, source=source), layout, peak)
    return Mock(name, truth, peak, errors, simulate_interferometer(truth, layout, seed=seed, phase_errors=errors))


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _sources(rng: np.random.Generator, here: np.ndarray, kind: int) -> dict[str, Sersic]:
    """One to three components, or (kind 4) a disc with four clumps in it."""
    shapes = [0.3 * rng.random() * _direction(rng) for _ in range(5)]
    size = np.exp(rng.uniform(np.log(0.04), np.log(0.2)))
    if kind == 4:
        clumps = [here + 1.2 * size * rng.standard_normal(2) for _ in range(4)]
        made = [_sersic(here, 1.0, 1.5 * size, 1.0, shapes[0])]
        made += [_sersic(c, rng.uniform(0.05, 0.3), 0.3 * size, 0.7, np.zeros(2)) for c in clumps]
    else:
        made = [_sersic(here, 1.0, size, rng.uniform(0.6, 2.0), shapes[0])]
        for k in range(1, kind):
            away = here + rng.uniform(0.5, 3.0) * size * _direction(rng)
            made.append(_sersic(away, rng.uniform(0.2, 0.7), size * rng.uniform(0.5, 1.5), 1.0, shapes[k]))
    return {f"part_{k}": profile for k, profile in enumerate(made)}


def _sersic(place: np.ndarray, flux: float, size: float, index: float, e: np.ndarray) -> Sersic:
    """Of about this flux."""
    return Sersic(center_x=place[0], center_y=place[1], e1=e[0], e2=e[1], intensity=flux / size**2,
                  effective_radius=size, sersic_index=index)  # fmt: skip


def flux_of(profile: Sersic) -> float:
    """Its flux, but for a factor of its index."""
    return float(profile.intensity) * float(profile.effective_radius) ** 2


def _scaled(model: LensModel, layout: Interferometer, peak: float) -> LensModel:
    """With all fluxes so that the dirty image of what is lensed peaks at `peak` of its noise."""
    likelihood = InterferometerLikelihood.of(layout, oversampling=2)
    seen = likelihood.w_tilde.apply(likelihood.image(model.only("source")))
    factor = peak / float(jnp.max(seen / likelihood.dirty_sigma))

    def brighter(group: dict) -> dict:
        return {name: dataclasses.replace(p, intensity=factor * p.intensity) for name, p in group.items()}

    return dataclasses.replace(model, light=brighter(model.light), source=brighter(model.source))
