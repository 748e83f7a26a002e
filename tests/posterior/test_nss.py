"""Nested slice sampling on known evidences."""

import numpy as np
import pytest
from posterior.known import linear
from posterior.test_importance import Kept

from lensfit.fitters.base import NoCheckpoint
from lensfit.fitters.nss import NSS
from lensfit.progress import silent


def run(problem, seed=1, checkpoint=None, **settings):
    return NSS(**settings).run(
        problem, seed=seed, start=None, progress=silent, checkpoint=checkpoint or NoCheckpoint()
    )


SLOW = (pytest.param(*numbers, marks=pytest.mark.slow) for numbers in ((3, 1), (10, 10)))


@pytest.mark.parametrize(("count", "num_delete"), [(3, 10), *SLOW])
def test_linear_model(count, num_delete):
    problem, mean, covariance, log_evidence = linear(count)
    found = run(problem, num_live=200, num_delete=num_delete)
    assert abs(found.log_evidence - log_evidence) < 3 * found.log_evidence_error < 2.5
    size, error = found.diagnostics.effective_samples, np.sqrt(np.diag(covariance))
    assert np.all(abs(found.weights @ found.samples - mean) < 4 * error / np.sqrt(size))
    np.testing.assert_allclose(found.errors, error, rtol=4 / np.sqrt(2 * size))


def test_same_seed_same_result_also_after_a_stop():
    problem, *_ = linear(3)
    settings = {"num_live": 50, "num_delete": 10}
    whole = run(problem, **settings)
    kept = Kept(4)
    with pytest.raises(KeyboardInterrupt):
        run(problem, checkpoint=kept, **settings)
    again = run(problem, checkpoint=Kept(0, kept.state), **settings)
    assert np.array_equal(again.samples, whole.samples) and again.log_evidence == whole.log_evidence
