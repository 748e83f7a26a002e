"""A run that no fitter made: the truth as its best values, an invented covariance, invented checks."""

import atexit
import dataclasses
import functools
import shutil
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from astropy.wcs import WCS

from lensfit.analysis import Analysis
from lensfit.fitters.result import Basin, FitResult, Search, Variant
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.problem import Problem
from lensfit.space import solve_amplitudes
from lensfit.standard import parametric
from lensfit.verdict import Check, Trust

REASON = "the residuals <b>on the arcs</b> & elsewhere exceed the noise"
FAILED = Trust((Check.of("converged", True, "the last step gained 0.001"), Check.of("residuals", False, REASON)))
PASSED = Trust((Check.of("converged", True, "the last step gained 0.001"),))


def sky(shape, scale, angle=0.4):
    """A tangent projection with North `angle` radians from +y."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.1, 2.2]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    cosine, sine = np.cos(angle), np.sin(angle)
    wcs.wcs.cd = np.array([[-cosine, sine], [sine, cosine]]) * scale / 3600
    wcs.wcs.set()
    return wcs


@functools.cache
def made_problem(mock_imaging):
    """The mock with a WCS, a unit and a hole in the mask, and its problem with amplitudes solved."""
    hole = np.hypot(mock_imaging.x - 0.3, mock_imaging.y - 0.5) < 0.2
    imaging = dataclasses.replace(
        mock_imaging.with_mask(hole),
        wcs=sky(mock_imaging.shape, mock_imaging.pixel_scale),
        unit="MJy / sr",
        notes=("3 pixels masked: noise <= 0",),
        sources=(("data", "/some/where/data.fits", "0" * 64),),
    )
    return imaging, Problem(solve_amplitudes(parametric(imaging)), ImagingLikelihood.of(imaging, 2))


def made_result(problem, truth, trust=FAILED):
    """A FitResult with the truth as its best values."""
    space = problem.space
    theta = np.array([truth[name] for name in problem.names])
    mixing = np.random.default_rng(4).standard_normal((problem.ndim, 2 * problem.ndim))
    covariance = 4e-6 * np.corrcoef(mixing)
    log_likelihood = float(problem.log_likelihood(theta))
    errors = np.sqrt(np.diag(covariance))
    amplitudes = np.asarray(problem.amplitudes(theta))
    mass = np.char.startswith(problem.names, "mass")
    best = dict(zip(problem.names, theta + errors, strict=True))
    model = space.build(jnp.asarray(theta)).filled(jnp.asarray(amplitudes))
    shown = {name: value for name, value in best.items() if name.startswith("mass")}
    return FitResult(
        fitter="staged",
        names=problem.names,
        units=tuple(p.unit for p in space.parameters),
        symbols=tuple(p.symbol for p in space.parameters),
        theta=theta,
        errors=errors,
        covariance=covariance,
        amplitude_names=tuple(p.name for p in space.amplitudes),
        amplitudes=amplitudes,
        amplitude_covariance=np.full((amplitudes.size, problem.ndim + amplitudes.size), np.nan),
        spread=np.where(mass, errors, np.nan),
        variants=(Variant("two sources", 1234.5, shown, counts=False, model=model),),
        search=Search((Basin(theta, 1300.0), Basin(theta, np.inf)), other=theta),
        gain=0.3,
        model=model,
        log_likelihood=log_likelihood,
        log_posterior=np.nan,
        chi2=-2 * (log_likelihood - float(problem.likelihood.log_norm)),
        data_count=problem.likelihood.data_count,
        evaluations=812,
        gradients=344,
        seconds=31.2,
        cpu_seconds=56.7,
        converged=True,
        trust=trust,
        notes=("amplitudes were solved",),
        provenance={"seed": 7},
    )


@functools.cache
def written_run(mock_imaging, truth):
    """Folder, imaging, problem and result of a run that was written; truth as a tuple of pairs."""
    imaging, problem = made_problem(mock_imaging)
    result = made_result(problem, dict(truth))
    folder = Path(tempfile.mkdtemp(prefix="lensfit-run-"))
    atexit.register(shutil.rmtree, folder)
    Analysis.of(problem, result, imaging).save(folder)
    return folder, imaging, problem, result
