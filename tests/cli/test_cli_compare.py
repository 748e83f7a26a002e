"""lensfit compare: arguments, files and exit codes, with a stand-in for the fits."""

import json

import pytest
from stand_in import Fits, files

from lensfit import registry
from lensfit.cli import main
from lensfit.comparison import FILES
from lensfit.errors import FitError


@pytest.fixture
def compare(lensfit, data, tmp_path, monkeypatch):
    """compare(*options, error=None): the exit code, what was said, and the folder."""

    def run(*options, error=None):
        monkeypatch.setattr(registry, "fit", Fits(error=error))
        out = tmp_path / "out"
        return *lensfit("compare", data, "--mask-radius", 1.5, *options, "--out", out), out

    return run


@pytest.mark.filterwarnings("ignore:something odd")
def test_files_and_table(compare):
    code, said, complaints, out = compare("--fitters", "lm,emcee", "--seeds", 3, "--budget", 5)
    assert code == 0, complaints
    assert files(out) == sorted(FILES)
    document = json.loads((out / "compare.json").read_text())
    assert document["budget"] == 5
    assert [(row["fitter"], row["seed"]) for row in document["runs"]] == [
        (name, seed) for name in ("lm", "emcee") for seed in range(3)
    ]
    assert said == (out / "compare.md").read_text()
    code, _, complaints, _ = compare("--fitters", "lm")
    assert code == 3 and "holds files already" in complaints


@pytest.mark.filterwarnings("ignore:something odd")
def test_fits_that_fail_are_shown_and_the_code_is_0(compare):
    code, said, _, out = compare("--fitters", "lm", "--seeds", 1, error=FitError("no way"))
    assert code == 0
    assert "lm, seed 0, failed: no way" in said
    assert json.loads((out / "compare.json").read_text())["best"] is None


def test_options_of_the_model_count(compare):
    code, _, complaints, _ = compare("--fitters", "lm", "--light-bands", "shared")
    assert code == 3 and "a structure of light in several bands is for images with a name each" in complaints


def test_an_unknown_fitter_is_told_and_nothing_is_left(compare):
    code, _, complaints, out = compare("--fitters", "lm,emce")
    assert code == 5 and "nearest: emcee" in complaints
    assert not out.exists()


@pytest.mark.parametrize(
    "options",
    [["--out", "o"], ["--fitters", "lm"], ["--fitters", "lm", "--out", "o", "--budget", "0"],
     ["--fitters", "lm", "--out", "o", "--budget", "soon"], ["--fitters", "lm", "--out", "o", "--seeds", "0"]],
)  # fmt: skip
def test_wrong_usage_is_2(options):
    with pytest.raises(SystemExit) as caught:
        main(["compare", "data", *options])
    assert caught.value.code == 2
