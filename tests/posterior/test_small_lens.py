"""Two ways to the posterior of a small lens, solved amplitudes and all."""

import numpy as np
import pytest

from lensfit.fitters.importance import Importance
from lensfit.fitters.nuts import NUTS
from lensfit.registry import fit


@pytest.mark.slow
def test_importance_and_nuts_agree(small):
    problem = small.problem
    weighted = fit(problem, Importance(effective_samples=1000), seed=1, start=small.truth)
    chains = fit(problem, NUTS(chains=2, samples=300, warmup=50), seed=1, start=small.truth)
    assert "solved amplitudes" in weighted.notes[-1]
    size = min(weighted.diagnostics.effective_samples, chains.diagnostics.effective_samples)
    assert size > 200 and chains.diagnostics.divergences == 0 and chains.diagnostics.r_hat < 1.02
    shift = (weighted.weights @ weighted.samples - chains.samples.mean(axis=0)) / chains.errors
    assert np.max(abs(shift)) < 4.5 * np.sqrt(2 / size)
    np.testing.assert_allclose(weighted.errors, chains.errors, rtol=4.5 / np.sqrt(size))
    np.testing.assert_allclose(weighted.amplitude_errors, chains.amplitude_errors, rtol=0.4)
    pulls = (weighted.theta - small.truth) / weighted.errors
    assert np.max(abs(pulls)) < 1, "data without noise: only the prior moves the optimum"
