"""ln L and its gradient by lensfit, for comparison with the peers: python time_lensfit.py mock.npz"""

import common
import jax
import numpy as np

import lensfit
from lensfit.datasets import Imaging
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.problem import Problem
from lensfit.standard import parametric


def log_likelihood(m, flat):
    imaging = Imaging.from_arrays(
        m["data"], m["noise"], m["psf"], pixel_scale=float(m["pixel_scale"]), mask=~m["mask"]
    )
    problem = Problem(parametric(imaging), ImagingLikelihood.of(imaging, 4))
    return problem, np.array([flat[name] for name in problem.names])


def settings(problem, theta):
    value, both = problem.log_likelihood, problem.value_and_grad
    return {
        "4x4": {
            "value": float(value(theta)),
            "gradient_norm": float(np.linalg.norm(both(theta)[1])),
            "value_cpu_s": common.cpu_seconds(lambda: value(theta).block_until_ready()),
            "gradient_cpu_s": common.cpu_seconds(lambda: jax.block_until_ready(both(theta))),
        }
    }


if __name__ == "__main__":
    problem, theta = log_likelihood(*common.load())
    version = f"lensfit {lensfit.__version__}, jax {jax.__version__}"
    common.report("lensfit", version, settings(problem, theta), gradient="jax.value_and_grad")
