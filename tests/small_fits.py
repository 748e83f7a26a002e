"""A small lens with noise, its problem of 13 parameters, and results that no fitter had to find."""

import dataclasses

import numpy as np

from lensfit.fitters.laplace import Laplace, values_at
from lensfit.fitters.result import Basin, Clock, Search, result_of
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import Disk, LogNormal, Normal, Solved, Uniform
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential
from lensfit.simulate import simulate_imaging

LENS = LensModel(
    light={"disk": Exponential(center_x=0.03, center_y=-0.02, e1=0.1, e2=0.05, intensity=1.0, effective_radius=0.4)},
    mass={"sie": SIE(center_x=0.03, center_y=-0.02, e1=-0.1, e2=0.12, einstein_radius=1.0)},
    source={"arc": Exponential(center_x=0.12, center_y=0.08, e1=0.1, e2=-0.2, intensity=0.8, effective_radius=0.15)},
)


def model():
    """Exponential light and source, an SIE of the light's centre; amplitudes and sky solved."""
    x, y = Normal(mean=0.0, sigma=0.05), Normal(mean=0.0, sigma=0.05)
    light, mass, source = (Disk(scale=0.2, limit=0.8).parts for _ in range(3))
    size = {"intensity": Solved(), "effective_radius": LogNormal(median=0.4, sigma=0.5)}
    small = {"intensity": Solved(), "effective_radius": LogNormal(median=0.2, sigma=0.5)}
    beside = {"center_x": Normal(mean=x, sigma=0.2), "center_y": Normal(mean=y, sigma=0.2)}
    return LensModel(
        light={"disk": Exponential(center_x=x, center_y=y, e1=light[0], e2=light[1], **size)},
        mass={"sie": SIE(center_x=x, center_y=y, e1=mass[0], e2=mass[1], einstein_radius=Uniform(low=0.3, high=2.0))},
        source={"arc": Exponential(**beside, e1=source[0], e2=source[1], **small)},
        sky=Solved(positive=False),
    )


def observed(model=LENS):
    """The lens on 48 x 48 pixels of 0.1 arcsec, the disc of 2.2 arcsec used."""
    instrument = Instrument(pixel_scale=0.1, psf=gaussian_psf(0.2, 0.1, 7), exposure_time=1000.0, gain=1.0, sky=0.1,
                            read_noise=5.0, unit="e/s")  # fmt: skip
    return simulate_imaging(model, instrument, (48, 48), seed=3).circular_mask(2.2)


def posed(imaging, asked=None):
    """The problem of an image, with the same compiled programs for every image of that mask."""
    return Problem(asked or model(), ImagingLikelihood.of(imaging, 2))


def numbers(problem, model=LENS):
    """theta (n,) of a problem at the numbers of a model."""
    flat = {}
    for group in ("light", "mass", "source"):
        for name, profile in getattr(model, group).items():
            flat |= {f"{group}.{name}.{f.name}": getattr(profile, f.name) for f in dataclasses.fields(profile)}
    return np.array([flat[name] for name in problem.names], float)


def found_at(problem, theta, **known):
    """A result at theta (n,), its errors 0.001; `known` is what the fitter tells."""
    curvature = Laplace(values_at(problem.space, problem.likelihood, theta), np.full((0, 0), np.nan))
    size = len(theta) + len(problem.space.amplitudes)
    errors = np.append(1e-3 * np.ones(len(theta)), np.full(size - len(theta), np.nan))
    curvature = dataclasses.replace(curvature, covariance=np.diag(errors**2))
    result = result_of(problem, theta, fitter="made", clock=Clock.start(), converged=True, evaluations=1, gradients=1,
                       curvature=curvature, gain=0.1)  # fmt: skip
    return dataclasses.replace(result, **known)


def searched(theta):
    """What a search tells that found one basin, twice."""
    return Search((Basin(theta, 100.0),), other=theta)
