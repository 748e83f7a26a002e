"""Double precision before the first array, and one small mock lens that many tests share."""

import types

import hypothesis
import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from reference import make_mock  # noqa: E402
from scipy.signal import convolve2d  # noqa: E402

from lensfit.datasets import Imaging  # noqa: E402
from lensfit.likelihood.imaging import ImagingLikelihood  # noqa: E402
from lensfit.problem import Problem  # noqa: E402
from lensfit.standard import parametric  # noqa: E402

hypothesis.settings.register_profile("lensfit", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("lensfit")

SHAPE, SCALE = (30, 34), 0.12
TRUTH = make_mock.parameters(
    light__disk__effective_radius=0.7, source__sersic__effective_radius=0.25, mass__sie__einstein_radius=1.1
)


def odd_psf():
    """A PSF that no reflection or transposition leaves as it is, on 5 x 5 pixels."""
    psf = np.outer([0.3, 1.0, 3.0, 1.5, 0.2], [0.1, 0.8, 3.0, 1.0, 0.5])
    psf[0, 4] += 0.6
    return psf / psf.sum()


@pytest.fixture(scope="session")
def mock():
    """A lens of 30 x 34 pixels from the plain formulae: `imaging`, `noise_free` and `truth` by name."""
    steps = SCALE * ((np.arange(4) + 0.5) / 4 - 0.5)
    y, x = (SCALE * (np.indices(SHAPE)[k] - (SHAPE[k] - 1) / 2) for k in (0, 1))
    sharp = sum(make_mock.brightness(x + dx, y + dy, TRUTH) for dy in steps for dx in steps) / 16
    image = convolve2d(sharp, odd_psf(), mode="same")
    noise = 0.02 * np.sqrt(1 + image)

    def observed(data):
        made = Imaging.from_arrays(data, noise, odd_psf(), pixel_scale=SCALE)
        return made.circular_mask(1.55)

    noisy = image + noise * np.random.default_rng(3).standard_normal(SHAPE)
    return types.SimpleNamespace(imaging=observed(noisy), noise_free=observed(image), truth=TRUTH)


@pytest.fixture(scope="session")
def likelihood(mock):
    """The likelihood of the mock lens, 4 x 4 sub-pixels on every pixel."""
    return ImagingLikelihood.of(mock.imaging, 4)


@pytest.fixture(scope="session")
def problem(mock, likelihood):
    """The 25-parameter problem of the mock lens."""
    return Problem(parametric(mock.imaging), likelihood)


@pytest.fixture(scope="session")
def truth(mock, problem):
    """theta (25,) that made the mock lens."""
    return jnp.array([mock.truth[name] for name in problem.names])
