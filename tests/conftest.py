"""One store of compiled programs for a run, double precision before the first array, and small mock lenses to share."""

import atexit
import os
import shutil
import tempfile
import types

from xla_flags import FLAGS

from lensfit.cli import ONE_THREAD

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # workers, commands, scripts and examples inherit it
    STORE = tempfile.mkdtemp(prefix="lensfit-tests-")
    atexit.register(shutil.rmtree, STORE, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = STORE
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

if "NUMBA_NUM_THREADS" not in os.environ:  # each worker has a core
    os.environ |= dict.fromkeys(ONE_THREAD, "1")

if "XLA_FLAGS" not in os.environ:  # compile in a third of the time; `XLA_FLAGS= pytest` compiles as for users
    os.environ.setdefault("NUMBA_OPT", "1")
    os.environ["XLA_FLAGS"] = " ".join(f"--{name}={str(value).lower()}" for name, value in FLAGS.items())

import hypothesis

import lensfit

lensfit.setup()  # as in a user's process: workers and the processes of tests find each other's programs untraced

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from mock_lens import AMPLITUDES, SHAPE, SMALL, TRUTH, imaging_of, observe, small_brightness, small_model  # noqa: E402
from reference import make_mock  # noqa: E402

from lensfit.likelihood.imaging import ImagingLikelihood  # noqa: E402
from lensfit.problem import Problem  # noqa: E402
from lensfit.standard import parametric  # noqa: E402

pytest_plugins = ["cpu_seconds", "sharing"]

hypothesis.settings.register_profile("lensfit", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("lensfit")


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


@pytest.fixture(scope="session")
def small():
    """A problem of 13 parameters without noise in its data; `problem`, `truth` and solved `amplitudes`."""
    image, noise = observe(small_brightness)
    problem = Problem(small_model(), ImagingLikelihood.of(imaging_of(image, noise), 4))
    numbers = {f"{profile}.{name}": v for profile, some in SMALL.items() for name, v in some.items()}
    truth = np.array([numbers[name] for name in problem.names])
    return types.SimpleNamespace(problem=problem, truth=truth, amplitudes=np.array([*AMPLITUDES.values()]))
