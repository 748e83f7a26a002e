"""Programs made ahead: each shape of data is fitted once, and nothing of it is kept but its programs."""

from types import SimpleNamespace

import pytest

from lensfit.analysis import warm_up as public
from lensfit.analysis.warming import simulated
from lensfit.cli.parser import parse
from lensfit.errors import ModelError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.problem import Problem
from lensfit.standard import flexible, parametric

HERE = "lensfit.analysis.warming."


@pytest.fixture
def walked(monkeypatch):
    """The data whose road was walked to its end, in place of fits."""
    done = []

    def prepare(data, model, mass, seed):
        masses = {} if mass is None else {"mass": mass}
        problem = Problem(model(data, **masses), ImagingLikelihood.of(data, 2))
        saved = SimpleNamespace(save=lambda folder: done.append(data))
        return SimpleNamespace(problem=problem, along=lambda steps, progress: saved)

    monkeypatch.setattr(HERE + "prepare", prepare)
    monkeypatch.setattr(HERE + "standard_road", lambda begun: ())
    monkeypatch.setattr(HERE + "keeps_programs", lambda: True)
    return done


def test_one_fit_for_each_shape(walked):
    small, large = simulated(20), simulated(40)
    other = small.circular_mask(0.49)
    rows = list(public([small, large, other, small], parametric))
    assert [row.known for row in rows] == [False, False, True, True]
    assert walked == [small, large]


def test_another_model_is_another_shape(walked):
    lens = simulated(20)
    assert [row.known for model in (parametric, flexible) for row in public([lens], model)] == [False, False]


def test_another_mass_is_another_shape(walked):
    lens = simulated(20)
    assert [row.known for mass in (None, "epl") for row in public([lens], parametric, mass=mass)] == [False, False]


def test_images_are_simulated_where_none_are_given(walked):
    assert [row.name for row in public((), parametric, stamps=(20, 24))] == ["20 x 20 pixels", "24 x 24 pixels"]
    assert [data.shape for data in walked] == [(20, 20)], "one box"


def test_programs_must_be_kept_somewhere(walked, monkeypatch):
    monkeypatch.setattr(HERE + "keeps_programs", lambda: False)
    with pytest.raises(ModelError, match=r"lensfit\.setup\(\) first"):
        next(iter(public()))
    assert walked == []


def test_arguments():
    given = parse(["warm-up", "a", "b", "--standard", "flexible", "--pixel-scale", "0.1"])
    assert [str(path) for path in given.data] == ["a", "b"] and given.standard == "flexible" and given.stamp is None
    assert parse(["warm-up", "--stamp", "80", "--stamp", "120"]).stamp == [80, 120]
