"""The linear problem with its calls counted, fitted once by each fitter, and a fitter that another package adds."""

import functools
import importlib
import sys
import types
from pathlib import Path

import analytic
import cases
import numpy as np
import pytest

from lensfit.datasets import Imaging
from lensfit.instruments import gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import LogNormal, Normal
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential
from lensfit.pytree import replace
from lensfit.registry import fit, fitter

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session", autouse=True)
def own(tmp_path_factory):
    """The module of examples/own_fitter.py, installed as a package that states its entry point."""
    site = tmp_path_factory.mktemp("site")
    made = site / "own_fitter-0.1.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: own-fitter\nVersion: 0.1\n")
    (made / "entry_points.txt").write_text("[lensfit.fitters]\ncross-entropy = own_fitter:CrossEntropy\n")
    added = [str(site), str(EXAMPLES)]
    sys.path[:0] = added
    yield importlib.import_module("own_fitter")
    sys.path[:] = [place for place in sys.path if place not in added]
    sys.modules.pop("own_fitter", None)


@pytest.fixture(scope="session")
def exact():
    """The linear problem; its likelihood counts its calls."""
    return analytic.linear(counted=True)


@pytest.fixture(scope="session")
def fitted(exact):
    """fitted(name): the `result` of a fitter's quick settings, seed 5, and the `calls` of the likelihood."""

    @functools.cache
    def run(name):
        before = analytic.counter()
        result = fit(exact.problem, fitter(name, cases.QUICK[name]), seed=5, start=cases.start(name, exact.mean))
        return types.SimpleNamespace(result=result, calls=analytic.counter() - before)

    return run


@pytest.fixture(scope="session")
def short(exact):
    """short(name): the `result` of a fitter's short settings, seed 5, and the `shares` of the work that it told."""

    @functools.cache
    def run(name):
        shares = []
        start = cases.start(name, exact.mean)
        result = fit(exact.problem, fitter(name, cases.SHORT[name]), seed=5, start=start,
                     progress=lambda stage, chi2, share, *_: shares.append(share))
        return types.SimpleNamespace(result=result, shares=shares)

    return run


@pytest.fixture(scope="session")
def tiny_lens():
    """A source behind an invisible lens, 24 x 24 pixels, three free numbers; the problem and the truth."""
    return tiny(24)


@pytest.fixture(scope="session")
def lens_with_sky():
    """The same on 40 x 40 pixels: many of them show nothing but sky."""
    return tiny(40)


def tiny(width):
    bent = {"center_x": 0.03, "center_y": -0.02, "e1": -0.1, "e2": 0.12}

    def model(radius, x, size):
        return LensModel(
            light={},
            mass={"sie": SIE(**bent, einstein_radius=radius)},
            source={"arc": Exponential(center_x=x, center_y=0.08, e1=0.1, e2=-0.2, effective_radius=size,
                                       intensity=0.8)},
        )  # fmt: skip

    sky, psf = np.zeros((width, width)), gaussian_psf(0.2, 0.12, 5)
    frame = Imaging.from_arrays(sky, np.full(sky.shape, 0.05), psf, pixel_scale=0.12)
    empty = ImagingLikelihood.of(frame, 1)
    image = np.asarray(empty.image(model(1.0, 0.1, 0.2)) * empty.inverse_noise)
    noise = np.random.default_rng(4).standard_normal(image.shape)
    likelihood = replace(empty, whitened_data=image + noise * (np.asarray(empty.inverse_noise) > 0))
    free = model(Normal(mean=1.02, sigma=0.05), Normal(mean=0.08, sigma=0.05), LogNormal(median=0.22, sigma=0.3))
    problem = Problem(free, likelihood)
    values = {"mass.sie.einstein_radius": 1.0, "source.arc.center_x": 0.1, "source.arc.effective_radius": 0.2}
    return problem, np.array([values[name] for name in problem.names])
