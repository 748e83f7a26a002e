"""The command line in this process, with a stand-in for the fit."""

import pytest
from stand_in import Fits

from lensfit import cli
from lensfit.analysis import analysis, steps
from lensfit.cli import main
from lensfit.datasets import write_imaging
from lensfit.observations.visibility_observation import VisibilityObservation
from lensfit.results import Quantity

RADIUS = Quantity(1.25, 0.01, "arcsec", "of the critical curve", 0.02)


@pytest.fixture
def data(mock, tmp_path):
    """A folder with the small mock lens."""
    write_imaging(mock.imaging, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def lensfit(monkeypatch, capsys):
    """lensfit(*arguments) -> exit code, standard output, standard error; in this process and with its JAX."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(cli, "setup", lambda: None)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def fits(monkeypatch):
    """fits(...) puts a stand-in for the fit and quick files for its results in place."""

    def write_results(made, *_):
        (made / "result.json").write_text("{}")

    def write_report(made):
        (made / "report.html").write_text(made.name)

    monkeypatch.setattr(VisibilityObservation, "advice", lambda *_: ())
    monkeypatch.setattr(analysis, "write_results", write_results)
    monkeypatch.setattr(analysis, "write_report", write_report)
    monkeypatch.setattr(analysis, "derived_quantities", lambda *_: {"effective_einstein_radius": RADIUS})

    def put(**settings):
        stand_in = Fits(**settings)
        monkeypatch.setattr(steps, "fit", stand_in)
        return stand_in

    return put
