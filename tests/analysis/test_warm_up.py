"""Programs made ahead: each shape of data is fitted once, and nothing of it is kept but its programs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lensfit import cli
from lensfit.analysis import warm_up as public
from lensfit.analysis.warming import simulated
from lensfit.cli.parser import parse
from lensfit.errors import ModelError
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.problem import Problem
from lensfit.recipe import DataSection
from lensfit.standard import flexible, parametric

HERE = "lensfit.analysis.warming."


@pytest.fixture
def walked(monkeypatch):
    """The data whose road was walked to its end, in place of fits."""
    done = []

    def road_as(section, data, model):
        masses = {} if section.mass is None else {"mass": section.mass}
        problem = Problem(model(data, **masses), ImagingLikelihood.of(data, 2))
        saved = SimpleNamespace(save=lambda folder: done.append(data))
        return SimpleNamespace(problem=problem, along=lambda steps, progress: saved), ()

    monkeypatch.setattr(HERE + "road_as", road_as)
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


@pytest.fixture
def begun(monkeypatch):
    """lensfit warm-up ARGUMENTS: the data and all that `prepare` is given, for each lens up to the first."""

    def run(*arguments):
        given = {}

        def prepare(data, model, **said):
            given.update(said, data=data, model=model)
            raise ModelError("this is enough")

        monkeypatch.setattr(cli, "setup", lambda: None)
        monkeypatch.setattr(HERE + "keeps_programs", lambda: True)
        monkeypatch.setattr("lensfit.analysis.road.prepare", prepare)
        assert cli.main(["warm-up", *map(str, arguments)]) == 3
        return given

    return run


def test_the_model_that_is_warmed_is_the_one_that_is_asked_for(begun, tmp_path):
    given = begun("a", "--standard", "flexible", "--mass", "sie", "--light-bands", "shared", "--source-bands", "scaled")
    assert given.pop("data") == DataSection(path=Path("a"))
    assert given == {"model": "flexible", "mass": "sie", "light_bands": "shared", "source_bands": "scaled", "seed": 0}
    recipe = tmp_path / "m.toml"
    bands = '[data.V]\npath = "v"\n[data.J]\npath = "j"\n'
    recipe.write_text(bands + '[fit]\nstandard = "flexible"\nlight_bands = "own"\n')
    given = begun("--model", recipe, "--source-bands", "shared")
    assert given["data"] == {name: DataSection(path=tmp_path / name.lower()) for name in "VJ"}, "one lens in two bands"
    assert (given["light_bands"], given["source_bands"]) == ("own", "shared")
    assert begun("--model", recipe, "--stamp", "20")["data"].shape == (20, 20)


def test_one_image_has_no_structure_in_several_bands(monkeypatch):
    monkeypatch.setattr(HERE + "keeps_programs", lambda: True)
    rows = public([simulated(20)], "flexible", light_bands="shared", source_bands="own")
    with pytest.raises(ModelError, match="several bands is for images with a name each"):
        next(iter(rows))


def test_arguments():
    given = parse(["warm-up", "a", "b", "--standard", "flexible", "--pixel-scale", "0.1"])
    assert [str(path) for path in given.data] == ["a", "b"] and given.standard == "flexible" and given.stamp is None
    assert parse(["warm-up", "--stamp", "80", "--stamp", "120"]).stamp == [80, 120]
