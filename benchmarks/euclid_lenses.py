"""Simulated lenses as Euclid's VIS camera would see them, and a catalogue of them.

`drawn(k)` gives the true model of lens k, its instrument and the seed of its noise: pixels of 0.1 arcsec, stamps of
8 arcsec, PSFs of several widths and sizes, masks found from the data, given as a radius or as a file.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from scipy.special import gamma

from lensfit.datasets import write_imaging
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.lensing import Field, einstein_radius_of
from lensfit.model import LensModel
from lensfit.profiles import SIE, Exponential, Sersic, Shear
from lensfit.simulate import simulate_imaging

SCALE, SIDE = 0.1, 80
ZERO_POINT = 25.5
"""AB magnitude of one electron per second."""
SKY = 22.35
"""AB magnitudes per square arcsec of the zodiacal light."""
FIRST = 90_000
PSFS = ((0.14, 21), (0.16, 25), (0.18, 21), (0.2, 31))
"""Full width at half maximum [arcsec] and side [pixels]."""
RADII = (None, None, 2.5, 3.0, 3.5)
"""Radii [arcsec] of masks that are given; None = found from the data."""


def instrument(fwhm: float, size: int) -> Instrument:
    """Four exposures of 560 s."""
    return Instrument(
        pixel_scale=SCALE, psf=gaussian_psf(fwhm, SCALE, size), exposure_time=2240.0, gain=1.0,
        sky=SCALE**2 * 10 ** (-0.4 * (SKY - ZERO_POINT)), read_noise=7.2, unit="electron/s",
    )  # fmt: skip


def drawn(k: int) -> tuple[LensModel, Instrument, int]:
    """Truth, instrument and seed of lens k: Einstein radii of 0.6 to 1.8 arcsec, sources of 22.5 to 24.3 mag."""
    seed = FIRST + k
    random = np.random.default_rng(seed)
    x, y = 0.03 * random.standard_normal(2)
    radius = random.uniform(0.6, 1.8)
    shape = _ellipticity(random, 0.12)
    offset, angle = 0.3 * radius * np.sqrt(random.uniform()), random.uniform(0, 2 * np.pi)
    index, size = random.uniform(2.5, 4.5), random.uniform(0.4, 1.0)
    disk = random.uniform(0.8, 1.6)
    lens, share = random.uniform(18.5, 20.5), random.uniform(0.1, 0.3)
    light = {
        "bulge": Sersic(center_x=x, center_y=y, **_ellipticity(random, 0.1), effective_radius=size, sersic_index=index,
                        intensity=_intensity(lens, size, index) * (1 - share)),
        "disk": Exponential(center_x=x, center_y=y, **_ellipticity(random, 0.1), effective_radius=disk,
                            intensity=_intensity(lens, disk, 1.0) * share),
    }  # fmt: skip
    n, r = random.uniform(0.7, 2.0), random.uniform(0.1, 0.3)
    source = Sersic(center_x=x + offset * np.cos(angle), center_y=y + offset * np.sin(angle),
                    **_ellipticity(random, 0.15), effective_radius=r, sersic_index=n,
                    intensity=_intensity(random.uniform(22.5, 24.3), r, n))  # fmt: skip
    g1, g2 = 0.04 * random.standard_normal(2)
    model = LensModel(
        light=light, source={"sersic": source},
        mass={"sie": SIE(center_x=x, center_y=y, **shape, einstein_radius=radius),
              "shear": Shear(gamma1=g1, gamma2=g2)},
    )  # fmt: skip
    return model, instrument(*PSFS[k % len(PSFS)]), seed


def _ellipticity(random: np.random.Generator, scatter: float) -> dict[str, float]:
    e1, e2 = np.clip(scatter * random.standard_normal(2), -0.35, 0.35)
    return {"e1": float(e1), "e2": float(e2)}


def _intensity(magnitude: float, radius: float, index: float) -> float:
    """Intensity at the effective radius [electron/s/pixel] of a Sersic profile of that magnitude: Graham & Driver
    2005, eq. 4."""
    b = 2 * index - 1 / 3 + 4 / (405 * index)
    area = 2 * np.pi * radius**2 * index * np.exp(b) * b ** (-2 * index) * gamma(2 * index)
    return 10 ** (-0.4 * (magnitude - ZERO_POINT)) * SCALE**2 / area


def make(out: Path, count: int, first: int = 0) -> Path:
    """Write so many lenses, from lens `first` on, and their catalogue, whose path is given back."""
    rows = []
    for k in range(first, first + count):
        model, camera, seed = drawn(k)
        folder = out / "data" / f"E{k:05}"
        imaging = simulate_imaging(model, camera, (SIDE, SIDE), seed=seed)
        write_imaging(imaging, folder)
        radius = RADII[k % len(RADII)]
        if k % 7 == 6:  # a mask beside the data, about the lens, with a corner that a star spoils
            masked = np.hypot(imaging.x, imaging.y) > 3.2
            masked |= np.hypot(imaging.x - 2.4, imaging.y - 1.8) < 0.5
            fits.writeto(folder / "mask.fits", masked.astype(np.uint8), overwrite=True)
            radius = None
        (folder / "truth.json").write_text(json.dumps({"einstein_radius": _radius(model)}))
        rows.append({"name": folder.name, "path": f"data/{folder.name}", "ra": 10 + 0.01 * k, "dec": -30 + 0.005 * k,
                     "mask_radius": np.nan if radius is None else radius})  # fmt: skip
    path = out / "catalogue.ecsv"
    Table(rows).write(path, format="ascii.ecsv", overwrite=True)
    return path


def _radius(model: LensModel) -> float:
    """That of the critical curve, as a survey's table has it [arcsec]: shear makes it another than the profile's."""
    return einstein_radius_of(model.only(), Field(0.0, 0.0, 0.5 * SCALE * SIDE))


def truth(out: Path, name: str) -> dict[str, Any]:
    """True numbers of a lens that was made."""
    return json.loads((out / "data" / name / "truth.json").read_text())
