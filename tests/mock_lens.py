"""The small mock lenses that many tests share: images from the plain formulae, and a model of 13 parameters."""

import numpy as np
from reference import make_mock
from scipy.signal import convolve2d

from lensfit.datasets import Imaging
from lensfit.model import LensModel
from lensfit.priors import Disk, LogNormal, Normal, Solved, Uniform
from lensfit.profiles import SIE, Exponential

SHAPE, SCALE = (30, 34), 0.12
TRUTH = make_mock.parameters(
    light__disk__effective_radius=0.7, source__sersic__effective_radius=0.25, mass__sie__einstein_radius=1.1
)


def odd_psf():
    """A PSF that no reflection or transposition leaves as it is, on 5 x 5 pixels."""
    psf = np.outer([0.3, 1.0, 3.0, 1.5, 0.2], [0.1, 0.8, 3.0, 1.0, 0.5])
    psf[0, 4] += 0.6
    return psf / psf.sum()


def observe(brightness):
    """Image (30, 34) of brightness(x, y), 4 x 4 sub-pixels and the PSF, and its noise."""
    steps = SCALE * ((np.arange(4) + 0.5) / 4 - 0.5)
    y, x = (SCALE * (np.indices(SHAPE)[k] - (SHAPE[k] - 1) / 2) for k in (0, 1))
    sharp = sum(brightness(x + dx, y + dy) for dx in steps for dy in steps) / 16
    image = convolve2d(sharp, odd_psf(), mode="same")
    return image, 0.02 * np.sqrt(1 + image)


def imaging_of(data, noise):
    return Imaging.from_arrays(data, noise, odd_psf(), pixel_scale=SCALE).circular_mask(1.55)


SMALL = {
    "light.disk": {"center_x": 0.03, "center_y": -0.02, "e1": 0.1, "e2": 0.05, "effective_radius": 0.5},
    "mass.sie": {"center_x": 0.03, "center_y": -0.02, "e1": -0.1, "e2": 0.12, "einstein_radius": 1.0},
    "source.arc": {"center_x": 0.1, "center_y": 0.08, "e1": 0.1, "e2": -0.2, "effective_radius": 0.3},
}
AMPLITUDES = {"light.disk.intensity": 1.2, "source.arc.intensity": 0.8, "sky": 0.05}


def small_brightness(x, y):
    ax, ay = make_mock.sie(x, y, **SMALL["mass.sie"])
    light = make_mock.sersic(x, y, intensity=AMPLITUDES["light.disk.intensity"], **SMALL["light.disk"])
    source = {"intensity": AMPLITUDES["source.arc.intensity"], **SMALL["source.arc"]}
    return light + make_mock.sersic(x - ax, y - ay, **source) + AMPLITUDES["sky"]


def small_model():
    """Exponential light and source, an SIE of the light's centre; amplitudes and sky solved."""
    x, y = Normal(mean=0.0, sigma=0.05), Normal(mean=0.0, sigma=0.05)
    light, mass, source = (Disk(scale=0.2, limit=0.8).parts for _ in range(3))
    radius = LogNormal(median=0.4, sigma=0.5)
    return LensModel(
        light={
            "disk": Exponential(
                center_x=x, center_y=y, e1=light[0], e2=light[1], intensity=Solved(), effective_radius=radius
            )
        },
        mass={
            "sie": SIE(
                center_x=x,
                center_y=y,
                e1=mass[0],
                e2=mass[1],
                einstein_radius=Uniform(low=0.3, high=1.5),
            )
        },
        source={
            "arc": Exponential(
                center_x=Normal(mean=x, sigma=0.2),
                center_y=Normal(mean=y, sigma=0.2),
                e1=source[0],
                e2=source[1],
                intensity=Solved(),
                effective_radius=LogNormal(median=0.3, sigma=0.5),
            )
        },
        sky=Solved(positive=False),
    )
