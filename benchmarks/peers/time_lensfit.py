"""ln L and its gradient by lensfit, for comparison with the peers: python time_lensfit.py mock.npz [SIE|EPL]"""

import common
import jax
import numpy as np

import lensfit
from lensfit.datasets import Imaging
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.problem import Problem
from lensfit.standard import parametric


def likelihoods(m, flat, mass):
    """Problems that are sampled 4x4 wherever light is needed, and, as PyAutoLens does, in the mask alone."""
    imaging = Imaging.from_arrays(
        m["data"], m["noise"], m["psf"], pixel_scale=float(m["pixel_scale"]), mask=~m["mask"]
    )
    model = parametric(imaging, mass=mass.lower())
    levels = {"4x4": 4, "4x4 in the mask": np.where(m["mask"], 4, 1)}
    values = flat | {name.replace("mass.sie", "mass.epl"): value for name, value in flat.items()}
    values["mass.epl.slope"] = 2.0
    problems = {name: Problem(model, ImagingLikelihood.of(imaging, level)) for name, level in levels.items()}
    return problems, np.array([values[name] for name in problems["4x4"].names])


def measured(problem, theta):
    value, both = problem.log_likelihood, problem.value_and_grad
    return {
        "value": float(value(theta)),
        "gradient_norm": float(np.linalg.norm(both(theta)[1])),
        "value_cpu_s": common.cpu_seconds(lambda: value(theta).block_until_ready()),
        "gradient_cpu_s": common.cpu_seconds(lambda: jax.block_until_ready(both(theta))),
    }


if __name__ == "__main__":
    problems, theta = likelihoods(*common.load(), common.mass())
    settings = {name: measured(problem, theta) for name, problem in problems.items()}
    version = f"lensfit {lensfit.__version__}, jax {jax.__version__}"
    alike = settings.pop("4x4 in the mask")
    common.report("lensfit", version, settings, gradient="jax.value_and_grad", in_the_mask=alike)
