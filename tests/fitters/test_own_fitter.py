"""The fitter of examples/own_fitter.py: as an object, by its entry point, and resumed."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from test_battery import same

from lensfit.errors import FitError
from lensfit.fitters import Store
from lensfit.registry import fit, fitter, fitters

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def own(monkeypatch):
    """The module of the example."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "own_fitter", raising=False)
    return importlib.import_module("own_fitter")


def test_as_an_object(own, exact):
    result = fit(exact.problem, own.CrossEntropy(), seed=1)
    np.testing.assert_allclose(result.theta, exact.mean, atol=0.2 * np.sqrt(np.diag(exact.covariance)).min())
    assert result.evaluations == 3000 and result.converged and result.trust.word == "UNCHECKED"


def test_by_entry_point(own, exact, tmp_path, monkeypatch):
    with pytest.raises(FitError, match="no fitter named 'cross-entropy'"):
        fitter("cross-entropy")
    made = tmp_path / "own_fitter-0.1.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: own-fitter\nVersion: 0.1\n")
    (made / "entry_points.txt").write_text("[lensfit.fitters]\ncross-entropy = own_fitter:CrossEntropy\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert fitters()[-1] == "cross-entropy"
    chosen = fitter("cross-entropy", {"generations": 30})
    assert chosen == own.CrossEntropy()
    same(fit(exact.problem, chosen, seed=1), fit(exact.problem, own.CrossEntropy(), seed=1))


def test_resumed(own, exact, tmp_path):
    def stop(stage, chi2, share, *_):
        if share > 0.5:
            raise RuntimeError

    store, whole = Store(tmp_path, interval=0.0), fit(exact.problem, own.CrossEntropy(), seed=1)
    with pytest.raises(RuntimeError):
        fit(exact.problem, own.CrossEntropy(), seed=1, checkpoint=store, progress=stop)
    same(fit(exact.problem, own.CrossEntropy(), seed=1, checkpoint=store), whole)
