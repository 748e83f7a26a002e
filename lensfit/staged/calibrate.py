"""Model and calibration of visibilities brought to their joint optimum."""
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.likelihood.joint import Observations
from lensfit.model import LensModel
from lensfit.staged.case import Case
from lensfit.staged.joint import Joint
from lensfit.staged.visibilities import bright_image

ALIGNMENTS = 4
"""Rounds of imaging all datasets and aligning them on that image."""
ROUNDS = 12
"""Most rounds of fitting the model and taking the calibration up at its image."""
SETTLED = 0.1
"""Change of chi2 + |z|^2 from one round to the next that ends them."""


def align(observations: Observations) -> Observations:
    """Shifts of the further datasets from the non-negative image of all, before any model.

    Flux scales wait for a model: the image lacks what is faint, and antennas with wrong phases lack flux.
    """
    for _ in range(ALIGNMENTS if len(observations.datasets) > 1 else 0):
        observations = observations.aligned(bright_image(observations.likelihood()))
    return observations


def calibrate(case: Case, observations: Observations, theta: np.ndarray) -> Observations:
    """The observations calibrated at the joint optimum near theta (n,) of the case's space."""
    joint, before = Joint.of(case), np.inf
    for _ in range(ROUNDS):
        likelihood = observations.likelihood()
        point = joint.descend(likelihood, theta, 30, 0.02)
        theta = np.asarray(point.theta)
        model = case.space.build(jnp.asarray(theta)).filled(point.amplitudes)
        observations = observations.calibrated(np.asarray(seen(likelihood, model)))
        if abs(before - float(point.objective)) < SETTLED:
            break
        before = float(point.objective)
    return observations


@jax.jit
def seen(likelihood: Any, model: LensModel) -> jax.Array:
    """What the antennas see (H, W) [Jy/pixel] of a model with numbers."""
    return likelihood.image(model)
