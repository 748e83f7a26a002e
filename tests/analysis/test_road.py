"""The road: the command and Python give the same numbers; steps are values; what is saved is loaded."""

import dataclasses
import json
import warnings
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from documents import quantities, same, same_result
from run_files import IMAGE_FILES

import lensfit
from lensfit import cli, progress
from lensfit.analysis import (
    Analysis,
    Companions,
    Posterior,
    Region,
    Search,
    SourceOnPixels,
    analysis,
    road,
    standard_road,
    warming,
)
from lensfit.cli import fit_many, main
from lensfit.datasets import write_imaging
from lensfit.errors import DataError, FitError, ModelError
from lensfit.fitters.lm import LM
from lensfit.observations import observe
from lensfit.progress import silent
from lensfit.recipe import FitSection
from lensfit.recipe.recipe_file import READERS
from lensfit.registry import name_of
from lensfit.results import enlist, headline, read_document
from lensfit.standard import parametric
from lensfit.survey import Lens, read_catalogue
from lensfit.survey.lens_task import fitted


@pytest.fixture(scope="module")
def lens(mock, tmp_path_factory):
    """The small mock lens as files, fitted by one call, and saved."""
    data, run = tmp_path_factory.mktemp("data") / "lens", tmp_path_factory.mktemp("runs")
    write_imaging(mock.imaging, data)
    done = lensfit.analyse(data, seed=3, progress=silent)
    return SimpleNamespace(data=data, done=done, run=done.save(run / "python"), runs=run)


def test_the_command_gives_the_same_numbers(lens, monkeypatch):
    monkeypatch.setattr(cli, "setup", lambda: None)
    out = lens.runs / "command"
    code = main(["fit", str(lens.data), "--seed", "3", "--out", str(out), "--quiet"])
    assert code == (0 if lens.done.trust.trusted else 4)
    same(*(read_document(folder) for folder in (lens.run, out)))
    assert {path.name for path in lens.run.iterdir()} == set(IMAGE_FILES)
    assert {path.name for path in out.iterdir()} == {*IMAGE_FILES, "log.txt"}
    assert (out / "recipe.toml").read_text() == (lens.run / "recipe.toml").read_text()


def test_one_headline_everywhere(lens):
    radius, page = lens.done.einstein_radius, (lens.run / "report.html").read_text()
    row = read_document(lens.run)["derived"]["effective_einstein_radius"]
    assert (row["value"], row["error"], row["spread"], row["total"]) == (
        radius.value, radius.error, radius.spread, radius.total
    )  # fmt: skip
    assert radius.total == np.hypot(radius.error, radius.spread) and radius.spread > 0
    digits = str(radius).split()[0]
    told = f"{digits} +- {radius.total:.2g} arcsec (statistical {radius.error:.2g}, spread over neighbouring models"
    assert told in lens.done.summary() and told in repr(lens.done)
    assert f"Einstein radius {digits} ± " in page and digits in page
    assert lens.done.trust.word in lens.done.summary() and lens.done.trust.word in page
    assert len(repr(lens.done).splitlines()) == 1


def test_what_is_saved_is_loaded(lens):
    loaded = lensfit.load(lens.run)
    same_result(lens.done.result, loaded.result)
    np.testing.assert_equal(quantities(loaded), quantities(lens.done))
    assert (loaded.trust, loaded.notes, loaded.fit, loaded.road) == (
        lens.done.trust, lens.done.notes, dataclasses.replace(lens.done.fit, standard=None), lens.done.road
    )  # fmt: skip
    assert loaded.summary() == lens.done.summary() and repr(loaded) == repr(lens.done)
    assert loaded.problem.names == lens.done.problem.names
    theta = loaded.result.theta
    assert loaded.problem.log_likelihood(theta) == lens.done.problem.log_likelihood(theta)
    documents = [read_document(folder) for folder in (lens.run, loaded.save(lens.runs / "again"))]
    for document in documents:
        assert [source.pop("path")[-20:] for source in document["data"]["sources"]]
        document["data"]["described"] = [row for row in document["data"]["described"] if row[0] != "pixel scale"]
    same(*documents)


@pytest.mark.parametrize("step", ["importance", Posterior])
def test_what_is_no_step_is_refused_with_what_one_is(lens, step):
    with pytest.raises(ModelError, match=r'is no step: give one of .*Posterior\("importance"\)'):
        lens.done.then(step)


def test_data_that_are_gone_are_told_when_they_are_asked_for(lens, mock, tmp_path):
    analysis = Analysis.of(lens.done.problem, lens.done.result, lens.done.observation)
    loaded = lensfit.load(analysis.save(tmp_path / "run"))
    assert loaded.trust == lens.done.trust
    with pytest.raises(DataError, match="the data came from a script"):
        loaded.problem  # noqa: B018
    other = tmp_path / "run" / "recipe.toml"
    write_imaging(dataclasses.replace(mock.imaging, data=mock.imaging.data + 1), tmp_path / "other")
    other.write_text(other.read_text() + '[data]\npath = "../other"\n')
    with pytest.raises(DataError, match="holds other data than those that were fitted"):
        lensfit.load(tmp_path / "run").observation  # noqa: B018


def test_a_result_of_ones_own_is_saved_and_reported(mock, problem, truth, tmp_path):
    """By any fitter, of a problem made by hand: the files and the report are those of the command."""
    result = lensfit.fit(problem, LM(starts=1), start=truth, progress=silent)
    done = Analysis.of(problem, result, mock.imaging)
    done.save(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == set(IMAGE_FILES)
    assert main(["report", str(tmp_path / "run")]) == 0
    assert lensfit.load(tmp_path / "run").result.fitter == "lm"
    assert headline(done.derived).value == pytest.approx(1.1, abs=0.05)


# Steps


def test_steps_are_values_in_any_order_or_left_out(mock, lens):
    begun = Analysis.begin(mock.imaging, "parametric", seed=3)
    assert begun.result is None and "nothing fitted yet" in repr(begun)
    straight = begun.then(Search(), silent)
    same_result(dataclasses.replace(straight.result, provenance={}), dataclasses.replace(
        lens.done.result, provenance={}, seconds=straight.result.seconds, cpu_seconds=straight.result.cpu_seconds))
    sampled = straight.then(lambda found, progress: Posterior("lm")(found, progress), silent)
    assert sampled.result.fitter == "lm" and sampled.fit.fitter == "lm"
    assert [row["step"] for row in straight.road] == ["Search(fitter='staged')"]
    assert straight.fit.seed == 3


@pytest.mark.parametrize("step", [Companions(), Posterior(), SourceOnPixels()])
def test_a_step_that_needs_a_fit_says_so(step, mock):
    with pytest.raises(FitError, match="nothing was fitted yet"):
        Analysis.begin(mock.imaging).then(step, silent)


def test_the_region_is_chosen_unless_it_was_given(mock):
    whole = dataclasses.replace(mock.imaging, mask=np.zeros(mock.imaging.shape, bool))
    chosen = Analysis.begin(whole).then(Region(), silent)
    assert "mask chosen from the data" in chosen.observation.notes[-1] and chosen.observation.frame.mask.any()
    given = Analysis.begin(mock.imaging).then(Region(), silent)
    np.testing.assert_array_equal(given.observation.frame.mask, mock.imaging.mask)


@pytest.mark.parametrize(
    ("fitter", "source", "names"),
    [
        ("staged", None, ["Search", "Companions", "AutoSource"]),
        ("emcee", None, ["Search"]),
        ("importance", None, ["Search", "Companions", "AutoSource", "Posterior"]),
        ("staged", "profiles", ["Search", "Companions"]),
        ("staged", "pixels", ["Search", "Companions", "SourceOnPixels"]),
        ("emcee", "pixels", ["Search", "Companions", "SourceOnPixels", "Posterior"]),
    ],
)
def test_the_road_of_each_fitter(fitter, source, names, mock):
    steps = standard_road(Analysis.begin(mock.imaging), fitter, source=source)
    assert [type(step).__name__ for step in steps] == names


def test_a_mesh_without_pixels_is_refused(mock):
    with pytest.raises(ModelError, match="a mesh is for a source on pixels"):
        standard_road(Analysis.begin(mock.imaging), source="profiles", mesh={"pixels": 20})


def test_a_source_that_nobody_would_choose_is_refused(mock):
    for asked in ({"source": "auto"}, {"mesh": {"pixels": 20}}):
        with pytest.raises(ModelError, match="goes its own way from the priors"):
            standard_road(Analysis.begin(mock.imaging), "emcee", **asked)


def test_a_misspelt_source_is_told(mock):
    with pytest.raises(ModelError, match="source='pixel': did you mean pixels"):
        standard_road(Analysis.begin(mock.imaging), source="pixel")


def test_a_model_that_is_given_keeps_its_source(mock):
    steps = standard_road(Analysis.begin(mock.imaging, parametric))
    assert "AutoSource" not in [type(step).__name__ for step in steps]


ASKED: dict[str, Any] = {
    "fitter": "lm", "seed": 3, "standard": "flexible", "mass": "epl", "light_bands": "shared",
    "source_bands": "scaled", "source": "pixels", "mesh": {"pixels": 20},
}  # fmt: skip
"""All that [fit] says, nothing as by default; `settings` are in the fitter."""


@pytest.fixture
def taken(monkeypatch):
    """What `prepare` and `standard_road` are given of that, in place of a fit."""
    given = {}

    def prepare(data, model, **said):
        given.update({"standard": model, **{name: value for name, value in said.items() if name in ASKED}})

    def steps(begun, chosen, **said):
        given.update({"fitter": name_of(chosen) if isinstance(chosen, LM) else chosen, **said})
        raise ModelError("this is enough")

    monkeypatch.setattr(road, "prepare", prepare)
    monkeypatch.setattr(road, "standard_road", steps)
    return given


def by_call(folder):
    said = dict(ASKED)
    with pytest.raises(ModelError, match="this is enough"):
        lensfit.analyse(folder, said.pop("standard"), said.pop("fitter"), **said)


def as_options(asked):
    said = {name: value for name, value in asked.items() if name != "mesh"} | {"mesh_pixels": 20}
    return [word for name, value in said.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def by_command(folder):
    options = as_options(ASKED)
    assert main(["fit", str(folder), *options, "--out", str(folder / "run"), "--quiet"]) == 3


def in_recipe():
    lines = [f"{name} = {json.dumps(value)}" for name, value in ASKED.items() if name != "mesh"]
    return [*lines, "mesh = {pixels = 20}"]


def by_recipe(folder):
    (folder / "m.toml").write_text("\n".join(["[fit]", *in_recipe()]))
    assert main(["fit", str(folder), "--model", str(folder / "m.toml"), "--out", str(folder / "run"), "--quiet"]) == 3


def by_survey(folder):
    said = {name: value for name, value in ASKED.items() if name not in ("seed", "mesh")} | {"mesh_pixels": 20}
    (lens,) = read_catalogue([Lens(name="a", options={"path": ".", **said}, base=folder)], {})
    with pytest.raises(ModelError, match="this is enough"):
        fitted(lens, 5)


def by_survey_command(folder):
    options = as_options(ASKED)
    (folder / "lenses.csv").write_text("name,path\na,.\n")
    assert main(["fit-many", str(folder / "lenses.csv"), *options, "--out", str(folder / "run"), "--quiet"]) == 3


def by_warm_up(folder):
    (folder / "m.toml").write_text("\n".join(["[fit]", *in_recipe()]))
    assert main(["warm-up", str(folder), "--model", str(folder / "m.toml"), "--quiet"]) == 3


@pytest.mark.parametrize("way", [by_call, by_command, by_recipe, by_survey, by_survey_command, by_warm_up])
def test_nothing_that_is_asked_of_a_fit_is_forgotten(way, taken, tmp_path, monkeypatch):
    """A new field of [fit] that one of them takes and leaves behind would be an option that does nothing."""
    monkeypatch.setattr(cli, "setup", lambda: None)
    monkeypatch.setattr(warming, "keeps_programs", lambda: True)
    monkeypatch.setattr(fit_many, "analyse_many", lambda lenses, out, *, seed, **_: fitted(lenses[0], seed))
    assert {*ASKED, "settings"} == {f.name for f in dataclasses.fields(FitSection)} == READERS[FitSection].keys()
    assert not any(ASKED[f.name] == f.default for f in dataclasses.fields(FitSection) if f.name in ASKED)
    way(tmp_path)
    taken.pop("checkpoint", None)
    of_lens = Lens(name="a", options={}, base=tmp_path).seed
    seed = of_lens(5) if way is by_survey else of_lens(3) if way is by_survey_command else 3
    assert taken == ASKED | {"seed": seed}


# Data and models


def test_models_by_name_by_function_and_as_they_are(mock):
    imaging = mock.imaging
    by_name, by_function = (Analysis.begin(imaging, m).problem for m in ("flexible", lensfit.standard.flexible))
    assert by_name.names == by_function.names
    model = lensfit.standard.parametric(imaging)
    assert Analysis.begin(imaging, model).problem.model is model
    with pytest.raises(ModelError, match="the standard model one_source is not for images: use parametric or flexible"):
        Analysis.begin(imaging, "one_source").problem  # noqa: B018


@pytest.mark.parametrize("form", ["model", "function", "bands"])
def test_galaxies_are_named_beside_standard_models_alone(mock, form):
    """However the model of one's own is given, and wherever the galaxies were named."""
    named = mock.imaging.with_galaxies(["1.3,0.9"])
    assert Analysis.begin(named, "flexible").problem.names
    model = lensfit.standard.parametric(mock.imaging)
    data, given = {"model": (named, model), "function": (named, lensfit.standard.flexible),
                   "bands": ({"VIS": named}, {"VIS": model})}[form]  # fmt: skip
    with pytest.raises(ModelError, match="galaxies= adds to a standard model"):
        Analysis.begin(data, given)


def test_what_is_no_data_is_refused(mock, tmp_path):
    with pytest.raises(DataError, match="int is no data: give a path"):
        observe(3)
    with pytest.raises(DataError, match="only visibilities can be fitted together so"):
        observe([mock.imaging, mock.imaging])
    with pytest.raises(DataError, match="psf: can be given where the data are read from files"):
        Analysis.begin(mock.imaging, psf="psf.fits")
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        Analysis.begin(tmp_path / "nowhere")
    with pytest.raises(DataError, match="redshift_lense=: no option for data from files; did you mean redshift_lens"):
        Analysis.begin(tmp_path, redshift_lense=0.5)
    with pytest.raises(DataError, match="psf=: ndarray is no path; name a file, or make the data of arrays with"):
        Analysis.begin(tmp_path, psf=np.ones((3, 3)))


def test_single_precision_is_refused_and_what_is_not_kept_is_told(mock, monkeypatch):
    with jax.enable_x64(False), pytest.raises(ModelError, match=r"call lensfit\.setup\(\) first"):
        lensfit.analyse(mock.imaging, steps=(), progress=silent)
    monkeypatch.setattr(road, "keeps_programs", lambda: False)
    with pytest.warns(UserWarning, match=r"lensfit\.setup\(\) before the first fit keeps them"):
        lensfit.analyse(mock.imaging, steps=(), progress=silent)
    monkeypatch.setattr(road, "keeps_programs", lambda: True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lensfit.analyse(mock.imaging, steps=(), progress=silent)


def test_no_bar_is_made_where_progress_is_given(mock, monkeypatch):
    monkeypatch.setattr(progress, "Bar", None)
    assert lensfit.analyse(mock.imaging, steps=(), progress=silent).result is None


# Files


def test_all_files_appear_or_none(lens, tmp_path, monkeypatch):
    def full(made):
        (made / "report.html").write_text("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(analysis, "write_report", full)
        with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); make room"):
            lens.done.save(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    (tmp_path / "run" / "source.fits").write_text("of an earlier run")
    enlist(tmp_path / "run", "source.fits")
    (tmp_path / "run" / "mine.txt").write_text("mine")
    lens.done.save(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {*IMAGE_FILES, "mine.txt"}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda document: document.pop("model"), "no whole result .*'model'"),
        (lambda document: document.pop("trust"), "no whole result .*'trust'"),
        (lambda document: document["model"]["mass"]["shear"].update(profile="Sheer"), "no mass profile is named"),
        (lambda document: document.update(samples=7), "samples.ecsv: no such file"),
    ],
)
def test_what_is_missing_or_damaged_is_told(damage, told, lens, tmp_path):
    document = read_document(lens.run)
    damage(document)
    (tmp_path / "result.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=told):
        lensfit.load(tmp_path)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (lambda lens: lens.run / "result.json", "give the folder of the run, which .*python may be"),
        (lambda lens: lens.run / "nowhere", "no such file; check the path"),
        (lambda lens: lens.runs, "of the runs in .* give one: there are .*python"),
        (lambda lens: lens.data, "give the folder that `lensfit fit` or Analysis.save wrote"),
    ],
)
def test_what_is_no_run_is_told(named, told, lens):
    with pytest.raises(DataError, match=told):
        lensfit.load(named(lens))
