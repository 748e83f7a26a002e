"""Every example, run as its first lines say, in a folder with the repository's data beside it."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.table import Table
from run_files import IMAGE_FILES, PIXEL_FILES, RUN_FILES, SAMPLE_FILES, VISIBILITY_FILES

from lensfit import cli
from lensfit.results import read_document

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
LENSFIT = ("-m", "lensfit")


@pytest.fixture
def run(tmp_path):
    """run(*arguments of python) -> standard output, in a folder with the repository's data and examples."""
    for name in ("data", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def command_of(example):
    """The command in the first lines of an example, without the name of the program."""
    start = (EXAMPLES / example).read_text(encoding="utf-8")[:400]
    return re.search(rf"(?:python|lensfit) ((?:\S+ )*examples/{example}.*)", start)[1].split()


def files(folder):
    return {path.name for path in folder.iterdir()}


def found(folder, overview="overview.png"):
    """The result in a run folder that holds all a run folder should, by the truth of the mock."""
    assert {"report.html", "result.json", "parameters.ecsv", "model.fits", overview} <= files(folder)
    result = read_document(folder)
    radius = result["parameters"]["mass.sie.einstein_radius"]
    assert abs(radius["value"] - 1.3) < 4 * radius["error"]
    return result


def test_fit_image(run, tmp_path):
    script, folder = command_of("fit_image.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made" / "here")
    result = found(tmp_path / "made" / "here")
    assert said.startswith(f"{result['trust']['headline']}\n") and "\nEinstein radius  1.3098" in said
    assert files(tmp_path / "made" / "here") == set(IMAGE_FILES)
    assert said.splitlines()[-1] == str(tmp_path / "made" / "here" / "report.html")


@pytest.mark.slow
def test_fit_visibilities(run, tmp_path):
    script, folder = command_of("fit_visibilities.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert said.startswith("window chosen from the data") and "\nTRUSTED: all" in said
    result = read_document(tmp_path / "made")
    truth = json.loads((ROOT / "data/alma_mock/truth.json").read_text())
    for name, found in result["parameters"].items():
        assert abs(found["value"] - truth[name]["value"]) < 3 * found["error"], name
    assert files(tmp_path / "made") == set(VISIBILITY_FILES)


@pytest.mark.slow
def test_fit_bands(run, tmp_path):
    script, folder = command_of("fit_bands.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert said.startswith("TRUSTED: all") and "\nsource VIS - H = 0.3" in said
    result = read_document(tmp_path / "made")
    radius, shift = result["parameters"]["mass.sie.einstein_radius"], result["parameters"]["H.alignment.shift_x"]
    assert abs(radius["value"] - 1.2) < 4 * radius["error"] and abs(shift["value"]) < 0.02
    assert {"overview.png", "colour.png", "colours.png", "photometry.ecsv", "recipe.toml"} <= files(tmp_path / "made")


@pytest.mark.slow
def test_several_galaxies(run, tmp_path):
    script, folder = command_of("several_galaxies.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert said.startswith("TRUSTED: all")
    result = read_document(tmp_path / "made")
    for name, truth in (("mass.sie.einstein_radius", 1.2), ("mass.galaxy_1.einstein_radius", 0.2)):
        told = result["parameters"][name]
        assert abs(told["value"] - truth) < 3 * told["total"], name


@pytest.mark.slow
def test_fit_image_and_visibilities(run, tmp_path):
    script, folder = command_of("fit_image_and_visibilities.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert said.startswith("TRUSTED: all")
    result = found(tmp_path / "made", overview="stars_overview.png")
    size = result["parameters"]["dust.source.sersic.effective_radius"]
    assert abs(size["value"] - 0.15) < 3 * size["error"]


@pytest.mark.slow
def test_posterior(run, tmp_path):
    script, folder = command_of("posterior.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert "Pareto k of the weights is" in said and "ln evidence 299" in said and "\nTRUSTED: all" in said
    result = found(tmp_path / "made")
    assert result["fitter"] == "importance" and result["diagnostics"]["effective_samples"] >= 500
    assert files(tmp_path / "made") >= set(SAMPLE_FILES)


@pytest.mark.slow
def test_pixelised_source(run, tmp_path):
    script, folder = command_of("pixelised_source.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert "Einstein radius with a Sersic source 1.3098" in said and "ln evidence 291" in said
    assert ", TRUSTED\n" in said
    magnified = float(re.search(r"magnified (\S+) times", said)[1])
    assert magnified == pytest.approx(15.69, rel=0.05)  # fluxes of the truth, summed
    assert files(tmp_path / "made") == set(PIXEL_FILES)


@pytest.mark.slow
def test_pool(run):
    script, steps = command_of("pool.py")
    assert steps == "[STEPS]"
    said = run(script, "40")
    assert "mass.sie.einstein_radius   1.300" in said and "ln evidence " in said


@pytest.mark.slow
def test_slope(run):
    """The isothermal Einstein radius is wrong by far more than its error, that of the power law is right."""
    (script,) = command_of("slope.py")
    number = r"(-?\d+\.\d+)"
    said = run(script)
    radii = [tuple(map(float, both)) for both in re.findall(rf"Einstein radius {number} \+- {number}", said)]
    (wrong, its), (right, error) = radii
    assert abs(wrong - 1.0) > 10 * its and abs(right - 1.0) < 4 * error
    slope, error = map(float, re.search(rf"slope {number} \+- {number}", said).groups())
    assert abs(slope - 1.7) < 4 * error


def test_maps(run, tmp_path):
    """The mean convergence within the Einstein radius of the mass is about one, as it should be."""
    script, folder = command_of("maps.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert float(re.search(r"arcsec: (\S+)", said)[1]) == pytest.approx(1.0, abs=0.02)
    assert 5 < float(re.search(r"source: (\S+)", said)[1]) < 30
    assert float(re.search(r"it (\S+) Msun", said)[1]) == pytest.approx(3.6e11, rel=0.02)
    assert files(tmp_path / "made") == {"maps.fits", "coolest.json", "critical_curves.reg"}


def test_population(run, tmp_path):
    script, figure = command_of("population.py")
    assert figure == "[FIGURE.png]"
    said = run(script, tmp_path / "made.png")
    mean, up, down = map(float, re.search(r"^mean (\S+) \+(\S+) -(\S+),", said).groups())
    assert abs(mean - 2.08) < 2.5 * max(up, down) and (tmp_path / "made.png").is_file()


def test_own_fitter(run):
    (script,) = command_of("own_fitter.py")
    said = run(script)
    assert "after 2000 calls" in said and "NOT TRUSTED" in said and "cross-entropy: it did not converge" in said


@pytest.mark.slow
def test_recipe(run, tmp_path):
    arguments = command_of("recipe.toml")
    assert "TRUSTED: all" in run(*LENSFIT, *arguments)
    folder = tmp_path / arguments[-1]
    assert found(folder)["trust"]["trusted"]
    assert files(folder) == set(RUN_FILES)


@pytest.mark.slow
def test_comparison(run, tmp_path):
    arguments = ["lm" if "," in word else word for word in command_of("three.toml")]
    assert "| lm | 1 of 1 |" in run(*LENSFIT, *arguments, "--seeds", "1")
    assert files(tmp_path / arguments[-1]) == {"compare.ecsv", "compare.md", "compare.png", "compare.json"}


@pytest.mark.parametrize("name", ["simulate", "no_source"])
def test_simulations(name, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "setup", lambda: None)
    monkeypatch.chdir(ROOT)
    *arguments, _ = command_of(f"{name}.toml")
    assert cli.main([*arguments, str(tmp_path / "made")]) == 0
    assert {"data.fits", "noise_map.fits", "psf.fits", "truth.json"} <= files(tmp_path / "made")


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_what_an_example_imports_is_there(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_no_example_is_left_out():
    assert {p.name for p in EXAMPLES.iterdir() if p.is_file()} == {
        "fit_bands.py", "fit_image.py", "fit_image_and_visibilities.py", "fit_visibilities.py", "many_lenses.py",
        "maps.py", "own_fitter.py", "pixelised_source.py", "pool.py", "population.py", "posterior.py",
        "several_galaxies.py", "slope.py", "recipe.toml", "simulate.toml", "no_source.toml", "three.toml",
    }  # fmt: skip


@pytest.mark.slow
def test_many_lenses(run, tmp_path):
    script, folder = command_of("many_lenses.py")
    assert folder == "[FOLDER]"
    said = run(script, tmp_path / "made")
    assert re.search(r"^[345] of 5 lenses in the sample", said, re.M)
    table = Table.read(tmp_path / "made" / "survey" / "lenses.parquet")
    assert list(table["name"]) == [f"J{number}" for number in range(5)] and set(table["state"]) == {"done"}
    assert (abs(table["einstein_radius"] - table["truth"]) < 5 * table["einstein_radius_total"]).all()
    for name in table["name"]:
        assert files(tmp_path / "made" / "survey" / "lenses" / name) == {*RUN_FILES, "lens.json", "thumbnail.jpg"}
