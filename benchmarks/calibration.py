"""Do the intervals cover the truth? python benchmarks/calibration.py importance|nuts FIRST STOP

Lenses FIRST to STOP - 1: 40 x 40 pixels, an exponential lens light, an SIE and an exponential source, all 15
parameters drawn from the very priors of the fit, noise seeded by the number of the lens. The optimum is found
from the truth, so that the posterior alone is tested, not the search. Counts the parameters whose central 68
and 95 % intervals hold the truth. One line of JSON for each lens, then the shares with the errors that as many
independent lenses would have (parameters of one lens are correlated: the binomial error counts lenses).
"""
from __future__ import annotations

import argparse
import json
from typing import Any

import jax
import numpy as np

from lensfit.datasets import Imaging
from lensfit.errors import FitError
from lensfit.fitters.base import NoCheckpoint
from lensfit.fitters.importance import Importance
from lensfit.fitters.nuts import NUTS
from lensfit.fitters.result import FitResult
from lensfit.instruments import gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.priors import Disk, LogNormal, Normal
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential
from lensfit.progress import silent
from lensfit.results.files import equal_draws

SIZE, SCALE, NOISE, SUBPIXELS = 40, 0.1, 0.05, 4
SHARES = (0.68, 0.95)
FITTERS = {"importance": Importance(effective_samples=500), "nuts": NUTS(chains=2, samples=300, warmup=75)}


def main() -> None:
    """Run the lenses FIRST to STOP - 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fitter", choices=FITTERS)
    parser.add_argument("first", type=int)
    parser.add_argument("stop", type=int)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    for k in range(arguments.first, arguments.stop):
        rows.append(one(FITTERS[arguments.fitter], k))
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"fitter": arguments.fitter, "lenses": len(rows), **summary(rows)}))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Covered shares of all parameters of the lenses that were sampled, and how many were refused."""
    good = [row for row in rows if "refused" not in row]
    found: dict[str, Any] = {"refused": len(rows) - len(good)}
    for share in SHARES:
        covered = [row[f"inside_{share}"] / row["parameters"] for row in good]
        found[f"inside_{share}"] = float(np.mean(covered))
        found[f"error_{share}"] = float(np.std(covered, ddof=1) / np.sqrt(len(covered)))
        found[f"binomial_error_{share}"] = float(np.sqrt(share * (1 - share) / len(covered)))
    return found


def one(fitter: Any, number: int) -> dict[str, Any]:
    """How many parameters of a lens are inside their intervals."""
    problem, truth = simulated(number)
    try:
        result = fitter.run(problem, seed=number, start=truth, progress=silent, checkpoint=NoCheckpoint())
    except FitError as error:
        return {"lens": number, "refused": str(error)}
    return {"lens": number, "parameters": problem.ndim, **inside(result, truth), "cpu_s": result.cpu_seconds,
            "effective": result.diagnostics.effective_samples, "notes": result.notes}  # fmt: skip


def inside(result: FitResult, truth: np.ndarray) -> dict[str, int]:
    """Parameters whose central intervals hold the truth."""
    theta, _, _ = equal_draws(result)
    below = np.mean(theta < truth, axis=0)
    return {f"inside_{share}": int(np.sum(abs(below - 0.5) < share / 2)) for share in SHARES}


def model() -> LensModel:
    """15 parameters, each with a prior that makes a lens."""
    x, y = Normal(mean=0.0, sigma=0.05), Normal(mean=0.0, sigma=0.05)
    light, mass, source = (Disk(scale=0.15, limit=0.8).parts for _ in range(3))
    return LensModel(
        light={"disk": Exponential(center_x=x, center_y=y, e1=light[0], e2=light[1],
                                   intensity=LogNormal(median=1.0, sigma=0.3),
                                   effective_radius=LogNormal(median=0.5, sigma=0.2))},
        mass={"sie": SIE(center_x=x, center_y=y, e1=mass[0], e2=mass[1],
                         einstein_radius=LogNormal(median=1.1, sigma=0.15))},
        source={"arc": Exponential(center_x=Normal(mean=0.0, sigma=0.15), center_y=Normal(mean=0.0, sigma=0.15),
                                   e1=source[0], e2=source[1], intensity=LogNormal(median=1.0, sigma=0.3),
                                   effective_radius=LogNormal(median=0.2, sigma=0.3))},
    )  # fmt: skip


def simulated(number: int) -> tuple[Problem, np.ndarray]:
    """A lens drawn from the priors, observed with noise, and its true theta (n,)."""
    rng = np.random.default_rng([2027, number])
    empty = Imaging.from_arrays(
        np.zeros((SIZE, SIZE)), np.full((SIZE, SIZE), NOISE), gaussian_psf(0.15, SCALE, 7), pixel_scale=SCALE
    )
    blank = Problem(model(), ImagingLikelihood.of(empty, SUBPIXELS))
    theta = blank.draw(rng, 1)[0]
    used = np.asarray(blank.likelihood.inverse_noise) > 0  # the frame about the image is not observed
    image = NOISE * np.asarray(blank.residuals(theta))[used].reshape(SIZE, SIZE)
    data = image + NOISE * rng.standard_normal(image.shape)
    imaging = Imaging.from_arrays(data, np.asarray(empty.noise), np.asarray(empty.psf), pixel_scale=SCALE)
    return Problem(model(), ImagingLikelihood.of(imaging, SUBPIXELS)), theta


if __name__ == "__main__":
    main()
