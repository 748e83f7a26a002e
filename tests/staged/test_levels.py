"""The coarse level sees what the medium one sees: the same light, on pixels twice as large."""

import jax
import numpy as np

from lensfit.datasets import Imaging
from lensfit.instruments import gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.profiles import Exponential
from lensfit.staged.case import Levels

SCALE = 0.05
GALAXY = LensModel(
    light={
        "disk": Exponential(center_x=0.13, center_y=-0.21, e1=0.2, e2=-0.1, intensity=3.0, effective_radius=0.4)
    },
    mass={},
    source={},
    sky=0.1,
)
whitened = jax.jit(lambda likelihood, model: likelihood.image(model) * likelihood.inverse_noise)


def test_light_is_binned_onto_its_own_place():
    """Against the same light evaluated on the coarse pixels, which err by 0.7 % themselves at the cusp.

    The mask is off the middle and the image of odd sides, so that boxes and blocks do not begin together.
    """
    shape = (75, 81)
    empty = Imaging.from_arrays(np.zeros(shape), np.full(shape, 0.02), gaussian_psf(0.1, SCALE, 11), pixel_scale=SCALE)
    likelihood = ImagingLikelihood.of(empty.circular_mask(1.1, center=(0.23, -0.31)))
    levels = Levels.of(likelihood)
    binned = levels.binned(np.asarray(whitened(levels.medium, GALAXY)))
    direct = np.asarray(whitened(levels.coarse, GALAXY))
    used = np.asarray(levels.coarse.inverse_noise) > 0
    assert used.sum() > 300 and not binned[~used].any()
    error = np.abs(binned - direct)[used].max()
    moved = [np.abs(np.roll(binned, 1, axis) - direct)[used].max() for axis in (0, 1)]
    assert error < 0.02 * direct.max()
    assert min(moved) > 10 * error
