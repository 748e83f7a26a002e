"""Simulated lenses, and galaxies that look like lenses, which are not what lensfit's models are.

`Scene.drawn(k)` gives the sky of lens k, `observed` its data. The mass is a power law of any slope with shear, about a
galaxy whose isophotes turn, change their ellipticity and are boxy or disky; the source is clumpy, a spiral, a merger,
compact or smooth; there are galaxies in the field, and satellites with mass. Three cameras; the PSF of the fit is not
that of the truth, the noise is correlated by drizzling and stated wrong by up to 30 %. One in IMPOSTORS is no lens.
Light is made of formulas of its own, none of them lensfit's; of lensfit is the deflection of the mass alone.
"""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from scipy.signal import fftconvolve

from lensfit.datasets import Imaging, write_imaging
from lensfit.lensing import Field, einstein_radius_of
from lensfit.model import LensModel
from lensfit.profiles import EPL, SIS, MassProfile, Shear

FIRST = 400_000
IMPOSTORS = 6
"""One in so many is no lens."""
SLOPE, SHEAR = (2.08, 0.16), 0.05
SIGNAL = (15.0, 100.0)
"""Signal over noise of the brightest pixel of the arcs."""
FINE = 5
"""Sub-pixels along a side of a pixel."""
STATED = 0.3
"""Most by which the noise is stated wrong."""

Light = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""x, y [arcsec] -> brightness."""


@dataclasses.dataclass(frozen=True)
class Camera:
    """Pixels [arcsec], side of a stamp [pixels], full width at half maximum of the PSF [arcsec], electrons of the
    background in a pixel's exposure, share of an output pixel that drizzling drops into."""

    pixel_scale: float
    side: int
    width: float
    background: float
    drop: float


CAMERAS = {
    "hst": Camera(0.05, 140, 0.10, 200.0, 0.8),
    "jwst": Camera(0.03, 200, 0.055, 120.0, 0.75),
    "euclid": Camera(0.1, 90, 0.16, 250.0, 1.0),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """What lens k is: `lens` and `arcs` are brightnesses in the sky, mass None where it is no lens."""

    camera: str
    kind: str
    lens: Light
    arcs: Light
    mass: dict[str, MassProfile] | None
    signal: float
    seed: int

    @classmethod
    def drawn(cls, k: int) -> Scene:
        """Lens k."""
        seed = FIRST + k
        random = np.random.default_rng(seed)
        camera = list(CAMERAS)[k % len(CAMERAS)]
        reach = 0.5 * CAMERAS[camera].side * CAMERAS[camera].pixel_scale
        signal = float(np.exp(random.uniform(*np.log(SIGNAL))))
        if k % IMPOSTORS == IMPOSTORS - 1:
            kind = list(IMPOSTOR)[(k // IMPOSTORS) % len(IMPOSTOR)]
            center = 0.03 * random.standard_normal(2)
            lens, _ = _galaxy(random, *center, random.uniform(0.4, 0.9))
            return cls(camera, kind, lens, IMPOSTOR[kind](random, *center), None, signal, seed)
        kind = list(SOURCES)[random.integers(len(SOURCES))]
        radius = random.uniform(0.7, 1.7)
        x, y = 0.03 * random.standard_normal(2)
        lens, shape = _galaxy(random, x, y, random.uniform(0.6, 1.2))
        e1, e2 = np.clip(np.array(shape) + 0.06 * random.standard_normal(2), -0.35, 0.35)
        gamma1, gamma2 = SHEAR / np.sqrt(2) * random.standard_normal(2)
        mass_x, mass_y = np.array([x, y]) + 0.01 * random.standard_normal(2)
        mass: dict[str, MassProfile] = {
            "epl": EPL(center_x=mass_x, center_y=mass_y, e1=e1, e2=e2, einstein_radius=radius,
                       slope=float(np.clip(random.normal(*SLOPE), 1.6, 2.56))),
            "shear": Shear(gamma1=gamma1, gamma2=gamma2),
        }  # fmt: skip
        offset, angle = 0.3 * radius * np.sqrt(random.uniform()), random.uniform(0, 2 * np.pi)
        source = SOURCES[kind](random, mass_x + offset * np.cos(angle), mass_y + offset * np.sin(angle))
        light = [lens]
        if random.uniform() < 0.2:
            one, satellite = _satellite(random, x, y, radius)
            light.append(one)
            mass["satellite"] = satellite
        light += [_neighbour(random, x, y, radius, reach) for _ in range(random.poisson(0.7))]
        model = LensModel(light={}, mass=mass, source={})

        def arcs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            beta_x, beta_y = model.source_position(x, y)
            return source(np.asarray(beta_x), np.asarray(beta_y))

        return cls(camera, kind, _sum(light), arcs, mass, signal, seed)

    def truth(self) -> dict[str, Any]:
        """True numbers: Einstein radius of the critical curve [arcsec], slope, kind, camera."""
        told: dict[str, Any] = {"kind": self.kind, "camera": self.camera, "signal": round(self.signal, 1)}
        if self.mass is None:
            return told | {"lens": False, "einstein_radius": None, "slope": None}
        camera = CAMERAS[self.camera]
        field = Field(0.0, 0.0, 0.5 * camera.side * camera.pixel_scale)
        radius = einstein_radius_of(LensModel(light={}, mass=self.mass, source={}), field)
        return told | {"lens": True, "einstein_radius": radius, "slope": float(vars(self.mass["epl"])["slope"]),
                       "satellite": "satellite" in self.mass}  # fmt: skip


def _sum(lights: list[Light]) -> Light:
    return lambda x, y: np.sum([light(x, y) for light in lights], axis=0)


def _sersic(r: np.ndarray, size: float, index: float) -> np.ndarray:
    """Brightness at a radius, 1 at the effective radius; b as in Ciotti & Bertin 1999."""
    b = 2 * index - 1 / 3 + 4 / (405 * index)
    return np.exp(-b * ((r / size) ** (1 / index) - 1))


def _stretched(x: np.ndarray, y: np.ndarray, ratio: Any, angle: Any) -> tuple[np.ndarray, np.ndarray]:
    """Along and across an axis, of an ellipse whose intermediate axis is kept."""
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    return along * np.sqrt(ratio), across / np.sqrt(ratio)


def _galaxy(random: np.random.Generator, x: float, y: float, size: float) -> tuple[Light, tuple[float, float]]:
    """An early-type galaxy with isophotes that turn, flatten outwards and are boxy or disky; and its ellipticity
    (e1, e2) inside."""
    ratio, angle = random.uniform(0.65, 0.95), random.uniform(0, np.pi)
    flatter, twist, fourth = random.normal(0, 0.08), random.normal(0, 0.15), random.normal(0, 0.012)
    index = random.uniform(2.5, 5.0)
    halo, share = random.uniform(1.5, 3.0) * size, random.uniform(0.02, 0.15)

    def light(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        dx, dy = a - x, b - y
        r = np.hypot(dx, dy)
        outward = r / (r + size)
        q, phi = np.clip(ratio + flatter * outward, 0.4, 1.0), angle + twist * np.log1p(r / size)
        u, v = _stretched(dx, dy, q, phi)
        radius = np.hypot(u, v) * (1 - fourth * np.cos(4 * np.arctan2(v, u)))
        smooth = np.hypot(radius, 0.01)
        return _sersic(smooth, size, index) + share * _sersic(smooth, halo, 1.0)

    e = (1 - ratio) / (1 + ratio)
    return light, (e * np.cos(2 * angle), e * np.sin(2 * angle))


def _disk(random: np.random.Generator, x: float, y: float, size: float, index: float) -> Light:
    ratio, angle = random.uniform(0.4, 1.0), random.uniform(0, np.pi)

    def light(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return _sersic(np.hypot(*_stretched(a - x, b - y, ratio, angle)), size, index)

    return light


def _knots(
    random: np.random.Generator, x: float, y: float, reach: float, number: int, widths: tuple[float, float]
) -> Light:
    """Knots of Gaussian shape about a place, brighter than what they lie on."""
    places = np.array([x, y]) + reach * random.standard_normal((number, 2))
    sigmas, heights = random.uniform(*widths, number), random.exponential(2.0, number)

    def light(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        knots = zip(places, sigmas, heights, strict=True)
        return np.sum([h * np.exp(-((a - p) ** 2 + (b - q) ** 2) / (2 * s**2)) for (p, q), s, h in knots], axis=0)

    return light


def _spiral_about(random: np.random.Generator, x: float, y: float, size: float, strength: float) -> Light:
    """An exponential disk with two logarithmic arms."""
    ratio, angle = random.uniform(0.6, 1.0), random.uniform(0, np.pi)
    pitch, phase = np.tan(random.uniform(0.25, 0.5)) * random.choice([-1, 1]), random.uniform(0, 2 * np.pi)

    def light(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        u, v = _stretched(a - x, b - y, ratio, angle)
        r = np.hypot(u, v)
        wave = np.cos(2 * (np.arctan2(v, u) - np.log(r / size + 0.05) / pitch) + phase)
        return _sersic(r, size, 1.0) * np.exp(strength * (wave - 1) * r / (r + 0.3 * size))

    return light


def _smooth(random: np.random.Generator, x: float, y: float) -> Light:
    return _disk(random, x, y, random.uniform(0.1, 0.3), random.uniform(0.7, 2.0))


def _clumpy(random: np.random.Generator, x: float, y: float) -> Light:
    size = random.uniform(0.15, 0.3)
    knots = _knots(random, x, y, 0.8 * size, random.integers(3, 10), (0.015, 0.05))
    return _sum([_disk(random, x, y, size, 1.0), knots])


def _spiral(random: np.random.Generator, x: float, y: float) -> Light:
    size = random.uniform(0.15, 0.35)
    return _sum([_spiral_about(random, x, y, size, 1.5), _disk(random, x, y, 0.2 * size, 2.0)])


def _merger(random: np.random.Generator, x: float, y: float) -> Light:
    distance, angle = random.uniform(0.15, 0.4), random.uniform(0, 2 * np.pi)
    other = _disk(random, x + distance * np.cos(angle), y + distance * np.sin(angle), random.uniform(0.06, 0.2), 1.0)
    share = random.uniform(0.4, 1.5)
    return _sum([_disk(random, x, y, random.uniform(0.08, 0.25), 1.2), lambda a, b: share * other(a, b)])


def _compact(random: np.random.Generator, x: float, y: float) -> Light:
    return _disk(random, x, y, random.uniform(0.03, 0.08), random.uniform(1.0, 3.0))


SOURCES: dict[str, Callable[[np.random.Generator, float, float], Light]] = {
    "smooth": _smooth, "clumpy": _clumpy, "spiral": _spiral, "merger": _merger, "compact": _compact,
}


def _satellite(random: np.random.Generator, x: float, y: float, radius: float) -> tuple[Light, SIS]:
    """A small galaxy with mass, 0.8 to 2 Einstein radii from the lens."""
    distance, angle = random.uniform(0.8, 2.0) * radius, random.uniform(0, 2 * np.pi)
    a, b = x + distance * np.cos(angle), y + distance * np.sin(angle)
    light, share = _disk(random, a, b, random.uniform(0.08, 0.2), 2.0), random.uniform(0.2, 0.6)
    return lambda u, v: share * light(u, v), SIS(center_x=a, center_y=b, einstein_radius=random.uniform(0.03, 0.1))


def _neighbour(random: np.random.Generator, x: float, y: float, radius: float, reach: float) -> Light:
    """A galaxy of the field, beyond 1.8 Einstein radii."""
    distance, angle = random.uniform(1.8 * radius, max(1.3 * reach, 2 * radius)), random.uniform(0, 2 * np.pi)
    light = _disk(random, x + distance * np.cos(angle), y + distance * np.sin(angle), random.uniform(0.1, 0.4),
                  random.uniform(1.0, 3.0))  # fmt: skip
    share = np.exp(random.uniform(np.log(0.1), np.log(2.0)))
    return lambda a, b: share * light(a, b)


def _spiral_galaxy(random: np.random.Generator, x: float, y: float) -> Light:
    return _spiral_about(random, x, y, random.uniform(0.8, 1.3), 2.5)


def _tidal_tail(random: np.random.Generator, x: float, y: float) -> Light:
    """One arc on one side, not quite about the galaxy's centre."""
    radius, start, length = random.uniform(0.9, 1.7), random.uniform(0, 2 * np.pi), random.uniform(0.8, 2.0)
    width, grows = random.uniform(0.06, 0.15), random.uniform(0.1, 0.4)

    def light(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        along = np.mod(np.arctan2(b - y, a - x) - start, 2 * np.pi)
        middle = radius * (1 + grows * along)
        tail = np.exp(-((np.hypot(a - x, b - y) - middle) ** 2) / (2 * width**2)) * np.exp(-along / length)
        return np.where(along < 2 * length, tail, 0.0)

    return light


def _ring_of_stars(random: np.random.Generator, x: float, y: float, ends: float = 0.0) -> Light:
    """A ring with knots of star formation, brighter in two places by `ends`."""
    radius, width = random.uniform(0.8, 1.5), random.uniform(0.08, 0.18)
    ratio, angle = random.uniform(0.6, 0.95), random.uniform(0, np.pi)
    directions, number = random.uniform(0, 2 * np.pi, 12), random.integers(4, 12)
    knots = _sum([
        _knots(random, x + radius * np.cos(t) * np.sqrt(1 / ratio), y + radius * np.sin(t) * np.sqrt(ratio), 0.05, 1,
               (0.03, 0.08))
        for t in directions[:number]
    ])  # fmt: skip

    def light(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        u, v = _stretched(a - x, b - y, ratio, angle)
        ring = np.exp(-((np.hypot(u, v) - radius) ** 2) / (2 * width**2))
        return ring * (1 + ends * np.cos(np.arctan2(v, u)) ** 4) + 0.4 * knots(a, b)

    return light


def _barred_ring(random: np.random.Generator, x: float, y: float) -> Light:
    return _ring_of_stars(random, x, y, random.uniform(1.0, 3.0))


def _pair(random: np.random.Generator, x: float, y: float) -> Light:
    """Two small galaxies beside a large one."""
    places = [(random.uniform(0.7, 1.6), random.uniform(0, 2 * np.pi)) for _ in range(2)]
    return _sum([
        _disk(random, x + r * np.cos(t), y + r * np.sin(t), random.uniform(0.1, 0.3), 1.0) for r, t in places
    ])  # fmt: skip


IMPOSTOR: dict[str, Callable[[np.random.Generator, float, float], Light]] = {
    "spiral galaxy": _spiral_galaxy, "tidal tail": _tidal_tail, "ring of stars": _ring_of_stars,
    "barred ring": _barred_ring, "pair": _pair,
}


def moffat(camera: Camera, step: float, width: float, e: tuple[float, float], side: int) -> np.ndarray:
    """A PSF (side, side), Moffat of exponent 3 with elliptical isophotes, sum 1."""
    at = step * (np.arange(side) - (side - 1) / 2)
    x, y = np.meshgrid(at, at)
    ratio, angle = (1 - np.hypot(*e)) / (1 + np.hypot(*e)), 0.5 * np.arctan2(e[1], e[0])
    r = np.hypot(*_stretched(x, y, ratio, angle))
    core = width * camera.width / (2 * np.sqrt(2 ** (1 / 3) - 1))
    made = (1 + (r / core) ** 2) ** -3
    return made / made.sum()


def observed(scene: Scene) -> Imaging:
    """The data of a lens: image, noise as it is stated, PSF as it is believed."""
    camera = CAMERAS[scene.camera]
    random = np.random.default_rng([scene.seed, 1])
    step, side = camera.pixel_scale / FINE, camera.side * FINE
    at = step * (np.arange(side) - (side - 1) / 2)
    x, y = np.meshgrid(at, at)
    true_e = tuple(0.02 * random.standard_normal(2))
    believed_e = tuple(np.array(true_e) + 0.02 * np.array([np.cos(t := random.uniform(0, 6.28)), np.sin(t)]))
    sides = 2 * int(6 * camera.width / camera.pixel_scale) + 1
    psf = moffat(camera, step, 1.0, true_e, sides * FINE)
    wrong = 1 + random.choice([-1, 1]) * random.uniform(0.01, 0.04)
    believed = moffat(camera, step, wrong, believed_e, sides * FINE)
    lens, arcs = (_binned(fftconvolve(light(x, y), psf, mode="same")) for light in (scene.lens, scene.arcs))
    electrons = 10 ** random.uniform(3.0, 4.3) / lens.max()  # in the lens's brightest pixel
    lens = electrons * lens
    arcs = arcs * _factor(scene.signal, arcs, lens, camera.background)
    noise = np.sqrt(lens + arcs + camera.background)
    data = lens + arcs + noise * _correlated(random, (camera.side, camera.side), camera.drop)
    stated = np.exp(random.uniform(-1, 1) * np.log(1 + STATED))
    measured = np.sqrt(np.clip(data, 0, None) + camera.background)
    return Imaging(
        data=data, noise=stated * measured, psf=_binned(believed), mask=np.zeros(data.shape, bool),
        pixel_scale=camera.pixel_scale,
    )  # fmt: skip


def _binned(image: np.ndarray) -> np.ndarray:
    """Sums over FINE x FINE sub-pixels."""
    rows, columns = (n // FINE for n in image.shape)
    return image.reshape(rows, FINE, columns, FINE).sum((1, 3))


def _factor(signal: float, arcs: np.ndarray, lens: np.ndarray, background: float) -> float:
    """By what the arcs are brighter for a signal over noise of their brightest pixel."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        bright = np.exp(middle) * arcs
        low, high = (middle, high) if np.max(bright / np.sqrt(lens + bright + background)) < signal else (low, middle)
    return float(np.exp(low))


def _correlated(random: np.random.Generator, shape: tuple[int, int], drop: float) -> np.ndarray:
    """Noise of unit variance, each pixel's shared with its neighbours as drops of two half-pixel dithers share it."""
    beside = 0.5 * (1 - drop) + 0.05 * (drop < 1)
    along = np.array([beside, 1.0, beside])
    kernel = np.outer(along, along)
    white = random.standard_normal((shape[0] + 2, shape[1] + 2))
    return fftconvolve(white, kernel / np.sqrt(np.sum(kernel**2)), mode="valid")


def make(out: Path, count: int, first: int = 0) -> Path:
    """Write so many, from number `first` on, and their catalogue, whose path is given back."""
    rows = []
    for k in range(first, first + count):
        scene = Scene.drawn(k)
        folder = out / "data" / f"R{k:05}"
        write_imaging(observed(scene), folder)
        (folder / "truth.json").write_text(json.dumps(scene.truth()))
        rows.append({"name": folder.name, "path": f"data/{folder.name}"})
    path = out / "catalogue.ecsv"
    Table(rows).write(path, format="ascii.ecsv", overwrite=True)
    return path
