"""README and documentation: links, lines, numbers, scripts and commands."""

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from lensfit import cli, registry
from lensfit.analysis import Search, analysis, road, steps
from lensfit.bench.rows import Row
from lensfit.cli import bench as bench_command
from lensfit.cli import fit_many
from lensfit.cli.parser import CODES, parse
from lensfit.datasets import image_files
from lensfit.observations.visibility_observation import VisibilityObservation
from lensfit.profiles import EPL, NFW, SIE, Sersic
from lensfit.recipe import read_recipe
from lensfit.results import Quantity
from lensfit.survey import Survey, Tally
from lensfit.trust.questions import LEAST_EXPLAINED, LEAST_SIGNAL, QUESTIONS

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))  # their code is run when the site is built
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(<!-- run -->\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)
QUOTED = re.compile(r"`((?:[a-z_]+\.)+[A-Z_]+)` =\s+(\([^)]*\)|-?\d[\d.]*(?:e-?\d+)?)")
LONGEST, MOST_LINES = 110, 150

sys.path.append(str(ROOT / "tests" / "cli"))  # for the stand-in of a fit


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(language, *, marked=False):
    """(page and number, text) of the fenced blocks in a language; only those marked to be run if asked."""
    found = []
    for page in PAGES:
        for number, (mark, kind, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8"))):
            if kind == language and (mark or not marked):
                found.append(pytest.param(text, id=f"{name_of(page)}-{number}"))
    return found


def commands(program):
    """Every command line of a program: in blocks of sh, indented lines, and the second column of tables."""
    found = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = "\n".join(block for _, kind, block in FENCE.findall(text) if kind == "sh")
        shown += re.sub(r"^(?!    |\|).*$", "", FENCE.sub("", text), flags=re.M)
        for line in shown.splitlines():
            cell = re.match(rf"(?:    )?({program} .*)|.*\| `({program} [^`]*)`", line)
            if cell:
                command = (cell[1] or cell[2]).split("  #")[0].strip()
                found[command] = pytest.param(command, id=command)
    return list(found.values())


def anchors(page):
    """Anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=name_of)
def test_internal_links_resolve(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_short(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if len(line) > LONGEST and not line.startswith("|")]
    assert page.name != "README.md" or len(lines) <= MOST_LINES


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert all(f"({page.name})" in index for page in (ROOT / "docs").glob("*.md") if page.name != "index.md")


def test_quoted_constants_are_the_code_s():
    count = 0
    for page in PAGES:
        for dotted, text in QUOTED.findall(page.read_text(encoding="utf-8")):
            module, _, constant = dotted.rpartition(".")
            value = getattr(importlib.import_module(f"lensfit.{module}"), constant)
            assert ast.literal_eval(text.rstrip(".")) == value, f"{name_of(page)}: {dotted}"
            count += 1
    assert count >= 20


@pytest.mark.parametrize("module", ["trust.questions", "staged.search", "staged.image_stages"])
def test_no_constant_of_the_fitter_goes_unsaid(module):
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    source = (ROOT / "lensfit" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    lines = re.findall(r"^([A-Z_, ]+) = [-(]?[\d.]", source, re.M)
    constants = [name for line in lines for name in line.split(", ")]
    assert constants
    said = {dotted for dotted, _ in QUOTED.findall(text)}
    assert {f"{module}.{name}" for name in constants} <= said


def test_trust_names_every_check():
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| ([a-z -]+) \| [a-z ]+[^|]*\?", page, re.M)
    asked = dict.fromkeys(question.name for question in QUESTIONS)
    assert [name for name in told if name in asked] == list(asked)
    assert set(told) - set(asked) == {"converged", "companions"}
    lesser = re.search(r"All checks are essential but (.*?), which", page, re.S)
    assert lesser is not None
    assert set(re.findall(r"`(.*?)`", lesser[1])) == {question.name for question in QUESTIONS if not question.essential}
    of_one_image = len([question for question in QUESTIONS if "image" in question.kinds and not question.several])
    start = (ROOT / "docs" / "quick_start.md").read_text(encoding="utf-8")
    counts = re.findall(r"(?:all|of) (\d+) checks", page + start)
    assert len(counts) == 2 and set(counts) == {str(of_one_image)}
    findings = (f"(at least {LEAST_SIGNAL:.0f})", f"(at least {100 * LEAST_EXPLAINED:.0f} %)")
    assert all(finding in page for finding in findings)


def test_data_tells_every_word():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    rows = " ".join(line for line in page.splitlines() if line.startswith("|"))
    assert {word for words in image_files.WORDS.values() for word in words} <= set(re.findall(r"\w+", rows))


@pytest.mark.parametrize("text", blocks("python"))
def test_scripts_compile(text):
    compile(text, "script", "exec")


def test_scripts_that_compute_set_jax_up():
    computes = re.compile(r"lensfit\.analyse\(|image_positions\(|\.maps\(|lensfit\.Problem\(")
    every = [param.values[0] for param in blocks("python")]
    whole = [text for text in every if text.startswith("import lensfit\n") and computes.search(text)]
    assert len(whole) >= 5 and all("lensfit.setup()" in text for text in whole)


def test_the_readme_s_script_is_part_of_the_example():
    (script,) = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    example = (ROOT / "examples" / "fit_image.py").read_text(encoding="utf-8").splitlines()
    assert [line for line in script[2].splitlines() if line not in example and "print(" not in line] == []


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the repository's data and examples, data of the user's own as MYDATA and a catalogue of them."""
    for name, target in {"data": "data", "examples": "examples", "MYDATA": "data/jwst_mock"}.items():
        (tmp_path / name).symlink_to(ROOT / target)
    Table({"name": ["one"], "path": ["MYDATA"]}).write(tmp_path / "CATALOGUE.ecsv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", blocks("python", marked=True))
def test_marked_scripts_run(text, workplace):
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def stood_in(monkeypatch):
    """The command line in this process, a stand-in for the fit and quick files for its results."""
    from stand_in import Fits

    from lensfit import cli

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(cli, "setup", lambda: None)
    for name in cli.ONE_THREAD:
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    row = Row(implementation="lensfit", seconds=1.0, ratio=1.0, error=0.0, memory=1.0)
    monkeypatch.setattr(bench_command, "_use_one_core", lambda: None)
    monkeypatch.setattr(bench_command, "measure", lambda *_: [row])
    monkeypatch.setattr(steps, "fit", Fits())
    monkeypatch.setattr(registry, "fit", Fits())
    monkeypatch.setattr(road, "Calibration", Search)
    monkeypatch.setattr(road, "SourceOnPixels", lambda mesh: lambda made, progress: made)
    monkeypatch.setattr(VisibilityObservation, "advice", lambda *_: ())
    monkeypatch.setattr(analysis, "write_results", lambda made, *_: (made / "result.json").write_text("{}"))
    monkeypatch.setattr(analysis, "write_report", lambda made: (made / "report.html").write_text(""))
    radius = Quantity(1.25, 0.01, "arcsec", "of the critical curve", 0.02)
    monkeypatch.setattr(analysis, "derived_quantities", lambda *_: {"effective_einstein_radius": radius})
    survey = Survey(folder=Path(), table=Table(), tally=Tally(total=1, done=1))
    monkeypatch.setattr(fit_many, "analyse_many", lambda *_, **asked: survey)


@pytest.mark.parametrize("command", commands("lensfit"))
def test_commands_run(command, workplace, stood_in, capsys):
    arguments = shlex.split(command)[1:]
    made = {"runs/simulated": "examples/simulate.toml", "runs/no_source": "examples/no_source.toml"}
    for folder, recipe in made.items():
        if arguments[:2] == ["fit", folder]:
            assert cli.main(["simulate", recipe, "--out", folder]) == 0
    if arguments == ["fit", "--help"]:
        with pytest.raises(SystemExit, match="0"):
            cli.main(arguments)
        return
    with np.errstate(all="ignore"):
        assert cli.main(arguments) == 0, capsys.readouterr().err


def test_exit_codes_are_those_of_the_command_line():
    for page in ("README.md", "docs/quick_start.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        told = re.findall(r"^\| ([\d, ]+) \|", text, re.M)
        codes = {int(code) for row in told for code in row.split(",")}
        known = {int(code) for code in re.findall(r"^  (\d+) ", CODES, re.M)}
        assert codes == known - ({130, 141} if page == "README.md" else set())


def test_make_has_the_targets_that_are_told():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {param.values[0].split()[1] for param in commands("make")}
    assert {"fit", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_scripts_that_commands_name_are_there():
    assert all((ROOT / param.values[0].split()[1]).is_file() for param in commands("python"))


def test_recipes_on_pages_and_in_examples_are_read():
    for param in blocks("toml"):
        tomllib.loads(param.values[0])
    for path in (ROOT / "examples").glob("*.toml"):
        assert read_recipe(path).model is not None, path.name


def test_translations():
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    code = next(text for _, kind, text in FENCE.findall(page) if kind == "python")
    told = {}
    exec(code, told)
    amp, size, n, pixel, radius = 2.0, 0.7, 2.5, 0.05, np.array([0.1, 0.7, 1.9])
    shape = {"center_x": 0.0, "center_y": 0.0, "e1": 0.0, "e2": 0.0}
    theirs = amp * pixel**2 * np.exp(-(1.9992 * n - 0.3271) * ((radius / size) ** (1 / n) - 1))
    ours = Sersic(**shape, **told["from_lenstronomy"](amp, size, n, pixel)).brightness(radius, 0 * radius)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    cases = json.loads((ROOT / "tests" / "reference" / "profiles.json").read_text())
    index = next(k for k, c in enumerate(cases["cases"]["mass"]) if c["profile"] == "sie" and c["parameters"]["e1"])
    case, answer = cases["cases"]["mass"][index], np.array(cases["pyautolens"]["mass"][index])
    p = case["parameters"]
    q = told["axis_ratio"](p["e1"], p["e2"])
    given = (p["center_y"], p["center_x"]), (p["e2"], p["e1"]), p["einstein_radius"] * (1 + q) / (2 * np.sqrt(q))
    x, y = np.array(case["x"]), np.array(case["y"])
    deflection = SIE(**told["from_pyautolens"](*given)).deflection(x, y)
    np.testing.assert_allclose(np.array(deflection).T, answer[:, :2], rtol=1e-4)
    coolest = told["from_coolest"](0.5, -90.0)  # the major axis along x
    np.testing.assert_allclose([coolest["e1"], coolest["e2"]], [1 / 3, 0.0], atol=1e-15)


def test_translations_of_masses():
    """By the convergence that PyAutoLens states along the axes of an ellipse whose major one is x."""
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    told = {}
    exec(next(text for _, kind, text in FENCE.findall(page) if kind == "python"), told)
    (x, y), e, slope, size = np.array([[0.4, 1.1, 0.0], [0.0, 0.0, 2.5]]), 0.2, 1.7, 1.3
    q = (1 - e) / (1 + e)
    major = np.hypot(x, y / q)
    epl = EPL(**told["epl_from_pyautolens"]((0.0, 0.0), (0.0, e), size, slope))
    theirs = (3 - slope) / (1 + q) * (size / major) ** (slope - 1)
    np.testing.assert_allclose(epl.convergence(x, y), theirs, rtol=1e-10)
    nfw = NFW(**told["nfw_from_pyautolens"]((0.0, 0.0), (0.0, e), 0.3, 5.0))
    root = np.sqrt(1 - (major / 5.0) ** 2)
    theirs = 2 * 0.3 * (1 - np.arctanh(root) / root) / -(root**2)
    np.testing.assert_allclose(nfw.convergence(x, y), theirs, rtol=2e-6)


def test_arguments_of_fits_are_parsed():
    assert all(parse(shlex.split(p.values[0])[1:]).command for p in commands("lensfit fit") if "--help" not in p.id)
