"""One store of compiled programs for a run, double precision before the first array, and small mock lenses to share."""

import atexit
import os
import shutil
import tempfile
import types

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # workers, commands, scripts and examples inherit it
    STORE = tempfile.mkdtemp(prefix="lensfit-tests-")
    atexit.register(shutil.rmtree, STORE, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = STORE
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

if "XLA_FLAGS" not in os.environ:  # compile in a third of the time; `XLA_FLAGS= pytest` compiles as for users
    os.environ["XLA_FLAGS"] = (
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
        "--xla_cpu_use_fusion_emitters=false"
    )

import hypothesis
import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from reference import make_mock  # noqa: E402
from scipy.signal import convolve2d  # noqa: E402

from lensfit.datasets import Imaging  # noqa: E402
from lensfit.likelihood.imaging import ImagingLikelihood  # noqa: E402
from lensfit.model import LensModel  # noqa: E402
from lensfit.priors import Disk, LogNormal, Normal, Solved, Uniform  # noqa: E402
from lensfit.problem import Problem  # noqa: E402
from lensfit.profiles import SIE, Exponential  # noqa: E402
from lensfit.standard import parametric  # noqa: E402

pytest_plugins = ["cpu_seconds", "sharing"]

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


def observe(brightness):
    """Image (30, 34) of brightness(x, y), 4 x 4 sub-pixels and the PSF, and its noise."""
    steps = SCALE * ((np.arange(4) + 0.5) / 4 - 0.5)
    y, x = (SCALE * (np.indices(SHAPE)[k] - (SHAPE[k] - 1) / 2) for k in (0, 1))
    sharp = sum(brightness(x + dx, y + dy) for dx in steps for dy in steps) / 16
    image = convolve2d(sharp, odd_psf(), mode="same")
    return image, 0.02 * np.sqrt(1 + image)


def imaging_of(data, noise):
    return Imaging.from_arrays(data, noise, odd_psf(), pixel_scale=SCALE).circular_mask(1.55)


@pytest.fixture(scope="session")
def mock():
    """A lens of 30 x 34 pixels from the plain formulae: `imaging`, `image` without noise, `truth` by name."""
    image, noise = observe(lambda x, y: make_mock.brightness(x, y, TRUTH))
    data = image + noise * np.random.default_rng(3).standard_normal(SHAPE)
    return types.SimpleNamespace(imaging=imaging_of(data, noise), image=image, truth=TRUTH)


@pytest.fixture(scope="session")
def likelihood(mock):
    """The likelihood of the mock lens, 2 x 2 sub-pixels on every pixel."""
    return ImagingLikelihood.of(mock.imaging, 2)


@pytest.fixture(scope="session")
def problem(mock, likelihood):
    """The 25-parameter problem of the mock lens."""
    return Problem(parametric(mock.imaging), likelihood)


@pytest.fixture(scope="session")
def truth(mock, problem):
    """theta (25,) that made the mock lens."""
    return np.array([mock.truth[name] for name in problem.names])


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


@pytest.fixture(scope="session")
def small():
    """A problem of 13 parameters without noise in its data; `problem`, `truth` and solved `amplitudes`."""
    image, noise = observe(small_brightness)
    problem = Problem(small_model(), ImagingLikelihood.of(imaging_of(image, noise), 4))
    numbers = {f"{profile}.{name}": v for profile, some in SMALL.items() for name, v in some.items()}
    truth = np.array([numbers[name] for name in problem.names])
    return types.SimpleNamespace(
        problem=problem, truth=truth, amplitudes=np.array([*AMPLITUDES.values()]), numbers=SMALL, model=small_model
    )
